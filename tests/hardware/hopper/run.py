# SPDX-License-Identifier: Apache-2.0
"""Run a bundle of ``make hopper`` on a GPU of capability 9.0; no network is used.

``python run.py --out results.json [--parts regimes,models] [--capability 12.0]``
``[--models Qwen3-30B-A3B] [--kinds micro,static]``, with a Python that has PyTorch for
CUDA, the FlashInfer and cutlass-dsl that the bundle's manifest names, and what vLLM's
Python imports. Exit status 0 if every part came to its end, 1 if one did not, 2 if the
machine or the call is not one for it.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.metadata
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CODE = HERE / "code"
# What the kernels' host code calls; of them the versions that the bundle was made with.
SAME = ("flashinfer-python", "nvidia-cutlass-dsl")
# Of the manifest, what no result has to say.
OWN = ("kernels", "target", "versions")


def facts() -> dict[str, str]:
    """Device, driver, software and day, and the packages that have to be the bundle's.

    Asked before anything says that the device is another.
    """
    import device

    return device.facts() | {name: importlib.metadata.version(name) for name in SAME}


def wrong(manifest: dict[str, Any]) -> str:
    """Why this environment cannot run it, or nothing."""
    for name in SAME:
        want = manifest["versions"][name]
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "none"
        if found != want:
            return f"{name}: expected {want}, found {found}"
    return ""


def libraries() -> None:
    """Let the kernels' host code see the runtimes that it calls."""
    import tvm_ffi
    from cutlass.runtime import find_runtime_libraries

    for path in [*find_runtime_libraries(), tvm_ffi.libinfo.find_libtvm_ffi()]:
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


class Results:
    """What is known so far, on disk after each row: a killed run loses none."""

    def __init__(
        self, out: Path, asked: list[str], machine: dict[str, str], bundle: Any
    ) -> None:
        self.out = out
        self.parts: dict[str, dict[str, Any]] = {}
        self.whole = {"machine": machine, "bundle": bundle, "parts": self.parts}
        self.whole["asked"] = asked

    def keep(self) -> None:
        part = self.out.with_suffix(".part")
        part.write_text(json.dumps(self.whole, indent=1), encoding="utf-8")
        part.replace(self.out)

    def part(
        self, name: str, of: list[str], make: Callable[[Any], Iterable[list[Any]]]
    ) -> None:
        """Run one, or its share that ``of`` names; what it raised is in ``failed``."""
        started = time.monotonic()
        rows: list[list[Any]] = []
        found: dict[str, Any] = {"of": of, "columns": (), "rows": rows}
        self.parts[name] = found | {"failed": "it did not come to its end"}
        failed = ""
        try:
            module = importlib.import_module(name)
            self.parts[name]["columns"] = module.COLUMNS
            for row in make(module):
                rows.append(row)
                at = f"{time.monotonic() - started:.1f}"
                print(name, at, *row, sep="  ", flush=True)
                self.keep()
        except Exception as e:
            traceback.print_exc()
            place = traceback.extract_tb(e.__traceback__)[-1]
            at = f"{Path(place.filename).name}:{place.lineno}"
            failed = f"{type(e).__name__}: {e}"[:800] + f" ({at})"
        took = time.monotonic() - started
        print(f"{name}: {len(rows)} rows, {took:.0f} s", flush=True)
        self.parts[name]["failed"] = failed
        self.keep()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--parts", default="", help="of PARTS; else all")
    parser.add_argument("--capability", default="12.0", help="12.0 or 12.1")
    parser.add_argument("--models", default="", help="of the part models; else all")
    parser.add_argument("--kinds", default="", help="of the part sanitizer; else all")
    wanted = parser.parse_args()
    manifest = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    if why := wrong(manifest):
        print(f"error: not the packages of the bundle\n  {why}", file=sys.stderr)
        return 2
    sys.path[:0] = [str(HERE / "vllm"), str(CODE / "scripts" / "in_vllm")]
    import hopper_cases
    import hopper_stage

    hopper_stage.tests_on_path(CODE)
    arch = f"sm_{wanted.capability.replace('.', '')}a"
    there = {*manifest["parts"].get(arch, ()), "instructions", "sanitizer"}
    names = [name for name in wanted.parts.split(",") if name]
    names = names or [name for name in hopper_cases.PARTS if name in there]
    if unknown := [name for name in names if name not in there]:
        print(f"error: not in the bundle: {', '.join(unknown)}", file=sys.stderr)
        print(f"  for {wanted.capability} it has {sorted(there)}", file=sys.stderr)
        return 2
    kinds = [kind for kind in wanted.kinds.split(",") if kind]
    kinds = kinds or list(hopper_cases.KINDS)
    if unknown := [kind for kind in kinds if kind not in hopper_cases.KINDS]:
        print(f"error: no such kind: {', '.join(unknown)}", file=sys.stderr)
        print(f"  there are {', '.join(hopper_cases.KINDS)}", file=sys.stderr)
        return 2
    models = [name for name in wanted.models.split(",") if name] or manifest["models"]
    told = {key: value for key, value in manifest.items() if key not in OWN}
    results = Results(wanted.out, names, facts(), told)
    if "instructions" in names:
        results.part("instructions", [], lambda module: module.rows(HERE))
    if "sanitizer" in names:
        capability = wanted.capability
        results.part("sanitizer", kinds, lambda m: m.rows(HERE, capability, kinds))
    rest = [name for name in names if name not in ("instructions", "sanitizer")]
    if rest:
        libraries()
        major, minor = map(int, wanted.capability.split("."))
        stage = hopper_stage.run(HERE, (major, minor))
        stage.only = frozenset(models)
        shares = {"models": models, "seed": [wanted.capability]}
        for name in rest:
            results.part(name, shares.get(name, []), lambda module: module.rows(stage))
    failed = [name for name, one in results.parts.items() if one["failed"]]
    print("failed: " + ", ".join(failed) if failed else "all parts came to their end")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
