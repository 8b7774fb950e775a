# SPDX-License-Identifier: Apache-2.0
"""Run two sides in turn, and take medians."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any, TypeVar

from scripts.base.console import note
from scripts.base.errors import Finding

T = TypeVar("T")


@dataclass(frozen=True)
class Took:
    """Seconds that something took."""

    seconds: float
    """By the clock, so that others on the machine slow it."""
    processor: float
    """User and system time, of it and of the children that it waited for."""

    def __add__(self, other: Took) -> Took:
        return Took(self.seconds + other.seconds, self.processor + other.processor)


@dataclass(frozen=True)
class Spent:
    """What one command took."""

    took: Took
    largest: int
    """Bytes; peak resident size (ru_maxrss) of the largest of its processes."""
    together: int
    """Bytes; highest sum over its processes at one time, looked at every 5 ms.

    Pages that two processes share count twice. 0 if it was not asked for.
    """

    @property
    def peak(self) -> int:
        return max(self.largest, self.together)


def child(
    argv: Sequence[str | Path],
    cwd: Path,
    *,
    env: Mapping[str, str] | None = None,
    memory: bool = False,
) -> Spent:
    """Run a command to its end.

    Args:
        argv: The command; its stdout is thrown away.
        cwd: Folder to run it in.
        env: Additions to the environment.
        memory: Watch the sum over its processes, which costs some time.

    Raises:
        Finding: It failed; the message has the end of its stderr.
    """
    launch = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
    command = [str(x) for x in argv]
    done = subprocess.run(
        [*launch, "memory" if memory else "time", *command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        check=False,
    )
    said: dict[str, Any] = json.loads(done.stdout) if not done.returncode else {}
    code = said.get("code", "none, it did not start")
    if code != 0:
        raise Finding(
            f"{Path(command[0]).name} failed, so there is nothing to measure",
            where=" ".join(command),
            expected="exit code 0",
            found=f"{code}\n{done.stderr.decode('utf-8', 'replace')[-2000:]}",
        )
    took = Took(said["seconds"], said["processor"])
    return Spent(took, said["largest"], said["together"])


def busy() -> float:
    """Seconds of the processor that this process and its ended children took."""
    both = (getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in both)


class Watch:
    """What a `with stopwatch()` block took."""

    took = Took(0.0, 0.0)


@contextmanager
def stopwatch() -> Iterator[Watch]:
    """Time a block in this process."""
    watch = Watch()
    start, before = time.perf_counter(), busy()
    yield watch
    watch.took = Took(time.perf_counter() - start, busy() - before)


def alternate(
    sides: Mapping[str, Callable[[], T]],
    rounds: int,
    what: str,
    *,
    warm: bool = True,
) -> dict[str, tuple[T, ...]]:
    """Run every side once a round; each round starts with another side.

    Args:
        sides: Name to what runs the side and returns its figure. Whatever it
            does before and after the part that it times does not count.
        rounds: How often each side is measured.
        what: Named in the progress.
        warm: Run each side once before, without counting it, so that files are
            in the page cache and byte code is compiled.
    """
    found: dict[str, list[T]] = {name: [] for name in sides}
    names = list(sides)
    if warm:
        note(f"{what}: warming up")
        for name in names:
            sides[name]()
    for i in range(rounds):
        note(f"{what}: round {i + 1} of {rounds}")
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(sides[name]())
    return {name: tuple(values) for name, values in found.items()}


def settle() -> None:
    """Let the disk finish what was written, so that nobody pays for another."""
    os.sync()
