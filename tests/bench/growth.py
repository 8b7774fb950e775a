# SPDX-License-Identifier: Apache-2.0
"""What apply and export cost as a series grows: each step's exponent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import log
from pathlib import Path

from scripts.git import Git
from scripts.series import folder
from scripts.series.apply import Wanted, apply, make_commits
from scripts.series.render import format_patches
from scripts.series.workbench import Workbench
from tests.bench.apply import copy, objects, reset
from tests.bench.generated import generate
from tests.bench.measure import alternate
from tests.bench.report import Aim, Row, Sense, Side, Unit
from tests.bench.sandbox import Sandbox

COUNTS = (20, 100, 400)
"""Patches of the generated series, each the start of the longest."""
NOTES = """\
growth: seconds of the processor, of this process and its git children, for the first
  20, 100 and 400 patches of one generated series on the pinned source. apply: read,
  replay, verify every blob, write the commits. export: every commit as a patch. An
  exponent of 1 is linear, and so is the aim; below 1 a part does not grow."""


def rows(box: Sandbox) -> list[Row]:
    """Measure on the real upstream."""
    base = apply(Wanted(box.checkout, until="0")).base
    ours = Workbench(box.checkout.build / "vllm").path
    made = box.root / "generated"
    generate(copy(ours, box.root / "maker"), base, COUNTS[-1], made)
    shutil.rmtree(box.root / "maker")
    return measure(ours, base, made, COUNTS, box.rounds)


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
    names = folder.names(made)
    until = {n: names[n - 1].partition("-")[0] for n in counts}

    def applied(n: int) -> float:
        reset(repo, base, clean)
        start = sum(os.times()[:4])
        make_commits(git, base, folder.load(made, until[n]))
        return sum(os.times()[:4]) - start

    def exported(n: int) -> float:
        reset(repo, base, clean)
        tip = make_commits(git, base, folder.load(made, until[n]))
        start = sum(os.times()[:4])
        format_patches(git, base, tip)
        return sum(os.times()[:4]) - start

    verbs: dict[str, Callable[[int], float]] = {"apply": applied, "export": exported}
    found: list[Row] = []
    for verb, run in verbs.items():
        sides = {str(n): partial(run, n) for n in counts}
        times = alternate(sides, rounds, f"growth of {verb}")
        side = {n: Side(f"{n} patches", times[str(n)]) for n in counts}
        for step in pairwise(counts):
            low, high = (side[n] for n in step)
            power = exponent(low.median, high.median, step)
            job = f"growth of {verb}, {step[0]} to {step[1]}: exponent {power:.2f}"
            aim = Aim(Sense.RATIO, step[1] / step[0])
            found.append(Row(job, Unit.SECONDS, high, low, aim))
    reset(repo, base, clean)
    return found
