# SPDX-License-Identifier: Apache-2.0
"""The series carried to a release by every tool: what came of it, and in what time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from packaging.version import Version

from scripts.base.console import note
from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.checkout import Checkout
from scripts.port.carry import Carried, Trees, carry
from scripts.port.moves import places
from scripts.port.released import sdist
from scripts.port.survey import uncollected
from scripts.port.target import Target, python_or, tree, wanted
from scripts.series import folder
from scripts.series.apply import make_commits
from scripts.series.base_commit import commit_files, touched
from scripts.series.mailbox import Patch
from scripts.series.replay import replay
from scripts.series.resolutions import Records
from scripts.upstream import lock as lockfile
from scripts.upstream import sdist_contents
from scripts.upstream.lock import Artifact, Lock
from tests.bench.landed import wrong
from tests.bench.measure import stopwatch
from tests.bench.peers import PEERS, Applied, Place

OURS = "make port"


@dataclass(frozen=True)
class Cell:
    """One tool on one release."""

    release: str
    tool: str
    carried: int
    wrong: tuple[str, ...]
    """Patch and symbol of what landed in the wrong place."""
    seconds: float
    """By the clock, so that others on the machine slow it."""
    processor: float
    """Seconds of the processor, of the tool and what it started."""
    ran: bool = True


@dataclass(frozen=True)
class _Room:
    root: Path
    git: Git
    base: str
    tip: str
    patches: Sequence[Patch]
    mails: Sequence[Path]


def _judge(results: Sequence[Applied], base: _Base) -> tuple[str, ...]:
    found = []
    for one in results:
        for path, (before, after) in one.files.items():
            was, become = base.sides[one.patch][path]
            for what in wrong(path, was, become, before, after):
                found.append(f"{one.patch[:4]} {path}: {what}")
    return tuple(found)


@dataclass(frozen=True)
class _Base:
    """What each patch does where it was made."""

    sides: Mapping[str, Mapping[str, tuple[bytes | None, bytes | None]]]


def _truth(patches: Sequence[Patch], files: Mapping[str, Entry]) -> _Base:
    now: dict[str, bytes | None] = {p: e.data for p, e in files.items()}
    sides: dict[str, dict[str, tuple[bytes | None, bytes | None]]] = {}
    for step in replay(patches, files.get):
        mine = sides.setdefault(step.patch.name, {})
        for path, entry in step.changes.items():
            data = entry.data if entry else None
            mine[path] = (now.get(path), data)
            now[path] = data
    return _Base(sides)


def carried(lock: Lock, patches: Sequence[Patch], release: str) -> Carried:
    """What becomes of a series on another release, with nobody's decisions."""
    with uncollected():
        paths = touched(list(patches))
        base = sdist_contents.read(lock.sdist, python_or(paths))
        target = Target(release, Version(release), sdist(lock, Version(release)))
        new = tree(target, wanted(paths, base.ids))
        moves = places(paths, base, new)
        sides = base.files.get, new.files.get
        return carry(patches, *sides, moves, Records(), release, Trees(base, new))


def _ours(release: str, room: _Room, truth: _Base) -> Cell:
    """From the archives to the report, as `make port --dry-run` does it."""
    at = Checkout()
    with stopwatch() as watch:
        done = carried(lockfile.load(at.lock), room.patches, release)
    results = []
    for patch in done.patches:
        if patch.state.carried:
            files = {
                f.path: (
                    f.upstream.data if f.upstream else None,
                    f.result.data if f.result else None,
                )
                for f in patch.files
            }
            results.append(Applied(patch.name, files))
    bad = _judge(results, truth)
    count = sum(p.carried for p in done.patches)
    return Cell(release, OURS, count, bad, watch.took.seconds, watch.took.processor)


def _near(artifact: Artifact, patches: Sequence[Patch]) -> Mapping[str, Entry]:
    """Every file in a folder of one that the series touches.

    No tool reads others, but for a rename from one folder to another; and a
    checkout of them all takes longer than what is measured.
    """
    folders = {str(PurePosixPath(path).parent) for path in touched(list(patches))}
    return sdist_contents.read(
        artifact, lambda path: str(PurePosixPath(path).parent) in folders
    ).files


def _peers(release: str, room: _Room, truth: _Base) -> Iterator[Cell]:
    lock = lockfile.load(Checkout().lock)
    files = _near(sdist(lock, Version(release)), room.patches)
    commit_files(room.git, "refs/sm12x/import", files.items(), f"vLLM {release}\n")
    new = room.git.text("rev-parse", "refs/sm12x/import^{tree}")
    # The new release follows the pin, as it does for whoever rebases.
    commit = room.git.text("commit-tree", "-p", room.base, "-m", release, new)
    for name, peer in PEERS.items():
        if shutil.which(peer.program) is None:
            yield Cell(release, name, 0, (), 0.0, 0.0, ran=False)
            continue
        note(f"{release}: {name}")
        where = room.root / "work"
        room.git.run("worktree", "add", "--quiet", "--detach", str(where), commit)
        place = Place(where, room.base, room.tip, commit, room.patches, room.mails)
        with stopwatch() as watch:
            results = peer.carry(place)
        room.git.run("worktree", "remove", "--force", str(where))
        seconds = watch.took.seconds - place.spent_reading
        bad = _judge(results, truth)
        yield Cell(release, name, len(results), bad, seconds, watch.took.processor)


def measure(releases: Sequence[str]) -> list[Cell]:
    """Every tool on every release."""
    at = Checkout()
    lock = lockfile.load(at.lock)
    patches = folder.load(at.patches)
    base_files = sdist_contents.read(lock.sdist, touched(patches).__contains__).files
    truth = _truth(patches, base_files)
    cells: list[Cell] = []
    with TemporaryDirectory(prefix="sm12x-carry-") as scratch:
        root = Path(scratch)
        git = Git(root / "vllm")
        git.path.mkdir()
        git.run("init", "--quiet", ".")
        files = _near(lock.sdist, patches).items()
        commit_files(git, "refs/heads/base", files, f"vLLM {lock.version}\n")
        base = git.text("rev-parse", "refs/heads/base")
        tip = make_commits(git, base, patches)
        git.run("update-ref", "refs/heads/series", tip)
        mails = [at.patches / p.name for p in patches]
        room = _Room(root, git, base, tip, patches, mails)
        for release in releases:
            note(f"{release}: {OURS}")
            cells.append(_ours(release, room, truth))
            cells += _peers(release, room, truth)
    return cells
