# SPDX-License-Identifier: Apache-2.0
"""What the bot would do: decided here, without asking or writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ci import messages
from ci.forge import HOLD, Issue, Pull, State


class Quiet(Enum):
    """Why the bot does nothing more about a release."""

    HELD = "its pull request has the label hold"
    MERGED = "its pull request is merged"
    DECLINED = "its pull request was closed by a person, which means no"
    TAKEN = "a person has committed to its branch"
    SAME = "nothing has changed since its pull request was written"
    TOLD = "it failed before, and nothing has changed since"
    NOT_MADE = "no proposal was made before"
    ISSUE_HELD = "its issue has the label hold"


class Act(Enum):
    """One thing that is done at the forge."""

    PUSH = "push the branch"
    OPEN_PULL = "open the pull request"
    EDIT_PULL = "edit the pull request"
    OPEN_ISSUE = "open an issue"
    EDIT_ISSUE = "edit the issue"
    REOPEN_ISSUE = "open the issue again"
    CLOSE_ISSUE = "close the issue"


@dataclass(frozen=True)
class Seen:
    """What stands at the forge and in its repository about a release.

    Attributes:
        pull: The newest pull request of its branch, whatever its state.
        issue: The bot's issue, whatever its state.
        tip: Commit id of its branch; empty if there is none.
        people: Somebody else has committed to the branch.
    """

    pull: Pull | None = None
    issue: Issue | None = None
    tip: str = ""
    people: bool = False


@dataclass(frozen=True)
class Proposal:
    """What one run of the bot came to: a branch to propose, or a failure to tell.

    Attributes:
        key: Of all that it was made from.
        version: The release.
        title: Of the pull request, or of the issue where `failed`.
        body: Its text.
        base: Commit that the branch stands on.
        tip: The branch's last commit; empty where `failed`.
        failed: No branch was made, or a step failed on it.
        proved: All steps were run, and passed.
    """

    key: str
    version: str
    title: str
    body: str
    base: str = ""
    tip: str = ""
    failed: bool = False
    proved: bool = False


def newest_first(pulls: Sequence[Pull]) -> Pull | None:
    """The pull request that counts: an open one, else the last."""
    opened = [p for p in pulls if p.state is State.OPEN]
    return max(opened or pulls, key=lambda p: p.number, default=None)


def issue_for(issues: Sequence[Issue], version: str) -> Issue | None:
    """The bot's one issue: the open one, else the last of this very release."""
    mine = [(i, m) for i in issues if (m := messages.mark_of(i.body))]
    opened = [i for i, _ in mine if i.state is State.OPEN]
    closed = [i for i, mark in mine if mark.version == version]
    return max(opened or closed, key=lambda i: i.number, default=None)


def settled(seen: Seen, key: str) -> Quiet | None:
    """Why there is nothing to do, as far as can be said before the long work."""
    pull, issue = seen.pull, seen.issue
    if pull is not None:
        if pull.state is State.MERGED:
            return Quiet.MERGED
        if pull.state is State.CLOSED:
            return Quiet.DECLINED
        if HOLD in pull.labels:
            return Quiet.HELD
        if (mark := messages.mark_of(pull.body)) and mark.key == key:
            return Quiet.SAME
    if seen.people:
        return Quiet.TAKEN
    told = issue is not None and messages.SOLVED not in issue.body
    if issue is not None and told and (mark := messages.mark_of(issue.body)):
        quiet = Quiet.ISSUE_HELD if HOLD in issue.labels else Quiet.TOLD
        return quiet if mark.key == key else None
    return None


def acts(seen: Seen, made: Proposal, *, alike: bool) -> list[Act]:
    """What to do with a proposal, in order.

    Args:
        seen: What stands there, none of it settled.
        made: The proposal.
        alike: Its commits are those of the branch there, on whatever base.
    """
    return _told(seen, made) if made.failed else _proposed(seen, made, alike=alike)


def _proposed(seen: Seen, made: Proposal, *, alike: bool) -> list[Act]:
    pull = seen.pull
    found: list[Act] = []
    if not alike or (pull is not None and pull.conflicting and seen.tip != made.tip):
        found.append(Act.PUSH)
    if pull is None:
        found.append(Act.OPEN_PULL)
    else:
        wanted = messages.renewed(pull.body, made.body)
        if pull.title != made.title or not messages.same(pull.body, wanted):
            found.append(Act.EDIT_PULL)
    return found + fixed(seen.issue)


def _told(seen: Seen, made: Proposal) -> list[Act]:
    issue = seen.issue
    if issue is None:
        return [Act.OPEN_ISSUE]
    if HOLD in issue.labels:
        return []
    wanted = messages.renewed(issue.body, made.body)
    found: list[Act] = []
    if issue.title != made.title or not messages.same(issue.body, wanted):
        found.append(Act.EDIT_ISSUE)
    # Closed by a person, it stays so while it says the same.
    if issue.state is not State.OPEN and not messages.same(
        issue.body, wanted, but_key=True
    ):
        found.append(Act.REOPEN_ISSUE)
    return found


def fixed(issue: Issue | None) -> list[Act]:
    """What becomes of the issue once it works again."""
    if issue is None or issue.state is not State.OPEN or HOLD in issue.labels:
        return []
    return [Act.CLOSE_ISSUE]
