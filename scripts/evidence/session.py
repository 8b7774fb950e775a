# SPDX-License-Identifier: Apache-2.0
"""Pytest sessions on trees of vLLM: two warm processes, results kept by content.

    evidence/sessions/<digest>.json    in the cache; one session

A digest is of git's tree id, the tests asked for, the packages and the code that
runs them. A killed run loses the sessions under way and no other.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from scripts.base import decode
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.base.git import Git
from scripts.evidence.warm import PROGRAM, SETTINGS, Run, warm
from scripts.upstream.cache import cache_dir
from scripts.upstream.environments import cpu_python, location


@dataclass(frozen=True)
class Job:
    """One session."""

    label: str
    """What it is for, in progress lines."""
    tree: str
    """git's id of the tree it runs on."""
    files: tuple[tuple[str, tuple[str, ...] | None], ...]
    """Test files, and the functions wanted of each; None for all."""
    arguments: tuple[str, ...] = ()
    """Further options of pytest."""
    limit: int | None = None
    """Seconds after which it hangs, which is how it ends then; else that is a fault."""

    def key(self) -> str:
        """Digest of all that the outcome follows from."""
        what = (
            self.tree,
            self.files,
            self.arguments,
            location().name,
            sorted(SETTINGS),
        )
        digest = sha256(repr(what).encode())
        digest.update(PROGRAM.read_bytes())
        return digest.hexdigest()

    def asked(self) -> dict[str, Any]:
        """As the warm process takes it."""
        told = {"files": dict(self.files), "arguments": self.arguments}
        return told if self.limit is None else told | {"limit": self.limit}


@dataclass(frozen=True)
class Result:
    """How a session ended."""

    tests: Mapping[str, str]
    """Node id to `passed`, `skipped`, `failed` or `error`."""
    broken: Mapping[str, str]
    """Files of which nothing could be collected, and why."""
    said: str
    ended: str

    def hung(self) -> bool:
        """Whether it was stopped."""
        return self.ended.startswith("was stopped after ")

    def of(self, test: str) -> set[str]:
        """Outcomes of the cases of `path::name`, none if it is not there."""
        return {
            outcome for node, outcome in self.tests.items() if function(node) == test
        }

    def bad(self) -> set[str]:
        """Tests of which a case failed, and files that are broken."""
        failed = {
            function(n) for n, o in self.tests.items() if o in ("failed", "error")
        }
        return failed | set(self.broken)


def function(node: str) -> str:
    """A node id without its parameters.

    >>> function("tests/a.py::test_b[c::d]")
    'tests/a.py::test_b'
    """
    return node.partition("[")[0]


def run(jobs: Sequence[Job], git: Git, home: Path, processes: int = 2) -> list[Result]:
    """The results of all jobs, in order; what is known is not run again.

    Args:
        jobs: What to run.
        git: A repository that has the jobs' trees.
        home: Folder for the work trees, kept for the next run.
        processes: How many at a time.

    Raises:
        Finding: A session did not end in order; the message has its last words.
        Unusable: The CPU environment cannot be made.
    """
    store = cache_dir() / "evidence" / "sessions"
    kept = [store / f"{job.key()}.json" for job in jobs]
    waiting = {k: j for j, k in zip(jobs, kept, strict=True) if not k.exists()}
    if waiting:
        note(f"{len(waiting)} of {len(jobs)} sessions to run, {processes} at a time")
        python = cpu_python()
        home.mkdir(parents=True, exist_ok=True)
        todo = Todo(waiting, python, git, home)
        workers = range(min(processes, len(waiting)))
        with ThreadPoolExecutor(len(workers)) as pool:
            for future in [pool.submit(todo.work, number) for number in workers]:
                future.result()
    what = "what a session said is not kept whole"
    return [decode.read(path, Result, what, f"rm {path}") for path in kept]


def by_file(
    tests: Iterable[str],
) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
    """Tests, as `path::name`, in the form of `Job.files`.

    >>> by_file(["b.py::x", "a.py::z", "a.py::y"])
    (('a.py', ('z', 'y')), ('b.py', ('x',)))
    """
    found: dict[str, tuple[str, ...]] = {}
    for test in tests:
        path, _, name = test.partition("::")
        found[path] = (*found.get(path, ()), name)
    return tuple(sorted(found.items()))


class Todo:
    """Sessions that two workers share."""

    def __init__(
        self, waiting: Mapping[Path, Job], python: Path, git: Git, home: Path
    ) -> None:
        self.python, self.git, self.home = python, git, home
        self.left = list(waiting.items())
        self.all, self.done = len(self.left), 0
        self.hold = threading.Lock()

    def work(self, number: int) -> None:
        """Run sessions until none is left."""
        tree = self.home / f"tree-{number}"
        try:
            with warm(self.python, self.git, tree) as run:
                while job := self._next():
                    self._one(run, *job)
        except BaseException:
            with self.hold:
                self.left.clear()  # the other worker need not go on
            raise

    def _next(self) -> tuple[Path, Job] | None:
        with self.hold:
            return self.left.pop(0) if self.left else None

    def _one(self, run: Run, path: Path, job: Job) -> None:
        told = run(job.label, job.tree, job.asked())
        result = Result(**told)
        hung = job.limit is not None and result.hung()
        if result.ended != "in order" and not hung:
            raise _lost(job, told)
        write(path, json.dumps(told).encode())
        with self.hold:
            self.done += 1
            bad = result.ended if hung else f"{len(result.bad())} bad"
            count = f"{self.done}/{self.all}"
            note(f"  {count} {job.label}: {len(result.tests)} tests, {bad}")


def _lost(job: Job, told: Mapping[str, str]) -> Finding:
    return Finding(
        f"a test session {told['ended']}",
        where=job.label,
        found=told["said"][-1500:],
        next="run it again; what has ended is kept",
    )
