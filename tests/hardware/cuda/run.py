# SPDX-License-Identifier: Apache-2.0
"""The Python side of the series on a real CUDA device: one script, one call.

``python tests/hardware/cuda/run.py --base UPSTREAM_TREE --out cuda.json``, in an
environment that imports the patched vLLM, FlashInfer with CuTe DSL, and PyTorch for
CUDA. Any NVIDIA device will do: the kernel itself never runs, and nothing here says
anything of an SM12x device. Exit status 0, or 1 where a part failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [
    str(HERE),
    str(ROOT / "scripts" / "in_vllm"),
    str(ROOT / "tests" / "on_cpu" / "in_vllm"),
]

import device  # noqa: E402

COLUMNS = ["measured", "fork", "upstream", "unit"]


def parts(folder: Path, base: Path) -> dict[str, Callable[[], list[list[Any]]]]:
    """What is measured, in order; each gives rows of ``COLUMNS``."""
    import graphs
    import memory
    import selected
    import timing
    import vllm

    assert vllm.__file__ is not None
    trees = {"fork": Path(vllm.__file__).parents[1], "upstream": base}

    def forced(rows: Callable[[Path], list[list[Any]]]) -> list[list[Any]]:
        with device.as_sm120():
            return rows(folder)

    return {
        "selection": lambda: selected.rows(folder, trees),
        "graphs": lambda: forced(graphs.rows),
        "memory": lambda: forced(memory.rows),
        "timing": lambda: forced(timing.rows),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="upstream's tree")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--only", help="parts, with commas between")
    wanted = parser.parse_args()
    stubs = device.stand_in()
    device.start()
    rows: list[list[Any]] = []
    failed = []
    with tempfile.TemporaryDirectory() as work:
        for name, measure in parts(Path(work), wanted.base.resolve()).items():
            if wanted.only and name not in wanted.only.split(","):
                continue
            started = time.monotonic()
            try:
                rows += measure()
            except Exception:
                failed.append(name)
                traceback.print_exc()
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    told = device.facts()
    notes = [
        "The kernel itself never ran: the device is no SM12x.",
        "vLLM's compiled files: " + ("empty modules" if stubs else "the real ones"),
        *(f"failed: {name}" for name in failed),
    ]
    title = f"On a real CUDA device: {told['device']}, driver {told['driver']}"
    made = {"title": title, "columns": COLUMNS, "rows": rows, "notes": notes}
    wanted.out.write_text(json.dumps(made | {"machine": told}, indent=1), "utf-8")
    for row in rows:
        print("  ".join(str(cell) for cell in row))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
