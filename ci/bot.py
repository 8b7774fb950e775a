# SPDX-License-Identifier: Apache-2.0
"""The rebase bot: a new release in, one pull request or one issue out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from packaging.version import Version

from ci import forge_actions, forge_state, handover, messages, plan
from ci.forge_state import Wanted
from ci.github import GitHub
from ci.plan import Act, Proposal, Quiet, Seen
from ci.propose import propose
from ci.remote import content_of
from ci.scratch_clone import folder_of
from ci.steps import STEPS, Step
from scripts.base.errors import Unusable
from scripts.base.files import one_run
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.upstream import lock


@dataclass(frozen=True)
class Result:
    """What one run came to.

    Attributes:
        version: The release; None if the pin is the newest.
        quiet: Why nothing was to be done about it.
        proposal: What was made.
        acts: What was done at the forge, or would be.
        done: They were done.
        notes: What a person should know besides.
        url: Of the pull request or issue, where there is one.
    """

    version: str | None = None
    quiet: Quiet | None = None
    proposal: Proposal | None = None
    acts: tuple[Act, ...] = ()
    done: bool = False
    notes: tuple[str, ...] = ()
    url: str = ""


def bot(
    at: Checkout, wanted: Wanted, forge: GitHub, steps: Sequence[Step] = STEPS
) -> Result:
    """Run once. The checkout's files stay as they are; the work is in `build/bot`.

    Raises:
        Finding: The push was refused, or git failed.
        Unusable: The forge, the index or the remote cannot be used.
    """
    if wanted.made and wanted.again:
        raise Unusable(
            "what was made before is not made again",
            where="MADE=1 AGAIN=1",
            next="leave one of them out",
        )
    if wanted.apply and not wanted.proof:
        raise Unusable(
            "what was not proved is not proposed",
            where="APPLY=1 NO_PROOF=1",
            next="leave one of them out",
        )
    with one_run(folder_of(at) / ".lock", "make bot"):
        return _run(at, wanted, forge, steps)


def _run(at: Checkout, wanted: Wanted, forge: GitHub, steps: Sequence[Step]) -> Result:
    head = Git(at.root).text("rev-parse", "HEAD")
    # The commit counts, not the files: what is not committed is not proposed.
    pinned = lock.parse(Git(at.root).text("show", f"{head}:upstream.lock") + "\n")
    version, notes = forge_state.release(at, wanted, pinned.version)
    if version is None:
        return _at_rest(wanted, forge, pinned.version, notes)
    if Git(at.root).text("status", "--porcelain", "--", "patches", "upstream.lock"):
        notes += ("patches/ or upstream.lock is edited; the last commit is used",)
    branch = messages.branch_of(version)
    remote = forge_state.remote_of(at, wanted)
    seen, more = forge_state.look(wanted, forge, remote, head, version)
    notes += more
    key = key_of(at, head, version, wanted.proof, steps)
    quiet = plan.settled(seen, key)
    idle = wanted.again or (quiet is not None and not wanted.made)
    made = None if idle else handover.load(at, head, version, key)
    # AGAIN=1 where the work was done, in the run before this one with MADE=1.
    anew = wanted.again or (wanted.made and made is not None)
    if quiet in (Quiet.SAME, Quiet.TOLD) and anew:
        quiet = None
    if quiet is None and made is None and wanted.made:
        quiet = Quiet.NOT_MADE
    if quiet is not None:
        return Result(version, quiet, notes=notes, url=_url(seen))
    if made is None:
        made = propose(at, head, version, key, steps, proof=wanted.proof)
        handover.save(at, made)
    work = Git(folder_of(at) / "work")
    alike = False
    if remote is not None and seen.tip and made.tip:
        there = remote.content(wanted.base, branch)
        alike = there == content_of(work, made.base, made.tip)
    todo = plan.acts(seen, made, alike=alike)
    found = Result(version, None, made, tuple(todo), notes=notes, url=_url(seen))
    if not wanted.apply:
        return found
    url = ""
    for each in todo:
        if each is Act.PUSH:
            assert remote is not None
            remote.push(work, made.tip, branch, seen.tip)
        else:
            url = forge_actions.do(each, wanted.base, branch, forge, seen, made) or url
    if Act.PUSH in todo:
        notes += forge_actions.start_checks(forge, branch)
    return replace(found, done=True, notes=notes, url=url or found.url)


def _at_rest(
    wanted: Wanted, forge: GitHub, pinned: str, notes: tuple[str, ...]
) -> Result:
    """Nothing newer: an issue about what was carried since has had its day."""
    try:
        issue = plan.issue_for(forge.issues(), pinned)
    except Unusable as e:
        if wanted.apply:
            raise
        return Result(notes=(*notes, f"the forge was not asked: {e.what}"))
    mark = messages.mark_of(issue.body) if issue else None
    if mark is None or Version(mark.version) > Version(pinned):
        return Result(notes=notes)
    seen = Seen(issue=issue)
    todo = plan.fixed(issue)
    if wanted.apply:
        for each in todo:
            forge_actions.do(
                each, wanted.base, "", forge, seen, Proposal("", pinned, "", "")
            )
    done = wanted.apply and bool(todo)
    return Result(acts=tuple(todo), done=done, notes=notes, url=_url(seen))


def key_of(
    at: Checkout, head: str, version: str, proof: bool, steps: Sequence[Step]
) -> str:
    """16 hex digits that change when a run could come to something else."""
    tree = Git(at.root).text("rev-parse", f"{head}^{{tree}}")
    parts = [tree, version, str(proof), *(str(step) for step in steps)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _url(seen: Seen) -> str:
    return seen.pull.url if seen.pull else seen.issue.url if seen.issue else ""
