# SPDX-License-Identifier: Apache-2.0
"""A report as the page meets it: there or not, of this tree or not, readable or not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import msgspec

from scripts import reports
from scripts.checkout import Checkout
from scripts.errors import ForkError

T = TypeVar("T")


class State(Enum):
    """What can be said of a report before its figures."""

    FRESH = "of this tree"
    """Made on the patched tree that the lock names."""
    STALE = "of another tree"
    """Made on another one; its figures are shown, and marked."""
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


def find(at: Checkout, tree: str, name: str, make: str, kind: type[T]) -> Found[T]:
    """Read the report `name`; never raises for what the file holds.

    Args:
        at: The checkout.
        tree: The patched tree that the lock names.
        name: The report's name.
        make: The command that a reader is told to run for it.
        kind: Dataclass that `data` has to fit; what it does not name is ignored.
    """
    try:
        # Some hand may have written the file, so its head is checked as well.
        report = reports.read(at, name)
        if report is None:
            return Found(name, make, State.MISSING)
        head = msgspec.convert(vars(report), reports.Report)
        data = msgspec.convert(head.data, kind)
    except (ForkError, ValueError, TypeError, AttributeError, OSError) as e:
        found = getattr(e, "found", None)
        wrong = f"{e.what}: {found}" if isinstance(e, ForkError) else str(e)
        return Found(name, make, State.BROKEN, wrong=wrong)
    # A recorded table names the tree that it was measured on; the report's head
    # has the lock's of the day on which the table was read.
    own = head.data.get("tree")
    measured = own if isinstance(own, str) else head.tree
    state = State.FRESH if measured == tree else State.STALE
    return Found(name, make, state, measured, head.version, head.made, data)
