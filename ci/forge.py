# SPDX-License-Identifier: Apache-2.0
"""What the bot needs of a forge, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

HOLD = "hold"
"""A label that a person sets: the bot neither pushes nor edits."""
MINE = "rebase-bot"
"""A label that the bot sets; strangers cannot, so it shows whose an issue is."""


class State(Enum):
    """Where a pull request or an issue stands."""

    OPEN = "open"
    CLOSED = "closed"
    """For a pull request: a person said no."""
    MERGED = "merged"


@dataclass(frozen=True)
class Pull:
    """One pull request of the bot's own repository, never of a fork."""

    number: int
    url: str
    state: State
    title: str
    body: str
    labels: frozenset[str]
    head: str
    """Commit id of its branch when it was asked."""
    conflicting: bool = False
    """It cannot be merged as it stands."""


@dataclass(frozen=True)
class Issue:
    """One issue that carries the bot's label."""

    number: int
    url: str
    state: State
    title: str
    body: str
    labels: frozenset[str]


class Forge(Protocol):
    """A place with pull requests and issues.

    Every method raises Unusable where the forge cannot be asked or refuses.
    """

    def pulls(self, branch: str) -> Sequence[Pull]:
        """All pull requests from `branch`, whatever their state, newest first."""

    def issues(self) -> Sequence[Issue]:
        """All issues with the label `MINE`, whatever their state, newest first."""

    def open_pull(self, base: str, branch: str, title: str, body: str) -> str:
        """Open a pull request; its address."""

    def start_checks(self, branch: str) -> None:
        """Have the checks run on a branch that a machine pushed."""

    def edit_pull(self, number: int, title: str, body: str) -> None:
        """Replace its title and text."""

    def open_issue(self, title: str, body: str) -> str:
        """Open an issue with the label `MINE`; its address."""

    def edit_issue(self, number: int, title: str, body: str) -> None:
        """Replace its title and text."""

    def reopen_issue(self, number: int) -> None:
        """Open a closed issue again."""

    def close_issue(self, number: int, comment: str) -> None:
        """Close an issue with a last word."""
