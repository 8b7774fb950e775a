# SPDX-License-Identifier: Apache-2.0
"""`make test-sm12x` and `make bench-sm12x`: what an owner of the GPU runs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.doctor.facts import Gpu
from scripts.hardware import gpu as gpus
from scripts.hardware import subsets
from scripts.hardware.place import HERE, Place, doubled, installed
from scripts.selection.report import columns
from scripts.upstream import lock as lockfile

Table = Mapping[str, Any]
DOUBLE = Gpu("double of an SM120 device, on a CPU", "12.0", "none", "none")


def test(at: Checkout, double: bool) -> dict[str, Any]:
    """Find the GPU, install the wheel, run the subsets and the error table.

    Raises:
        Unusable: There is no SM12x GPU, or no wheel; nothing was run.
    """
    gpu = DOUBLE if double else gpus.sm12x(gpus.found())
    note(f"{gpu.name}, capability {gpu.capability}, driver {gpu.driver}")
    place = doubled(at) if double else installed(at)
    ended = [subsets.run(place, subset) for subset in subsets.SUBSETS]
    errors = script(place, "errors.py")
    return {
        "machine": machine(at, gpu, double),
        "ok": all(each.ok for each in ended) and errors["ok"],
        "tests": {
            "title": "Tests",
            "columns": subsets.COLUMNS,
            "rows": [each.row() for each in ended],
            "notes": [],
        },
        "errors": {"title": "Relative errors of MoE layers", **errors},
    }


def bench(at: Checkout, double: bool, model: str | None, rounds: int) -> dict[str, Any]:
    """Sweep the layers by number of tokens; serve the model, if one is given.

    Raises:
        Unusable: There is no SM12x GPU, or no wheel; nothing was run.
    """
    from scripts.hardware import serve

    gpu = DOUBLE if double else gpus.sm12x(gpus.found())
    place = doubled(at) if double else installed(at)
    sweep = script(place, "sweep.py", ",".join(serve.BACKENDS))
    found = {
        "machine": machine(at, gpu, double),
        "ok": sweep["ok"],
        "sweep": {"title": "Microseconds of one layer", **sweep},
    }
    if model is not None:
        program = place.python.with_name("vllm")
        found["serve"] = serve.table(program, model, rounds)
        found["ok"] = found["ok"] and found["serve"]["ok"]
    return found


def machine(at: Checkout, gpu: Gpu, double: bool) -> dict[str, Any]:
    """What the figures are of."""
    lock = lockfile.load(at.lock)
    return {
        "device": gpu.name,
        "capability": gpu.capability,
        "driver": gpu.driver,
        "memory": gpu.memory,
        "hardware": not double,
        "vllm": lock.local_version,
        "tree": lock.patched_tree,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def script(place: Place, name: str, *given: str) -> dict[str, Any]:
    """The table that one of the scripts beside the tests writes.

    Raises:
        Finding: It came to no end.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        double = ["--double"] if place.double else []
        done = place.run(str(HERE / name), str(out), *given, *double)
        if not out.is_file():
            raise Finding(
                "the script did not come to its end",
                where=str(HERE / name),
                found=f"exit status {done.returncode}; its words stand above",
                next="send what it said with `make doctor JSON=1`",
            )
        table: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return table | {"ok": done.returncode == 0}


def as_text(found: Table) -> str:
    """Every table, the machine first, and what it may not be taken for."""
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    parts = [machine]
    if not found["machine"]["hardware"]:
        parts.append("On the double of the machine: this says nothing of the hardware.")
    for table in found.values():
        if isinstance(table, Mapping) and "rows" in table:
            parts += ["", table["title"], "", *_rows(table), *table["notes"]]
    return "\n".join(parts)


def _rows(table: Table) -> list[str]:
    return columns(map(str, row) for row in (table["columns"], *table["rows"]))
