# SPDX-License-Identifier: Apache-2.0
"""What apply, export and port cost as a series grows: each step's exponent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import log
from pathlib import Path

from scripts.base.git import Git
from scripts.series import folder
from scripts.series.apply import Wanted, apply, make_commits
from scripts.series.render import format_patches
from scripts.series.workbench import Workbench
from tests.bench.apply import copy, objects, reset
from tests.bench.carried import carried
from tests.bench.generated import generate
from tests.bench.measure import alternate, stopwatch
from tests.bench.report import Aim, Row, Sense, Side, Unit
from tests.bench.sandbox import Sandbox

COUNTS = (20, 100, 400)
"""Patches of the generated series, each the start of the longest."""
RELEASE = "0.32.0"
"""What they are carried to."""
NOTES = """\
growth: seconds of the processor, of this process and its git children, for the first
  20, 100 and 400 patches of one generated series on the pinned source. apply: read,
  replay, verify every blob, write the commits. export: every commit as a patch. port:
  20 and 100 of them to 0.32.0, from the archives to what becomes of each. An exponent
  of 1 is linear, and so is the aim; below 1 a part does not grow."""


def rows(box: Sandbox) -> list[Row]:
    """Measure on the real upstream."""
    base = apply(Wanted(box.checkout, until="0")).base
    ours = Workbench(box.checkout.build / "vllm").path
    made = box.root / "generated"
    generate(copy(ours, box.root / "maker"), base, COUNTS[-1], made)
    shutil.rmtree(box.root / "maker")
    found = measure(ours, base, made, COUNTS, box.rounds)

    def ported(n: int) -> float:
        patches = folder.load(made, until_of(made, n))
        with stopwatch() as watch:
            carried(box.lock, patches, RELEASE)
        return watch.took.processor

    return found + steps("port", ported, COUNTS[:2], box.rounds)


def exponent(small: float, large: float, counts: tuple[int, int]) -> float:
    """The power of the number of patches that a cost grows with.

    >>> exponent(2.0, 10.0, (20, 100)), exponent(1.0, 25.0, (20, 100))
    (1.0, 2.0)
    """
    return log(large / small) / log(counts[1] / counts[0])


def measure(
    repo: Path, base: str, made: Path, counts: Sequence[int], rounds: int
) -> list[Row]:
    """Rows of each verb and each step from one count to the next.

    Args:
        repo: Stands at `base`; its work tree and its newer objects go.
        base: The commit that the series starts from.
        made: Folder of the series.
        counts: Numbers of patches, rising.
        rounds: How often each is measured.
    """
    git, clean = Git(repo), objects(repo)

    def applied(n: int) -> float:
        reset(repo, base, clean)
        with stopwatch() as watch:
            make_commits(git, base, folder.load(made, until_of(made, n)))
        return watch.took.processor

    def exported(n: int) -> float:
        reset(repo, base, clean)
        tip = make_commits(git, base, folder.load(made, until_of(made, n)))
        with stopwatch() as watch:
            format_patches(git, base, tip)
        return watch.took.processor

    found = steps("apply", applied, counts, rounds)
    found += steps("export", exported, counts, rounds)
    reset(repo, base, clean)
    return found


def until_of(made: Path, count: int) -> str:
    """The number of the last of the first `count` patches."""
    return folder.names(made)[count - 1].partition("-")[0]


def steps(
    verb: str,
    run: Callable[[int], float],
    sizes: Sequence[int],
    rounds: int,
    name: Callable[[int], str] = str,
    unit: str = "patches",
) -> list[Row]:
    """A row from each size to the next: how the verb's cost grows.

    Args:
        verb: What is measured.
        run: Does it once at a size; seconds of the processor.
        sizes: Rising.
        rounds: How often each is measured.
        name: A size in words.
        unit: What is counted.
    """
    sides = {name(n): partial(run, n) for n in sizes}
    times = alternate(sides, rounds, f"growth of {verb}")
    side = {n: Side(f"{name(n)} {unit}", times[name(n)]) for n in sizes}
    found = []
    for step in pairwise(sizes):
        low, high = (side[n] for n in step)
        power = exponent(low.median, high.median, step)
        job = f"growth of {verb}, {name(step[0])} to {name(step[1])}: "
        aim = Aim(Sense.RATIO, step[1] / step[0])
        found.append(Row(f"{job}exponent {power:.2f}", Unit.SECONDS, high, low, aim))
    return found
