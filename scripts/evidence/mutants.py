# SPDX-License-Identifier: Apache-2.0
"""`make mutants`: are the series' lines held by its tests?

    evidence/mutants/<digest>.json   in the cache: how each mutant of a tree ended

A mutant is run on the tests that run its line, quickest first, until one fails.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import Queue
from typing import Any

from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.evidence import line_owners, session
from scripts.evidence.ground import Ground, cover_map, process
from scripts.evidence.mutate import Mutant, mutants
from scripts.evidence.session import Job
from scripts.evidence.stand import Stand
from scripts.upstream.cache import cache_dir

LIMIT = 120
"""Seconds for the tests of one mutant; one that takes longer hangs."""
COLD_LIMIT = 300
"""The same where they import vLLM first."""
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
    last = stand.last
    found: list[Mutant] = []
    for path, owned in sorted(line_owners.owners(stand.base, stand.steps).items()):
        entry = last[path]
        if entry is not None:
            found += mutants(path, entry.data.decode(), owned)
    return found


def tests_of(mutant: Mutant, cover: Mapping[str, Any], own: Set[str]) -> list[str]:
    """The tests that may kill a mutant: those that run its line, quickest first.

    Then those of its patch: a line that runs in a subprocess, or when its module is
    imported, is not known to be run by any.
    """
    first = set(cover["lines"].get(mutant.path, {}).get(str(mutant.line), ()))
    both = first | {n for n in cover["tests"] if session.function(n) in own}
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
    tests: dict[str, set[str]] = {s.patch.number: set() for s in ground.stand.steps}
    for test, numbers in ground.stand.own.owners.items():
        for number in numbers:
            tests[number].add(test)
    asked = {m.key: tests_of(m, cover, tests[m.patch]) for m in wanted}
    waiting = [m for m in wanted if m.key not in known]
    if waiting:
        note(f"{len(waiting)} of {len(wanted)} mutants to run")
        for at, (mutant, told) in enumerate(
            _warm(ground, waiting, asked, processes), 1
        ):
            known[mutant.key] = told
            if at % SAVED_EVERY == 0 or at == len(waiting):
                write(store, json.dumps(known).encode())
                note(f"  {at}/{len(waiting)} {mutant.path}:{mutant.line}")
    spawned = set(cover["spawned"])
    cold = []
    for mutant in wanted:
        if known[mutant.key][0] == "cold":
            cold.append(mutant)
        elif known[mutant.key][0] == "survived" and (
            again := [n for n in asked[mutant.key] if n in spawned]
        ):
            # A process that a test starts reads the code from a file.
            asked[mutant.key] = again
            cold.append(mutant)
    known |= _cold(ground, cold, asked, processes)
    return [Ended(m, *known[m.key]) for m in wanted]


def _warm(
    ground: Ground,
    waiting: Sequence[Mutant],
    asked: Mapping[str, Sequence[str]],
    processes: int,
) -> Iterator[tuple[Mutant, list[str]]]:
    """Each as it ends; those that are under way when this is stopped are lost."""
    left = iter(waiting)
    ended: Queue[tuple[Mutant, list[str]] | None] = Queue()
    hold, stop = threading.Lock(), threading.Event()

    def work() -> None:
        try:
            with process(ground, None) as (tell, hear):
                if (first := hear()) != "ready\n":
                    raise Finding("the tests were not collected", found=first)
                while not stop.is_set():
                    with hold:
                        mutant = next(left, None)
                    if mutant is None:
                        return
                    tell(
                        {
                            "path": mutant.path,
                            "source": mutant.source,
                            "tests": asked[mutant.key],
                            "limit": LIMIT,
                        }
                    )
                    told = json.loads(hear())
                    ended.put((mutant, [told["end"], told["by"]]))
        except BaseException:
            stop.set()  # the others need not go on
            raise
        finally:
            ended.put(None)

    workers = min(processes, len(waiting))
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work) for _ in range(workers)]
        try:
            while workers:
                if one := ended.get():
                    yield one
                else:
                    workers -= 1
        finally:
            stop.set()
        for future in futures:
            future.result()


def _cold(
    ground: Ground,
    cold: Sequence[Mutant],
    asked: Mapping[str, Sequence[str]],
    processes: int,
) -> dict[str, list[str]]:
    """Those that are not of a fork's memory: each on a tree of its own."""
    stand = ground.stand
    last = stand.last
    jobs = []
    for mutant in cold:
        entry = last[mutant.path]
        assert entry is not None
        changed = {**last, mutant.path: replace(entry, data=mutant.source.encode())}
        wanted = session.by_file(sorted(set(map(session.function, asked[mutant.key]))))
        label = f"{mutant.path}:{mutant.line} {mutant.what}"
        jobs.append(Job(label, stand.tree(changed), wanted, ("-x",), COLD_LIMIT))
    told = session.run(jobs, stand.git, stand.home, processes)
    ended = {}
    for mutant, result in zip(cold, told, strict=True):
        bad = sorted(result.bad())
        if result.hung():
            ended[mutant.key] = ["timeout", ""]
        else:
            ended[mutant.key] = ["killed", bad[0]] if bad else ["survived", ""]
    return ended
