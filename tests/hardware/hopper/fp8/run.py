# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's SM12x FP8 MoE on a Hopper GPU: ``python run.py --out FOLDER``.

The folder gets results.json, written after each row.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

START = time.monotonic()
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("CUTE_DSL_ARCH", "sm_120a")
PARTS = (
    "smoke", "poison", "padded", "errors", "runs", "pdl", "graph", "tiles", "runner",
    "jit", "models",
)  # fmt: skip


def machine() -> dict[str, str]:
    import torch

    told = torch.cuda.get_device_properties(0)
    names = ("flashinfer-python", "nvidia-cutlass-dsl", "triton")
    return {
        "device": told.name,
        "capability": f"{told.major}.{told.minor}",
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    } | {name: importlib.metadata.version(name) for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--seconds", type=float, default=200)
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    import checks
    import flashinfer_fp8
    import hazards
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False

    def left() -> float:
        return float(wanted.seconds - (time.monotonic() - START))

    checks.LEFT, checks.MODS = left, flashinfer_fp8.install()
    parts: dict[str, Any] = {}
    bundle = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    told = {"tree": bundle.get("tree"), "ptxas": bundle["ptxas"]}
    result = {"machine": machine(), "bundle": told, "parts": parts}

    def keep() -> None:
        part = wanted.out / "results.part"
        part.write_text(json.dumps(result, indent=1), encoding="utf-8")
        part.replace(wanted.out / "results.json")

    for name in wanted.parts.split(","):
        rows: list[Any] = []
        parts[name] = {"rows": rows, "failed": "" if left() > 10 else "no time left"}
        try:
            module = checks if hasattr(checks, name) else hazards
            for row in getattr(module, name)() if left() > 10 else ():
                rows.append(row)
                print(name, row, flush=True)
                keep()
                if left() < 5:
                    parts[name]["failed"] = "cut: no time left"
                    break
        except Exception as e:
            traceback.print_exc()
            parts[name]["failed"] = f"{type(e).__name__}: {e}"[:1500]
        result["used"] = flashinfer_fp8.USED
        keep()
        print(f"{name}: {len(rows)} rows {parts[name]['failed']}", flush=True)
    return int(any(part["failed"] for part in parts.values()))


if __name__ == "__main__":
    sys.exit(main())
