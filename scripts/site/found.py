# SPDX-License-Identifier: Apache-2.0
"""A report as the page meets it: there or not, of this tree or not, readable or not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec

from scripts import reports
from scripts.base.errors import ForkError
from scripts.checkout import Checkout
from scripts.series.identity import Identity, here

T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """What the repository itself holds for one section."""

    data: Mapping[str, Any]
    tree: str
    """Patched tree that it was made on; empty where it does not say."""
    day: str
    """When it was made, as `2026-11-25`; empty where it does not say."""
    ran: str = ""
    """Digest of what of the tree ran; empty where it does not say."""
    tests: Collection[str] = ()
    """Test files of the tree that it comes from."""


class State(Enum):
    """What can be said of a report before its figures."""

    FRESH = "of this tree"
    """Made on the patched tree that the lock names."""
    STALE = "of another tree"
    """Made on another one; its figures are shown, and marked."""
    RECORDED = "as recorded, of this tree"
    """Not run in this checkout; the repository has what was found on another day."""
    RECORDED_STALE = "as recorded, of another tree"
    """As that, and made on another tree, or on one that the record does not name."""
    MISSING = "not measured here"
    """The target was not run in this checkout."""
    BROKEN = "cannot be read"
    """The file is there, and is not what the target writes."""


@dataclass(frozen=True)
class Found(Generic[T]):
    """One report, read into `data` of the section's own type."""

    name: str
    make: str
    """The command that writes it."""
    state: State
    tree: str = ""
    """Patched tree that it was made on; empty where that is not known."""
    version: str = ""
    made: str = ""
    data: T | None = None
    wrong: str = ""
    """Why it cannot be read, of a `BROKEN` one."""

    @property
    def when(self) -> str:
        """The minute of a report, the day of a record.

        >>> Found("a", "make a", State.FRESH, made="2026-11-25T07:00:00Z").when
        '2026-11-25 07:00 UTC'
        >>> Found("a", "make a", State.RECORDED, made="2026-11-25").when
        '2026-11-25'
        """
        day, at, time = self.made.partition("T")
        return f"{day} {time[:5]} UTC" if at else day

    @property
    def recorded(self) -> bool:
        return self.state in (State.RECORDED, State.RECORDED_STALE)

    @property
    def stale(self) -> bool:
        return self.state in (State.STALE, State.RECORDED_STALE)

    @property
    def sign(self) -> str:
        """What the navigation has behind a section; nothing where all is well."""
        if self.state is State.MISSING:
            return "○"
        return "!" if self.stale or self.state is State.BROKEN else ""

    @property
    def current(self) -> T | None:
        """The data, if it is of this tree."""
        return None if self.stale else self.data


def find(
    at: Checkout,
    tree: str,
    name: str,
    make: str,
    kind: type[T],
    recorded: Callable[[], Record] | None = None,
) -> Found[T]:
    """Read the report `name`, else the record; never raises for what either holds.

    Args:
        at: The checkout.
        tree: The patched tree that the lock names.
        name: The report's name.
        make: The command that a reader is told to run for it.
        kind: Dataclass that `data` has to fit; what it does not name is ignored.
        recorded: Reads what the repository holds, where it holds something.
    """
    try:
        report = reports.read(at, name)
        if report is None:
            if recorded is None:
                return Found(name, make, State.MISSING)
            record = recorded()
            kept = msgspec.convert(record.data, kind)
            same = record.tree == tree
            if record.ran and not same:
                of = Identity(record.tree, record.ran)
                same = of.same(here(at, record.tests))
            state = State.RECORDED if same else State.RECORDED_STALE
            return Found(name, make, state, record.tree, "", record.day, kept)
        data = msgspec.convert(report.data, kind)
    except (ForkError, ValueError, TypeError, AttributeError, OSError) as e:
        found = getattr(e, "found", None)
        wrong = f"{e.what}: {found}" if isinstance(e, ForkError) else str(e)
        return Found(name, make, State.BROKEN, wrong=wrong)
    state = State.FRESH if report.tree == tree else State.STALE
    return Found(name, make, state, report.tree, report.version, report.made, data)
