# SPDX-License-Identifier: Apache-2.0
"""The rebase bot: a new release in, one pull request or one issue out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from packaging.version import Version

from ci import plan, releases, text
from ci.forge import Forge
from ci.plan import Act, Proposal, Quiet, Seen
from ci.propose import propose
from ci.remote import Remote, content_of
from ci.steps import STEPS, Step
from ci.work import folder_of
from scripts import index, lock
from scripts.checkout import Checkout
from scripts.console import note
from scripts.errors import ForkError, Unusable
from scripts.files import one_run, write
from scripts.git import Git
from scripts.release import PROJECT


@dataclass(frozen=True)
class Wanted:
    """What the bot is asked for.

    Attributes:
        to: The release; the newest on the index if None.
        apply: Push, and write at the forge; else say what would be done.
        proof: Run the steps on what was carried.
        again: Do the work anew though nothing has changed.
        remote: Name of the git remote that pull requests are opened at.
        base: The branch that they are for.
        tags: Address of upstream's repository, to hold the index against.
    """

    to: str | None = None
    apply: bool = False
    proof: bool = True
    again: bool = False
    remote: str = "origin"
    base: str = "main"
    tags: str | None = None


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
    at: Checkout, wanted: Wanted, forge: Forge, steps: Sequence[Step] = STEPS
) -> Result:
    """Run once. The checkout's files stay as they are; the work is in `build/bot`.

    Raises:
        Finding: The push was refused, or git failed.
        Unusable: The forge, the index or the remote cannot be used.
    """
    if wanted.apply and not wanted.proof:
        raise Unusable(
            "what was not proved is not proposed",
            where="APPLY=1 NO_PROOF=1",
            next="leave one of them out",
        )
    with one_run(folder_of(at) / ".lock", "make bot"):
        return _run(at, wanted, forge, steps)


def _run(at: Checkout, wanted: Wanted, forge: Forge, steps: Sequence[Step]) -> Result:
    head = Git(at.root).text("rev-parse", "HEAD")
    # The commit counts, not the files: what is not committed is not proposed.
    pinned = lock.parse(Git(at.root).text("show", f"{head}:upstream.lock") + "\n")
    version, notes = _release(at, wanted, pinned.version)
    if version is None:
        return _at_rest(wanted, forge, pinned.version, notes)
    if Git(at.root).text("status", "--porcelain", "--", "patches", "upstream.lock"):
        notes += ("patches/ or upstream.lock is edited; the last commit is used",)
    branch = text.branch_of(version)
    remote = _remote(at, wanted)
    seen, more = _look(wanted, forge, remote, head, version)
    notes += more
    key = key_of(at, head, version, wanted.proof, steps)
    quiet = plan.settled(seen, key)
    if quiet in (Quiet.SAME, Quiet.TOLD) and wanted.again:
        quiet = None
    if quiet is not None:
        return Result(version, quiet, notes=notes, url=_url(seen))
    made = None if wanted.again else _kept(at, key)
    if made is None:
        made = propose(at, head, version, key, steps, proof=wanted.proof)
        write(_kept_at(at), json.dumps(asdict(made), indent=1).encode("utf-8"))
    work = Git(folder_of(at) / "work")
    alike = bool(seen.tip and made.tip and remote) and (
        remote is not None
        and remote.content(wanted.base, branch) == content_of(work, made.base, made.tip)
    )
    todo = plan.acts(seen, made, alike=alike)
    found = Result(version, None, made, tuple(todo), notes=notes, url=_url(seen))
    if not wanted.apply:
        return found
    url = ""
    for act in todo:
        if act is Act.PUSH:
            assert remote is not None
            remote.push(work, made.tip, branch, seen.tip)
        else:
            url = _do(act, wanted.base, branch, forge, seen, made) or url
    if Act.PUSH in todo:
        found = _checked(forge, branch, found)
    return replace(found, done=True, url=url or found.url)


def _release(
    at: Checkout, wanted: Wanted, pinned: str
) -> tuple[str | None, tuple[str, ...]]:
    """The release to carry to, and what was passed by."""
    if wanted.to is not None:
        version = releases.as_tag(wanted.to)
        if version is None or version <= Version(pinned):
            raise Unusable(
                "this is no release after the pinned one",
                where="TO",
                expected=f"a version after {pinned}",
                found=wanted.to,
                next=f"make port TO={wanted.to}, which goes back too",
            )
        return str(version), ()
    note("asking the index for releases")
    tags = None if wanted.tags is None else releases.tags(wanted.tags, at.root)
    found = releases.newest(Version(pinned), index.open_index().offers(PROJECT), tags)
    return (str(found.version) if found.version else None), found.notes


def _at_rest(
    wanted: Wanted, forge: Forge, pinned: str, notes: tuple[str, ...]
) -> Result:
    """Nothing newer: an issue about what was carried since has had its day."""
    try:
        issue = plan.issue_for(forge.issues(), pinned)
    except Unusable as e:
        if wanted.apply:
            raise
        return Result(notes=(*notes, f"the forge was not asked: {e.what}"))
    mark = text.mark_of(issue.body) if issue else None
    if mark is None or Version(mark.version) > Version(pinned):
        return Result(notes=notes)
    seen = Seen(issue=issue)
    todo = plan.mended(issue)
    if wanted.apply:
        for act in todo:
            _do(act, wanted.base, "", forge, seen, Proposal("", pinned, "", ""))
    done = wanted.apply and bool(todo)
    return Result(acts=tuple(todo), done=done, notes=notes, url=_url(seen))


def _remote(at: Checkout, wanted: Wanted) -> Remote | None:
    git = Git(at.root)
    done = git.run("remote", "get-url", wanted.remote, ok=(0, 2, 128))
    url = done.stdout.decode().strip()
    if url:
        # A path is meant from the checkout, and the bot works elsewhere.
        here = (at.root / url).resolve()
        return Remote(str(here) if here.exists() else url, folder_of(at) / "remote")
    if wanted.apply:
        raise Unusable(
            f"this checkout has no remote {wanted.remote}",
            where=str(at.root),
            next="git remote add, or REMOTE=<its name>",
        )
    return None


def _look(
    wanted: Wanted, forge: Forge, remote: Remote | None, head: str, version: str
) -> tuple[Seen, tuple[str, ...]]:
    """What is there; a dry run goes on without what it cannot ask."""
    branch = text.branch_of(version)
    notes: tuple[str, ...] = ()
    seen = Seen()
    try:
        pull = plan.newest_first(forge.pulls(branch))
        seen = Seen(pull, plan.issue_for(forge.issues(), version))
    except Unusable as e:
        if wanted.apply:
            raise
        notes = (f"the forge was not asked: {e.what}",)
    try:
        tips = remote.look(wanted.base, branch) if remote else {}
    except ForkError as e:
        if wanted.apply:
            raise
        return seen, (*notes, f"the remote was not asked: {e.what}")
    if wanted.apply and remote and not remote.has(wanted.base, head):
        raise Unusable(
            f"this checkout's commit is not on {wanted.remote}'s {wanted.base}",
            found=head,
            next="push it, or check out what is there",
        )
    if remote and branch in tips and wanted.base in tips:
        people = remote.people(wanted.base, branch)
        seen = replace(seen, tip=tips[branch], people=people)
    return seen, notes


def key_of(
    at: Checkout, head: str, version: str, proof: bool, steps: Sequence[Step]
) -> str:
    """16 hex digits that change when a run could come to something else."""
    tree = Git(at.root).text("rev-parse", f"{head}^{{tree}}")
    parts = [tree, version, str(proof), *(str(step) for step in steps)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _kept_at(at: Checkout) -> Path:
    return folder_of(at) / "proposal.json"


def _kept(at: Checkout, key: str) -> Proposal | None:
    """What an earlier run came to, if all that it was made from is as it was."""
    try:
        made = Proposal(**json.loads(_kept_at(at).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if made.key != key:
        return None
    work = folder_of(at) / "work"
    if made.tip and not ((work / ".git").is_dir() and Git(work).resolve(made.tip)):
        return None
    note("the work was done before; AGAIN=1 does it anew")
    return made


def _do(
    act: Act, base: str, branch: str, forge: Forge, seen: Seen, made: Proposal
) -> str:
    """One thing at the forge; the address of what was opened."""
    pull, issue = seen.pull, seen.issue
    if act is Act.OPEN_PULL:
        return _open_pull(base, branch, forge, made)
    if act is Act.OPEN_ISSUE:
        return forge.open_issue(made.title, made.body)
    if act is Act.EDIT_PULL:
        assert pull is not None
        body = text.renewed(pull.body, made.body)
        forge.edit_pull(pull.number, made.title, body)
        return pull.url
    assert issue is not None
    if act is Act.EDIT_ISSUE:
        body = text.renewed(issue.body, made.body)
        forge.edit_issue(issue.number, made.title, body)
    elif act is Act.REOPEN_ISSUE:
        forge.reopen_issue(issue.number)
    else:
        # So that the same failure, should it come again, is news again.
        body = f"{issue.body.rstrip()}\n{text.SOLVED}\n"
        forge.edit_issue(issue.number, issue.title, body)
        forge.close_issue(issue.number, f"It works again: vLLM {made.version}.")
        return ""
    return issue.url


def _open_pull(base: str, branch: str, forge: Forge, made: Proposal) -> str:
    try:
        return forge.open_pull(base, branch, made.title, made.body)
    except Unusable:
        # Another run may have been first; then all is well.
        there = plan.newest_first(forge.pulls(branch))
        if there is None or there.head != made.tip:
            raise
        return there.url


def _checked(forge: Forge, branch: str, found: Result) -> Result:
    try:
        forge.start_checks(branch)
    except Unusable as e:
        why = f"the checks of {branch} were not started: {e.found or e.what}"
        return replace(found, notes=(*found.notes, why))
    return found


def _url(seen: Seen) -> str:
    return seen.pull.url if seen.pull else seen.issue.url if seen.issue else ""
