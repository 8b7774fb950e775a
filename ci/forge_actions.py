# SPDX-License-Identifier: Apache-2.0
"""What was decided, done at the forge: one thing at a time."""

from __future__ import annotations

from ci import messages, plan
from ci.forge import State
from ci.github import GitHub
from ci.plan import Act, Proposal, Seen
from scripts.base.errors import Unusable


def do(
    act: Act, base: str, branch: str, forge: GitHub, seen: Seen, made: Proposal
) -> str:
    """Do one thing at the forge; the address of what it was done to.

    Raises:
        Unusable: The forge refuses.
    """
    pull, issue = seen.pull, seen.issue
    if act is Act.OPEN_PULL:
        return _open_pull(base, branch, forge, made)
    if act is Act.OPEN_ISSUE:
        return forge.open_issue(made.title, made.body)
    if act is Act.EDIT_PULL:
        assert pull is not None
        body = messages.renewed(pull.body, made.body)
        forge.edit_pull(pull.number, made.title, body)
        return pull.url
    assert issue is not None
    if act is Act.EDIT_ISSUE:
        body = messages.renewed(issue.body, made.body)
        forge.edit_issue(issue.number, made.title, body)
    elif act is Act.REOPEN_ISSUE:
        forge.reopen_issue(issue.number)
    else:
        # So that the same failure, should it come again, is news again.
        body = f"{issue.body.rstrip()}\n{messages.SOLVED}\n"
        forge.edit_issue(issue.number, issue.title, body)
        forge.close_issue(issue.number, f"It works again: vLLM {made.version}.")
        return ""
    return issue.url


def _open_pull(base: str, branch: str, forge: GitHub, made: Proposal) -> str:
    try:
        return forge.open_pull(base, branch, made.title, made.body)
    except Unusable:
        # Another run may have been first; then all is well.
        there = plan.newest_first(forge.pulls(branch))
        if there is None or there.state is not State.OPEN:
            raise
        return there.url


def start_checks(forge: GitHub, branch: str) -> tuple[str, ...]:
    """Have the pushed branch checked; a note where that is refused."""
    try:
        forge.start_checks(branch)
    except Unusable as e:
        return (f"the checks of {branch} were not started: {e.found or e.what}",)
    return ()
