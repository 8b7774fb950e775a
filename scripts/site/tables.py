# SPDX-License-Identifier: Apache-2.0
"""Reports that are a table and nothing else: `footprint`, `engine`, `cuda`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """Columns, rows of as many cells, and what has to be known of them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    machine: Mapping[str, Value] = field(default_factory=dict)
    """Where it was measured, if it says so."""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"row {number} has {len(row)} cells for {len(self.columns)} columns"
                )

    @property
    def cells(self) -> list[list[str]]:
        return [[shown(value) for value in row] for row in self.rows]

    @property
    def told(self) -> str:
        """The machine in one line."""
        return told(self.machine)

    @cached_property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers alone; a page asks it at each cell."""
        return [
            any(isinstance(v, int | float) for v in column)
            and not any(isinstance(v, str) for v in column)
            for column in zip(*self.rows, strict=True)
        ] or [False] * len(self.columns)


def told(machine: Mapping[str, Value]) -> str:
    """A machine in one line.

    >>> told({"device": "A100", "capability": 8.0})
    'device A100, capability 8'
    """
    return ", ".join(f"{name} {shown(value)}" for name, value in machine.items())


def shown(value: Value) -> str:
    """A cell's text.

    >>> shown(None), shown(True), shown(66528), shown(0.15999), shown("a")
    ('', 'yes', '66,528', '0.16', 'a')
    """
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
    return value
