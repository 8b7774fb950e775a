# SPDX-License-Identifier: Apache-2.0
"""Files of runs on a Hopper GPU: their shape, and several of them as one record.

A record is what ``merged`` gives: ``machine``, ``bundle`` and ``parts`` of one run, and
under ``others`` the same of runs with another bundle, on another day or machine, which
ran what the first did not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from scripts.base import decode
from scripts.base.errors import Finding
from scripts.hopper.tables import Record
from scripts.in_vllm.hopper_cases import COLUMNS, MULTIPROCESSORS
from scripts.in_vllm.hopper_rows import unfolded

_HEAD = ("machine", "bundle")


class _Machine(msgspec.Struct, rename="kebab"):
    device: str
    capability: str
    driver: str
    torch: str
    python: str
    date: str
    flashinfer_python: str
    nvidia_cutlass_dsl: str


class _Bundle(msgspec.Struct):
    tree: str
    ptxas: str
    parts: dict[str, list[str]]
    models: list[str]
    tests: dict[str, dict[str, int]]
    rows: dict[str, dict[str, Any]]
    replaced: dict[str, int]
    kinds: dict[str, dict[str, int]]
    ran: str = ""
    multiprocessors: int = MULTIPROCESSORS
    """Those that FlashInfer was told of; records before say none, and all had these."""


class _Part(msgspec.Struct):
    columns: list[str]
    rows: list[list[str | int | float]]
    failed: str
    of: list[str] = []


class _Run(msgspec.Struct):
    machine: _Machine
    bundle: _Bundle
    parts: dict[str, _Part]


class _Record(_Run):
    others: list[_Run] = []
    asked: list[str] = []


def load(path: Path) -> dict[str, Any]:
    """A file that run.py wrote, or a record.

    Raises:
        Finding: It cannot be read, or is none; the place in it is named.
    """
    try:
        # Not msgspec, which does not take NaN: a run that gave it is judged.
        found: dict[str, Any] = json.loads(path.read_bytes())
        read = decode.convert(found, _Record)
        wrong = [why for run in (read, *read.others) if (why := _wrong(run))]
    except decode.Unfit as e:
        wrong = [f"{e.path} is {e.found[:200]}, not {e.expected}"]
    except (OSError, ValueError, RecursionError) as e:
        wrong = [str(e)]
    if wrong:
        raise Finding(
            "this is no result of a run on a Hopper GPU",
            where=str(path),
            expected="the file that run.py --out names",
            found=wrong[0],
            next="make hopper STEP=run PYTHON=...",
        )
    return found


def _wrong(run: _Run) -> str:
    """What does not fit together in it, or nothing.

    Raises:
        ValueError: What the bundle says of its rows is none.
    """
    for name, part in run.parts.items():
        if name not in COLUMNS:
            return f"parts.{name} is not known"
        if part.rows and part.columns != [*COLUMNS[name]]:
            return f"parts.{name}.columns is {part.columns}"
        for number, row in enumerate(part.rows):
            if len(row) != len(part.columns):
                return f"parts.{name}.rows[{number}] is {str(row)[:200]}"
    for rows in run.bundle.rows.values():
        unfolded(rows)
    return ""


def merged(results: Iterable[Record]) -> dict[str, Any]:
    """Results as one record: parts may have been run apart.

    The run with the most parts is the record's own, whatever their order.

    Raises:
        Finding: They are of different FlashInfers, or have the same rows.
    """
    runs: list[dict[str, Any]] = []
    seen: dict[str, list[set[str]]] = {}
    for one in results:
        alike = (r for r in runs if all(r[key] == one[key] for key in _HEAD))
        if (run := next(alike, None)) is None:
            run = {key: one[key] for key in _HEAD} | {"parts": {}}
            runs.append(run)
            _same_release(runs[0], run)
        for name, part in one["parts"].items():
            share = {*part.get("of", ())}
            for other in seen.setdefault(name, []):
                if not share or not other or share & other:
                    raise Finding(
                        f"two results have the part {name}",
                        expected="each part once, or of other models or capabilities",
                        found=", ".join(sorted(share & other)) or "no share named",
                        next="make hopper STEP=record RESULTS=..., each file once",
                    )
            seen[name].append(share)
            here = run["parts"].setdefault(name, {**part, "of": [], "rows": []})
            here["of"] = [*here["of"], *part.get("of", ())]
            here["rows"] = [*here["rows"], *part["rows"]]
            here["failed"] = here["failed"] or part["failed"]
    first, *others = sorted(runs, key=lambda run: -len(run["parts"]))
    return first | ({"others": others} if others else {})


def _same_release(one: Record, other: Record) -> None:
    releases = [run["machine"]["flashinfer-python"] for run in (one, other)]
    if releases[0] != releases[1]:
        raise Finding(
            "results of different FlashInfers make no record",
            expected=releases[0],
            found=releases[1],
            next="make hopper STEP=record RESULTS=..., of one FlashInfer alone",
        )
