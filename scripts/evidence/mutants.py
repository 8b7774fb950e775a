# SPDX-License-Identifier: Apache-2.0
"""`make mutants`: are the series' lines held by its tests?

    evidence/cover/<digest>.json     in the cache: which test runs which line
    evidence/mutants/<digest>.json   how each mutant of a patched tree ended

A mutant is run on the tests that run its line, quickest first, until one fails.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from scripts import ROOT
from scripts.cache import cache_dir
from scripts.console import note
from scripts.cpuenv import cpu_python, location, package_folder
from scripts.errors import Finding
from scripts.evidence import lines, session
from scripts.evidence.mutate import Mutant, mutants
from scripts.evidence.own import named
from scripts.evidence.session import SETTINGS, Job, place
from scripts.evidence.stand import Stand
from scripts.files import write

INSIDE = ROOT / "scripts" / "inside" / "mutant_tests.py"
COVERAGE = ROOT / "tests" / "evidence" / "requirements-coverage.txt"
LIMIT = 120
"""Seconds for the tests of one mutant; one that takes longer hangs."""
SAVED_EVERY = 20
"""Mutants after which what is known is written."""


@dataclass(frozen=True)
class Ended:
    """What became of a mutant."""

    mutant: Mutant
    end: str
    """`killed`, `survived`, or `timeout`, which kills it too."""
    by: str
    """The test that failed."""

    @property
    def killed(self) -> bool:
        return self.end in ("killed", "timeout")


def all_mutants(stand: Stand) -> list[Mutant]:
    """Every mutant of the series' lines, by file and line."""
    last = stand.state(len(stand.steps))
    found: list[Mutant] = []
    for path, owned in sorted(lines.owners(stand.base, stand.steps).items()):
        entry = last[path]
        if entry is not None:
            found += mutants(path, entry.data.decode(), owned)
    return found


@dataclass(frozen=True)
class Ground:
    """The patched tree that the mutants are made of, and its tests."""

    stand: Stand
    tree: str
    folder: Path
    """A work tree that stands at `tree`."""

    def asked(self, cover: Path | None) -> dict[str, Any]:
        """The first line for mutant_tests.py."""
        return {
            "tree": str(self.folder),
            "files": dict(self.stand.own.files),
            "sources": sorted(lines.owners(self.stand.base, self.stand.steps)),
            "cover": None if cover is None else str(cover),
        }

    def key(self, *more: object) -> str:
        """Digest of the tree, what runs it, and `more`."""
        asked = {k: v for k, v in self.asked(None).items() if k != "tree"}
        digest = sha256(repr((self.tree, asked, location().name, more)).encode())
        for path in (INSIDE, session.INSIDE):
            digest.update(path.read_bytes())
        return digest.hexdigest()


