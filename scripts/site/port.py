# SPDX-License-Identifier: Apache-2.0
"""The reports `port` and `carry-matrix`: the series on other releases."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.port.report.states import State
from scripts.port.report.summary import Outcome


@dataclass(frozen=True)
class File:
    path: str
    state: str
    why: str = ""

    @property
    def says(self) -> str:
        return f"{words(self.state)}; {self.why}" if self.why else words(self.state)


@dataclass(frozen=True)
class PatchPort:
    """What became of one patch."""

    name: str
    subject: str
    state: str
    carried: bool
    files: tuple[File, ...] = ()
    blocked_by: tuple[str, ...] = ()

    @property
    def notable(self) -> list[File]:
        """Files of which more is to be said than that they are as they were."""
        return [f for f in self.files if f.why or f.state not in ("unchanged", "moved")]


@dataclass(frozen=True)
class Step:
    """One step of the proof."""

    what: str
    result: str
    detail: str = ""


@dataclass(frozen=True)
class Alert:
    """A backport that upstream no longer has as the series carries it."""

    kind: str
    patch: str
    path: str
    symbol: str
    landed: str
    undone: str


@dataclass(frozen=True)
class Port:
    """As `scripts.port.report.render` writes it."""

    source: str
    target: str
    outcome: str
    patches: tuple[PatchPort, ...]
    alerts: tuple[Alert, ...] = ()
    proof: tuple[Step, ...] = ()

    @property
    def says(self) -> str:
        """How it ended, in the port's own words."""
        try:
            return Outcome[self.outcome.upper()].value
        except KeyError:
            return words(self.outcome)

    @property
    def carried(self) -> int:
        return sum(p.carried for p in self.patches)


@dataclass(frozen=True)
class Cell:
    """One tool on one release."""

    release: str
    tool: str
    carried: int
    wrong: tuple[str, ...] = ()
    """Patch and symbol of what landed in the wrong place."""
    ran: bool = True


@dataclass(frozen=True)
class Carry:
    """As `tests.bench.carry` writes it."""

    cells: tuple[Cell, ...]
    patches: int

    def __post_init__(self) -> None:
        if any(not 0 <= cell.carried <= self.patches for cell in self.cells):
            raise ValueError(f"more carried than the {self.patches} patches")

    @property
    def releases(self) -> list[str]:
        return list(dict.fromkeys(cell.release for cell in self.cells))

    @property
    def tools(self) -> list[str]:
        return list(dict.fromkeys(cell.tool for cell in self.cells))

    def cell(self, tool: str, release: str) -> Cell | None:
        return next(
            (c for c in self.cells if (c.tool, c.release) == (tool, release)), None
        )


def words(state: str) -> str:
    """A state's name for a reader, the port's own words where it has some.

    >>> words("syntax"), words("not_run")
    ('merged by syntax', 'not run')
    """
    if state.upper() in State.__members__:
        return State[state.upper()].value
    return state.replace("_", " ").lower()
