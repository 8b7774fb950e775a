# SPDX-License-Identifier: Apache-2.0
"""`make hopper STEP=device`: the series' Python side on a CUDA device of any kind."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from scripts import RECORDS, ROOT
from scripts.base import decode
from scripts.base.errors import Finding, Unusable
from scripts.checkout import Checkout
from scripts.hardware import gpu
from scripts.reports import of_series
from scripts.selection.report import columns
from scripts.series.identity import Identity, here

SCRIPT = ROOT / "tests" / "hardware" / "cuda" / "run.py"
RECORDED = RECORDS / "cuda.json"


class Measured(TypedDict):
    """What the script writes, and of which series."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    notes: list[str]
    machine: dict[str, str]
    tree: str
    ran: NotRequired[str]


def recorded() -> Measured:
    """The repository's table: what was measured, on which device, on which day.

    Raises:
        Finding: It cannot be read.
    """
    again = "make hopper STEP=device PYTHON=... UPDATE=1 where a CUDA device is"
    return decode.read(RECORDED, Measured, "there is no recorded table", again, Finding)


def measured(at: Checkout, python: str) -> Measured:
    """Run the script in the environment of `python`, which imports the patched vLLM.

    Raises:
        Finding: A part of it failed.
        Unusable: There is no GPU, or no Python.
    """
    from scripts.selection.matrix import trees

    gpu.found(python, "make hopper STEP=device")
    base = trees(at).upstream.path
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cuda.json"
        command = [python, str(SCRIPT), "--base", str(base), "--out", str(out)]
        done = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            check=False,
        )
        if not out.is_file():
            raise Unusable(
                "the script did not come to its end",
                where=str(SCRIPT),
                found=f"exit status {done.returncode}; its words stand above",
                next="give an environment with the patched vLLM: "
                "make hopper STEP=device PYTHON=...",
            )
        found = json.loads(out.read_text(encoding="utf-8"))
    return cast(Measured, found | vars(here(at)))


def update(found: Measured) -> None:
    """Write what was measured as the repository's table.

    Raises:
        Finding: Some part failed, so that the table would not be whole.
    """
    from scripts.base.files import write

    if failed := failures(found):
        raise Finding(
            "a table with a failed part is not kept",
            where=str(RECORDED),
            found=", ".join(failed),
            next="fix it, and run it again",
        )
    head = {key: value for key, value in found.items() if key != "rows"}
    rows = ",\n".join(f"  {json.dumps(row)}" for row in found["rows"])
    text = f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n{rows}\n ]\n}}\n'
    write(RECORDED, text.encode())


def failures(found: Measured) -> list[str]:
    """Parts that came to no result."""
    return [note for note in found["notes"] if note.startswith("failed: ")]


def made_on(found: Measured) -> Identity:
    """The series that it was measured on."""
    return Identity(found["tree"], found.get("ran", ""))


def as_text(found: Measured, series: Identity) -> str:
    """The table, the machine, and whether it is of the series that is here."""
    lines = columns(map(str, row) for row in (found["columns"], *found["rows"]))
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    return "\n".join(
        [
            *(of_series(made_on(found), series), found["title"], machine, ""),
            *(*lines, "", *found["notes"]),
        ]
    )
