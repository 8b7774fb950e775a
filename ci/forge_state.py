# SPDX-License-Identifier: Apache-2.0
"""What the bot is asked for, and what it looks at before it works."""

from __future__ import annotations

from dataclasses import dataclass, replace

from packaging.version import Version

from ci import messages, plan, releases
from ci.github import GitHub
from ci.plan import Seen
from ci.remote import Remote
from ci.scratch_clone import folder_of
from scripts.base.console import note
from scripts.base.errors import ForkError, Unusable
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.upstream import index
from scripts.upstream.release_facts import PROJECT, as_version


@dataclass(frozen=True)
class Wanted:
    """What the bot is asked for.

    Attributes:
        to: The release; the newest on the index if None.
        apply: Push, and write at the forge; else say what would be done.
        proof: Run the long steps too on what was carried.
        again: Do the work anew though nothing has changed.
        made: Take what an earlier run made, from `proposal.json` and
            `proposal.bundle` in `build/bot`, and do nothing without it.
        remote: Name of the git remote that pull requests are opened at.
        base: The branch that they are for.
        tags: Address of upstream's repository, to hold the index against.
    """

    to: str | None = None
    apply: bool = False
    proof: bool = True
    again: bool = False
    made: bool = False
    remote: str = "origin"
    base: str = "main"
    tags: str | None = None


def release(
    at: Checkout, wanted: Wanted, pinned: str
) -> tuple[str | None, tuple[str, ...]]:
    """The release to carry to, and what was passed by.

    Raises:
        Unusable: It is none after the pinned one, or the index cannot be asked.
    """
    if wanted.to is not None:
        version = as_version(wanted.to)
        if version is None or version <= Version(pinned):
            raise Unusable(
                "this is no release after the pinned one",
                where="TO",
                expected=f"a version after {pinned}",
                found=wanted.to,
                next="make bot, which looks for the newest"
                if version is None
                else f"make port TO={wanted.to}, which goes back too",
            )
        return str(version), ()
    note("asking the index for releases")
    tags = None if wanted.tags is None else releases.tags(wanted.tags, at.root)
    found = releases.newest(Version(pinned), index.open_index().offers(PROJECT), tags)
    return (str(found.version) if found.version else None), found.notes


def remote_of(at: Checkout, wanted: Wanted) -> Remote | None:
    """The remote to propose at; a dry run can do without.

    Raises:
        Unusable: There is none.
    """
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


def look(
    wanted: Wanted, forge: GitHub, remote: Remote | None, head: str, version: str
) -> tuple[Seen, tuple[str, ...]]:
    """What is there already; a dry run goes on without what it cannot ask.

    Raises:
        Unusable: The forge cannot be asked, or `head` is not on the base branch.
    """
    branch = messages.branch_of(version)
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
    known = remote and wanted.base in tips and remote.has(wanted.base, head)
    if wanted.apply and not known:
        raise Unusable(
            f"this checkout's commit is not on {wanted.remote}'s {wanted.base}",
            found=head,
            next="push it, or check out what is there",
        )
    if remote and branch in tips and wanted.base in tips:
        people = remote.people(wanted.base, branch)
        seen = replace(seen, tip=tips[branch], people=people)
    return seen, notes
