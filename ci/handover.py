# SPDX-License-Identifier: Apache-2.0
"""A proposal between two runs: one that makes it, and one that may write.

In a workflow they are two jobs, so that no code of a new release ever runs where a
token could write. What comes over is a text and a bundle of git objects, never a
repository with its configuration.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ci.plan import Proposal
from ci.scratch_clone import clone, folder_of
from scripts.base import decode
from scripts.base.console import note
from scripts.base.errors import Finding, Unusable
from scripts.base.files import write
from scripts.base.git import Git
from scripts.checkout import Checkout


def save(at: Checkout, made: Proposal) -> None:
    """Keep a proposal in `build/bot`, its commits first."""
    bundle = _bundle(at)
    bundle.unlink(missing_ok=True)
    if made.tip:
        git = Git(folder_of(at) / "work")
        git.run("bundle", "create", "--quiet", str(bundle), f"{made.base}..HEAD")
    write(_text(at), json.dumps(asdict(made), indent=1).encode("utf-8"))


def load(at: Checkout, head: str, version: str, key: str) -> Proposal | None:
    """What an earlier run came to, if all that it was made from is as it was.

    Its commits are then in the scratch clone.
    """
    try:
        made = decode.read(_text(at), Proposal, "no proposal is kept")
    except Unusable:
        return None
    if (made.key, made.version) != (key, version):
        return None
    if made.tip and (made.base != head or not _unpacked(at, made)):
        return None
    note("the work was done before; AGAIN=1 does it anew")
    return made


def _unpacked(at: Checkout, made: Proposal) -> bool:
    work = folder_of(at) / "work"
    if (work / ".git").is_dir() and Git(work).resolve(f"{made.tip}^{{commit}}"):
        return True
    if not _bundle(at).is_file():
        return False
    git = Git(clone(at, made.base).root)
    try:
        git.run("fetch", "--quiet", str(_bundle(at)), "HEAD")
    except Finding:
        return False  # damaged, or made on another history: it is made anew
    return git.text("rev-parse", "FETCH_HEAD") == made.tip


def _text(at: Checkout) -> Path:
    return folder_of(at) / "proposal.json"


def _bundle(at: Checkout) -> Path:
    return folder_of(at) / "proposal.bundle"
