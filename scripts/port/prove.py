# SPDX-License-Identifier: Apache-2.0
"""The ported series in its trial: applied, checked, tested, then written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from scripts.base.console import note
from scripts.base.files import write
from scripts.base.object_ids import Entry
from scripts.checkout import Checkout
from scripts.port.beside import ASKED_WITH
from scripts.port.report import readme
from scripts.port.report.summary import Beside, Check, Proof
from scripts.series import folder
from scripts.series.adopt import adopt
from scripts.series.mailbox import Patch
from scripts.series.table import NAME
from scripts.upstream import lock as lockfile
from scripts.upstream.environments import asked_with

Step = tuple[str, tuple[str, ...]]
"""Its name, and the arguments of this interpreter."""

STEPS: tuple[Step, ...] = (
    ("apply", ("-m", "scripts", "apply")),
    ("check", ("-m", "scripts", "check")),
    # The record is of the old pin. What moves off SM12x the tests refuse.
    ("selection", ("-m", "scripts", "matrix", "--update")),
    # Each test as it ends: the step takes as long as all others together.
    (
        "tests",
        (
            *("-m", "pytest", "tests/on_cpu", "-v", "-n", "2"),
            *("--dist", "loadfile", "--no-loadscope-reorder"),
        ),
    ),
)
"""What is run in the trial, in this order; a failure ends it."""

_NO_WHEEL = (
    "--ignore=tests/on_cpu/test_wheel_installed.py",
    "--ignore=tests/on_cpu/test_b12x_packages.py",
    "--deselect=tests/on_cpu/test_selection.py::test_doctor_asks_the_vllm_that_is_there",
)
REF_STEPS = tuple(
    (name, (*argv, *_NO_WHEEL) if name == "tests" else argv) for name, argv in STEPS
)
"""The same of a git ref: it has no wheel, and its Python runs on this CPU."""

RECORDED = "records/selection.tsv"
"""What the new release selects, written by the step `selection`."""

AFTER = (
    f"read git diff {RECORDED}: what the new release selects otherwise",
    "records/kernels.json is of the old pin: make kernels UPDATE=1",
)
"""What a port cannot take over, as it was found by running it."""

LINES = 8
"""Lines of a step that failed, where it names no tests."""

Run = Callable[[Sequence[str], Path], tuple[int, str]]


def run(
    argv: Sequence[str], where: Path, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a step, whose output goes to stderr as it comes.

    Args:
        argv: Arguments of this interpreter.
        where: The checkout whose code runs.
        env: In place of this process's environment.

    Returns:
        Its exit code, and all that it said.
    """
    said = []
    with subprocess.Popen(
        [sys.executable, *argv],
        cwd=where,
        env={**(os.environ if env is None else env), "PYTHONPATH": str(where)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            note(line.rstrip("\n"))
    return process.returncode, "".join(said)


def prove(
    new: Checkout, runner: Run = run, steps: Sequence[Step] = STEPS
) -> list[Check]:
    """Run every step until one fails; the rest is said to be not run.

    A checkout that keeps no record of what is selected has none to renew.
    """
    found: list[Check] = []
    broken = False
    kept = (new.root / RECORDED).is_file()
    for name, argv in steps:
        if name == "selection" and not kept:
            continue
        if broken:
            found.append(Check(name, Proof.NOT_RUN))
            continue
        note(f"proof: {name}")
        code, said = runner(argv, new.root)
        last = [line for line in said.splitlines() if line.strip()][-1:]
        detail = last[0] if last else f"exit code {code}"
        broken = code != 0
        if not broken:
            found.append(Check(name, Proof.PASSED, detail))
            continue
        tests = failures(said)
        again = repeat(argv, tests[:1], new.root)
        failed = tests or _lines(said)
        found.append(Check(name, Proof.FAILED, detail, failed, again))
    return found


def failures(said: str) -> tuple[str, ...]:
    """The tests that a run of pytest names at its end, each once.

    >>> failures("FAILED tests/a.py::test_x[1] - AssertionError: y\\nERROR b.py::c")
    ('tests/a.py::test_x[1]', 'b.py::c')
    """
    # What is in brackets may have a dash of its own.
    name = r"(?m)^(?:FAILED|ERROR) (\S[^\[\n]*?(?:\[.*?\])?)(?: - .*)?$"
    return tuple(dict.fromkeys(re.findall(name, said)))


def _lines(said: str) -> tuple[str, ...]:
    """What a step that is no test found, its last line apart, which is told anyway."""
    rows = [line.strip() for line in said.splitlines() if line.strip()][:-1]
    more = [f"and {len(rows) - LINES} lines more"] if len(rows) > LINES else []
    return (*rows[:LINES], *more)


def repeat(argv: Sequence[str], failed: Sequence[str], where: Path) -> str:
    """The command that runs a step again, or one test of it.

    Args:
        argv: Arguments of this interpreter.
        failed: The test, if it is one.
        where: The trial.
    """
    if failed:
        argv = ("-m", "pytest", *failed)
    command = shlex.join([sys.executable, *argv])
    return f"cd {shlex.quote(str(where))} && PYTHONPATH=. {command}"


def unlike(new: Checkout) -> list[Beside]:
    """What was really asked and tested with, where the new release has another.

    A FlashInfer that a test takes for its age alone is none of it.
    """
    pins = lockfile.load(new.lock).companions
    return [
        Beside(name, version, pins[name])
        for name, version in asked_with(new.root).items()
        if pins.get(name, version) != version
    ]


def accept(
    at: Checkout, new: Checkout, renamed: Mapping[str, str | None]
) -> tuple[str, ...]:
    """Write what was proved: patches, tables, README, Containerfile; the lock last.

    Args:
        at: Where to.
        new: The trial.
        renamed: As `readme.ported` takes it.

    Returns:
        What is left for a person to edit.
    """
    files = {p.name: (new.patches / p.name).read_bytes() for p in _patches(new)}
    table = (new.patches / NAME).read_text(encoding="utf-8")
    old, now = lockfile.load(at.lock), lockfile.load(new.lock)
    follow = partial(readme.follow, old=old, new=now, renamed=renamed)
    by_hand = adopt(at, files, table, now.tag, follow).by_hand
    if (new.root / RECORDED).is_file():
        write(at.root / RECORDED, (new.root / RECORDED).read_bytes())
    if (new.root / ASKED_WITH).is_file():
        write(at.root / ASKED_WITH, (new.root / ASKED_WITH).read_bytes())
    write(at.lock, new.lock.read_bytes())
    return (*by_hand, *(one.said for one in unlike(new)), *AFTER)


def renamed(
    patches: Iterable[Patch],
    changes: Iterable[Mapping[str, Entry | None]],
    new: Checkout,
) -> dict[str, str | None]:
    """The file name that each patch has in the trial; None for one that left."""
    kept = [p for p, change in zip(patches, changes, strict=True) if change]
    return named(patches, kept, folder.names(new.patches))


def named(
    patches: Iterable[Patch], kept: Sequence[Patch], names: Sequence[str]
) -> dict[str, str | None]:
    """The name that each patch has among ``names``, those of the ones that are kept."""
    now = {p.name: name for p, name in zip(kept, names, strict=True)}
    return {patch.name: now.get(patch.name) for patch in patches}


def _patches(new: Checkout) -> list[Path]:
    return [new.patches / name for name in folder.names(new.patches)]
