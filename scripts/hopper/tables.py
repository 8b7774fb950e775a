# SPDX-License-Identifier: Apache-2.0
"""Rows of a record, by the names of their columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
Records = Sequence[Record]
Row = Mapping[str, Any]


def runs(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that it is of: machine, bundle and parts of each."""
    return [record, *record.get("others", ())]


def ran(record: Mapping[str, Any]) -> set[str]:
    """Names of the parts that were run."""
    return {name for run in runs(record) for name in run["parts"]}


def table(record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Rows of a part by the names of its columns; none if it was not run."""
    parts = [run["parts"][name] for run in runs(record) if name in run["parts"]]
    return [
        dict(zip(part["columns"], row, strict=False))
        for part in parts
        for row in part["rows"]
    ]


def number(value: Any) -> float:
    """NaN, within no bound, for what is none."""
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_one else math.nan


def short(row: Row) -> str:
    return ", ".join(f"{key} {value}" for key, value in row.items())[:300]
