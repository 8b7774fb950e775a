# SPDX-License-Identifier: Apache-2.0
"""What stands at a forge: pull requests and issues, as the bot sees them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

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
class Issue:
    """One issue that carries the bot's label."""

    number: int
    url: str
    state: State
    title: str
    body: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Pull(Issue):
    """One pull request of the bot's own repository, never of a fork."""

    head: str
    """Commit id of its branch when it was asked."""
    conflicting: bool = False
    """It cannot be merged as it stands."""
