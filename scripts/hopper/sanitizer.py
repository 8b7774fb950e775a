# SPDX-License-Identifier: Apache-2.0
"""compute-sanitizer's reports as tables: what each is, and both releases together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.hopper.known import REPORTS, SMALLER
from scripts.hopper.tables import Row, table


def reports(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    """Each tool and kind, and what its report is."""
    lines: list[Sequence[Any]] = []
    for row in table(record, "sanitizer"):
        known = REPORTS.get((_release(record), row["tool"], row["kind"]))
        figures = [row[n] for n in ("errors", "warnings", "launches")]
        why = known.why if known is not None and known.explains(row) else ""
        if row["launches"] == "":
            why = f"{_stopped(row)}; {why}"
        elif (_release(record), row["tool"], row["kind"]) in SMALLER:
            why = f"of a smaller call than the other tools'; {why}"
        lines.append([row["tool"], row["kind"], *figures, why])
    head = ["tool", "kind", "errors", "warnings", "launches", "what it is"]
    return [head, *lines] if lines else []


def races(records: Sequence[Mapping[str, Any]]) -> list[Sequence[Any]]:
    """What racecheck says of each kind of kernel, a column a FlashInfer release."""
    found: dict[str, dict[str, str]] = {}
    for record in records:
        for row in table(record, "sanitizer"):
            told = f"{row['errors']} errors, {row['warnings']} warnings"
            if row["launches"] == "":
                told = _stopped(row)
            if row["tool"] == "racecheck":
                found.setdefault(row["kind"], {})[_release(record)] = told
    there = [_release(record) for record in records]
    rows = [[kind, *(of.get(each, "") for each in there)] for kind, of in found.items()]
    return [["kind", *there], *rows]


def _release(record: Mapping[str, Any]) -> str:
    return str(record["machine"]["flashinfer-python"])


def _stopped(row: Row) -> str:
    """Of a tool that did not come to its end: in plain words, how far it came."""
    return f"NOT ENDED, so nothing is known: {row['first report']}"
