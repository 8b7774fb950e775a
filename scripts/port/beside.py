# SPDX-License-Identifier: Apache-2.0
"""The packages that a proof asks and tests with: those that the new wheel requires."""

from __future__ import annotations

from packaging.version import Version

from scripts import ROOT
from scripts.base.console import note
from scripts.base.errors import Unusable
from scripts.base.files import write
from scripts.checkout import Checkout
from scripts.upstream import index
from scripts.upstream import lock as lockfile
from scripts.upstream.environments import FLASHINFER
from scripts.upstream.fetch import is_offline
from scripts.upstream.release_facts import version_of

ASKED_WITH = FLASHINFER.relative_to(ROOT)
"""What is installed ahead of the CPU's packages; torch is none of it, since which of
its releases comes without CUDA depends on the machine's index."""


def follow(new: Checkout) -> None:
    """Pin in a trial what its wheel requires, where the index has that release.

    The libraries of a package that share its version go with it. What cannot be had
    stays as it is, and `prove.unlike` says so.
    """
    path = new.root / ASKED_WITH
    if not path.is_file():
        return
    wanted = lockfile.load(new.lock).companions
    rows = [row.partition("==") for row in path.read_text("utf-8").splitlines()]
    now = {name: version for name, pinned, version in rows if pinned}
    moves = {
        name: wanted[name]
        for name, version in now.items()
        if wanted.get(name, version) != version and _offered(name, wanted[name])
    }
    for name, version in now.items():
        for of in [of for of in moves if name.startswith(f"{of}-")]:
            if version == now[of] and _offered(name, moves[of]):
                moves = {**moves, name: moves[of]}
    if moves:
        said = ", ".join(f"{name} {version}" for name, version in moves.items())
        note(f"the proof asks and tests with {said}")
        text = "".join(
            f"{name}{pinned}{moves.get(name, version)}\n"
            for name, pinned, version in rows
        )
        write(path, text.encode("utf-8"))


def _offered(name: str, version: str) -> bool:
    """Whether the index has a release; without it, nobody knows."""
    if is_offline():
        return False
    try:
        files = [o.filename for o in index.open_index().offers(name)]
    except Unusable:
        return False
    return Version(version) in {v for v in map(version_of, files) if v is not None}
