# SPDX-License-Identifier: Apache-2.0
"""Reports of who has the GPU: `make test-sm12x` and `make bench-sm12x`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scripts.site import speed
from scripts.site.page import TEMPLATES, environment
from scripts.site.tables import Table, Value, shown, told

TABLES = ("tests", "errors", "sweep", "serve")
"""Names of the tables of both, in the order they are shown in."""


@dataclass(frozen=True)
class Hardware:
    """What either found, where the GPU is."""

    machine: Mapping[str, Value]
    ok: bool
    tests: Table | None = None
    errors: Table | None = None
    sweep: Table | None = None
    serve: Table | None = None

    def __post_init__(self) -> None:
        if self.machine.get("hardware") is not True:
            raise ValueError("it was made with a double and says nothing of a GPU")
        if not self.tables:
            raise ValueError("it holds no table")
        assert self.plots  # which refuses what cannot be drawn

    @property
    def tables(self) -> list[Table]:
        every = (getattr(self, name) for name in TABLES)
        return [table for table in every if table]

    @cached_property
    def plots(self) -> dict[str, list[Any]]:
        return speed.plots(self.sweep, self.serve)

    @property
    def device(self) -> str:
        return shown(self.machine.get("device"))

    @property
    def told(self) -> str:
        """The machine in one line."""
        return told(self.machine)


@dataclass(frozen=True)
class Run:
    """One run of the kernels on a Hopper GPU."""

    machine: Mapping[str, Value]
    notes: tuple[str, ...]
    tables: tuple[Table, ...]

    @property
    def release(self) -> str:
        return shown(self.machine.get("flashinfer-python"))

    @property
    def told(self) -> str:
        """The machine in one line."""
        return told(self.machine)


@dataclass(frozen=True)
class Hopper:
    """As `scripts.hopper.render.as_data` writes each run."""

    runs: tuple[Run, ...]


def bench_page(found: Mapping[str, Any]) -> bytes:
    """What `make bench-sm12x` found as one page: plots, and the tables below them.

    Args:
        found: As scripts.hardware.owner.bench returns it, of a double too.

    Raises:
        ValueError: A figure is missing, or not above zero.
    """
    made = {name: _table(found[name]) for name in TABLES if name in found}
    page = environment().get_template("bench.html")
    text = page.render(
        machine=told(found["machine"]),
        hardware=found["machine"]["hardware"],
        made=speed.plots(made.get("sweep"), made.get("serve")),
        every=list(made.values()),
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
    )
    return text.encode()


def _table(told: Mapping[str, Any]) -> Table:
    rows = tuple(tuple(row) for row in told["rows"])
    return Table(told["title"], tuple(told["columns"]), rows, tuple(told["notes"]))