@contextmanager
def process(
    ground: Ground, cover: Path | None
) -> Iterator[tuple[Callable[[Mapping[str, Any]], None], Callable[[], str]]]:
    """mutant_tests.py: a function that tells it something, and one that hears it."""
    home = ground.folder
    started = subprocess.Popen(
        [cpu_python(), INSIDE],
        cwd=home,
        env=os.environ
        | SETTINGS
        | {"PYTHONPYCACHEPREFIX": str(home.with_name(f"{home.name}-pyc"))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdin and started.stdout
    stdin, stdout = started.stdin, started.stdout

    def tell(what: Mapping[str, Any]) -> None:
        stdin.write(json.dumps(what) + "\n")
        stdin.flush()

    def hear() -> str:
        if line := stdout.readline():
            return line
        raise Finding(
            "the process that runs the mutants has ended",
            where=str(INSIDE.relative_to(ROOT)),
            found=f"exit code {started.wait()}",
            next="run it again; what has ended is kept",
        )

    tell(ground.asked(cover))
    try:
        yield tell, hear
    finally:
        with suppress(BrokenPipeError):
            stdin.close()
        started.terminate()
        started.wait()
        stdout.close()


def cover_map(ground: Ground) -> dict[str, Any]:
    """Which test runs which line, of the patched tree.

    Raises:
        Finding: A test fails there, or none runs.
    """
    key = ground.key(COVERAGE.read_text(encoding="utf-8"))
    path = cache_dir() / "evidence" / "cover" / f"{key}.json"
    if not path.exists():
        note("running the series' own tests once, with coverage")
        with process(ground, package_folder(COVERAGE)) as (_, hear):
            told = json.loads(hear())
        bad = [n for n, (o, _) in told["tests"].items() if o in ("failed", "error")]
        if bad or told["broken"] or not told["tests"]:
            raise Finding(
                "the series' own tests do not pass, so no mutant can be judged",
                found="\n".join([*bad, *told["broken"]][:12]),
                next="make test",
            )
        write(path, json.dumps(told).encode())
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def tests_of(mutant: Mutant, cover: Mapping[str, Any], named: Set[str]) -> list[str]:
    """The tests that may kill a mutant: those that run its line, quickest first.

    Then those that its patch names: a line that runs in a subprocess, or when its
    module is imported, is not known to be run by any.
    """
    first = set(cover["lines"].get(mutant.path, {}).get(str(mutant.line), ()))
    both = first | {n for n in cover["tests"] if session.function(n) in named}
    ran = [n for n in both if cover["tests"].get(n, ("skipped", 0))[0] == "passed"]
    return sorted(ran, key=lambda n: (n not in first, cover["tests"][n][1], n))


def judge(ground: Ground, wanted: Sequence[Mutant], processes: int) -> list[Ended]:
    """How each mutant ends; those that are known are not run again.

    Raises:
        Finding: The tests do not pass without a mutant, or a process was lost.
        Unusable: The CPU environment cannot be made.
    """
    store = cache_dir() / "evidence" / "mutants" / f"{ground.key()}.json"
    known: dict[str, list[str]] = {}
    if store.exists():
        known = json.loads(store.read_bytes())
    cover = cover_map(ground)
    tests = {s.patch.number: set(named(s)) for s in ground.stand.steps}
    asked = {m.key: tests_of(m, cover, tests[m.patch]) for m in wanted}
    waiting = [m for m in wanted if m.key not in known]
    if waiting:
        note(f"{len(waiting)} of {len(wanted)} mutants to run")
        for at, (mutant, told) in enumerate(_warm(ground, waiting, asked), 1):
            known[mutant.key] = told
            if at % SAVED_EVERY == 0 or at == len(waiting):
                write(store, json.dumps(known).encode())
                note(f"  {at}/{len(waiting)} {mutant.path}:{mutant.line}")
    cold = [m for m in wanted if known[m.key][0] == "cold"]
    known |= _cold(ground, cold, asked, processes)
    return [Ended(m, *known[m.key]) for m in wanted]


def _warm(
    ground: Ground, waiting: Sequence[Mutant], asked: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Mutant, list[str]]]:
    with process(ground, None) as (tell, hear):
        if (first := hear()) != "ready\n":
            raise Finding("the tests were not collected", found=first)
        for mutant in waiting:
            tell(
                {
                    "path": mutant.path,
                    "source": mutant.source,
                    "tests": asked[mutant.key],
                    "limit": LIMIT,
                }
            )
            told = json.loads(hear())
            yield mutant, [told["end"], told["by"]]


def _cold(
    ground: Ground,
    cold: Sequence[Mutant],
    asked: Mapping[str, Sequence[str]],
    processes: int,
) -> dict[str, list[str]]:
    """Those that act when a module is imported: each on a tree of its own."""
    stand = ground.stand
    last = stand.state(len(stand.steps))
    jobs = []
    for mutant in cold:
        entry = last[mutant.path]
        assert entry is not None
        changed = {**last, mutant.path: replace(entry, data=mutant.source.encode())}
        files: dict[str, set[str]] = {}
        for node in asked[mutant.key]:
            path, _, name = session.function(node).partition("::")
            files.setdefault(path, set()).add(name)
        wanted = tuple((k, tuple(sorted(v))) for k, v in sorted(files.items()))
        label = f"{mutant.path}:{mutant.line} {mutant.what}"
        jobs.append(Job(label, stand.tree(changed), wanted, ("-x",)))
    told = session.run(jobs, stand.git, stand.home, processes)
    ended = {}
    for mutant, result in zip(cold, told, strict=True):
        bad = sorted(result.bad())
        ended[mutant.key] = ["killed", bad[0]] if bad else ["survived", ""]
    return ended


def ground_of(stand: Stand) -> Ground:
    """The whole series in a work tree."""
    tree = stand.tree(stand.state(len(stand.steps)))
    folder = stand.home / "tree-whole"
    place(stand.git, folder, tree)
    return Ground(stand, tree, folder)
