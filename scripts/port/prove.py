# SPDX-License-Identifier: Apache-2.0
"""The ported series on its new release: applied, checked, tested, then written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from scripts import lock as lockfile
from scripts.checkout import Checkout
from scripts.console import note
from scripts.fetch import obtain
from scripts.files import write
from scripts.git import Git
from scripts.pin import pin
from scripts.port import readme
from scripts.port.summary import Check, Proof
from scripts.series import folder
from scripts.series.adopt import adopt
from scripts.series.apply import sdist_base
from scripts.series.mailbox import Patch, parse
from scripts.series.render import format_patches
from scripts.series.replay import Entry, Step
from scripts.series.table import NAME, lanes_on, render
from scripts.upstream import commit_steps

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("apply", ("-m", "scripts", "apply")),
    ("check", ("-m", "scripts", "check")),
    # The record is of the old pin. What moves off SM12x the tests refuse.
    ("selection", ("-m", "scripts", "matrix", "--update")),
    # Each test as it ends: the step takes as long as all others together.
    (
        "tests",
        ("-m", "pytest", "tests/series", "-v", "-n", "2", "--dist", "loadfile"),
    ),
)
"""What is run in the trial, in this order; a failure ends it."""

RECORDED = "scripts/selection/recorded.tsv"
"""What the new release selects, written by the step `selection`."""


def trial(
    at: Checkout,
    version: str,
    patches: Sequence[Patch],
    changes: Iterable[Mapping[str, Entry | None]],
) -> Checkout:
    """A clone of this checkout that stands on the new release.

    Raises:
        Finding: The release is not what it says, or the clone fails.
        Unusable: It cannot be fetched.
    """
    root = at.build / "port" / "trial"
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    Git(at.root).run("clone", "--quiet", "--local", str(at.root), str(root))
    new = Checkout(root)
    # What is decided and not committed yet belongs to the trial.
    for name in ("patches", "upstream.lock"):
        _copy(at.root / name, root / name)
    pin(version, new.lock)
    lock = lockfile.load(new.lock)
    git = Git(root / "build" / "make")
    git.path.mkdir(parents=True)
    git.run("init", "--quiet", ".")
    base = sdist_base(git, lock)
    steps = [Step(p, c) for p, c in zip(patches, changes, strict=True) if c]
    tip = commit_steps(git, base, steps)
    files = format_patches(git, base, tip)
    made = [parse(name, data) for name, data in files.items()]
    lanes = lanes_on(made, lambda: obtain(lock.sdist))
    old = lockfile.load(at.lock)
    names = _renamed(patches, [step.patch for step in steps], list(files))
    follow = partial(readme.follow, old=old, new=lock, renamed=names)
    adopt(new, files, render(made, lanes), lock.tag, follow)
    tree = git.text("rev-parse", f"{tip}^{{tree}}")
    lockfile.update(new.lock, {"series.patched-tree": tree})
    return new


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


AFTER = (
    f"read git diff {RECORDED}: what the new release selects otherwise",
    "tests/kernels/baseline.json is of the old pin: make kernels UPDATE=1",
)
"""What a port cannot take over, as it was found by running it."""

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


def prove(new: Checkout, runner: Run = run) -> list[Check]:
    """Run every step until one fails; the rest is said to be not run.

    A checkout that keeps no record of what is selected has none to renew.
    """
    found: list[Check] = []
    broken = False
    kept = (new.root / RECORDED).is_file()
    for name, argv in STEPS:
        if name == "selection" and not kept:
            continue
        if broken:
            found.append(Check(name, Proof.NOT_RUN))
            continue
        note(f"proof: {name}")
        code, said = runner(argv, new.root)
        last = [line for line in said.splitlines() if line.strip()][-1:]
        broken = code != 0
        proof = Proof.FAILED if broken else Proof.PASSED
        found.append(Check(name, proof, last[0] if last else f"exit code {code}"))
    return found


def unlike(new: Checkout) -> list[str]:
    """What the tests ran with, where the new release pins another version of it."""
    pins = lockfile.load(new.lock).companions
    found = []
    for file in sorted((new.root / "tests" / "series").glob("requirements-*.txt")):
        for row in file.read_text(encoding="utf-8").splitlines():
            name, _, version = row.partition("==")
            if version and pins.get(name, version) != version:
                found.append(
                    f"tested with {name} {version}; upstream pins {pins[name]}"
                )
    return list(dict.fromkeys(found))


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
    write(at.lock, new.lock.read_bytes())
    return (*by_hand, *AFTER)


def renamed(
    patches: Iterable[Patch],
    changes: Iterable[Mapping[str, Entry | None]],
    new: Checkout,
) -> dict[str, str | None]:
    """The file name that each patch has in the trial; None for one that left."""
    kept = [p for p, change in zip(patches, changes, strict=True) if change]
    return _renamed(patches, kept, folder.names(new.patches))


def _renamed(
    patches: Iterable[Patch], kept: Sequence[Patch], names: Sequence[str]
) -> dict[str, str | None]:
    now = {p.name: name for p, name in zip(kept, names, strict=True)}
    return {patch.name: now.get(patch.name) for patch in patches}


def _patches(new: Checkout) -> list[Path]:
    return [new.patches / name for name in folder.names(new.patches)]
