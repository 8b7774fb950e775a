# SPDX-License-Identifier: Apache-2.0
"""The two ways a command may end badly, and one shape for saying so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class ForkError(Exception):
    """A failure that a person can act on.

    Args:
        what: What went wrong, one sentence without a full stop.
        where: The file, `file:line`, patch or member concerned.
        expected: What the lock, the patch or the contract asks for.
        found: What is there instead.
        next: The command to run, or the thing to do, next.
    """

    what: str
    where: str | None = None
    expected: str | None = None
    found: str | None = None
    next: str | None = None

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        rows = [f"error: {self.what}"]
        for label in ("where", "expected", "found", "next"):
            value = getattr(self, label)
            if value is not None:
                first, *rest = str(value).splitlines() or [""]
                rows.append(f"  {label + ':':<10}{first}")
                rows += [f"  {'':<10}{line}" for line in rest]
        return "\n".join(rows)


@dataclass
class Finding(ForkError):
    """What was looked at is not as it should be (exit code 1)."""

    exit_code: ClassVar[int] = 1


@dataclass
class Unusable(ForkError):
    """The call or the machine is not as it should be (exit code 2)."""

    exit_code: ClassVar[int] = 2
