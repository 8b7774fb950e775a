# SPDX-License-Identifier: Apache-2.0
"""The verbs against the build before they were made faster."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from scripts import ROOT
from scripts.base.errors import Finding
from scripts.base.git import Git
from scripts.cli.program import load
from tests.bench.measure import Took, alternate, child, settle
from tests.bench.report import Aim, Row, Sense, Side, Unit
from tests.bench.sandbox import ARCH, Sandbox

BEFORE = "cac48fac3d91"
"""The commit whose tools are the other side."""
NOTES = f"""\
before: the tools of commit {BEFORE} with today's patches and lock, in the same
  interpreter; both make the same commit and tree, which is looked at. cold
  apply: a process in a checkout without build/; with the archive checked and its table
  in the cache, or with an empty cache and the archive in UPSTREAM_DIR. No round deletes
  anything: for a minute after many files were deleted, ext4 takes seconds to make as
  many, whoever asks. warm apply: all stands there already. slowest --help: of all
  verbs, by seconds of the processor, and its aim is on these."""
_COLD_JOBS = {"cold apply": False, "cold apply, empty cache": True}
"""Whether the cache is empty."""
_COLD = Aim(Sense.RATIO, 0.25)
_WARM = Aim(Sense.RATIO, 1)
_HELP = Aim(Sense.WITHIN, 0.15)
_ABSENT = f"{BEFORE} is not in this clone: git fetch --unshallow"


@dataclass(frozen=True)
class _Build:
    """The tools of one side, to be put into checkouts."""

    scripts: Path
    root: Path

    def checkout(self, box: Sandbox) -> Path:
        """A new checkout without build/; it stays until the job is over."""
        home = next(path for n in count() if not (path := self.root / str(n)).exists())
        home.mkdir(parents=True)
        shutil.copytree(self.scripts, home / "scripts")
        shutil.copytree(box.checkout.patches, home / "patches")
        shutil.copy2(box.checkout.lock, home)
        return home


def rows(box: Sandbox) -> list[Row]:
    """Measure both; without the other commit, ours alone."""
    sides = {"now": _Build(box.checkout.root / "scripts", box.root / "now")}
    if Git(ROOT).resolve(f"{BEFORE}^{{commit}}"):
        sides["before"] = _Build(_unpacked(box.root), box.root / "before")
    for build in sides.values():  # copies keep times, so byte code stays good
        child([sys.executable, "-m", "compileall", "-q", build.scripts], box.root)
    found = []
    for job, empty in _COLD_JOBS.items():
        cold = {n: partial(_cold, box, b, empty) for n, b in sides.items()}
        times = alternate(cold, box.rounds, job)
        found.append(_row(job, times, _COLD))
    stood = {name: sorted(b.root.iterdir())[0] for name, b in sides.items()}
    again = {name: partial(_apply, home) for name, home in stood.items()}
    found.append(_row("warm apply", alternate(again, box.rounds, "warm apply"), _WARM))
    homes = {name: build.checkout(box) for name, build in sides.items()}
    made = {name: partial(_wheel, box, home) for name, home in homes.items()}
    found.append(_row("wheel", alternate(made, box.rounds, "wheel"), _WARM))
    shown = {verb: partial(_verb, homes["now"], verb, "--help") for verb in _verbs()}
    helps = alternate(shown, box.rounds, "--help of every verb")
    slowest = max(
        (Side(verb, tuple(t.processor for t in took)) for verb, took in helps.items()),
        key=lambda side: side.median,
    )
    found.append(Row("slowest --help", Unit.SECONDS, slowest, aim=_HELP))
    return found


def _verbs() -> list[str]:
    return [command.name or "" for command in load().registered_commands]


def _row(job: str, times: dict[str, tuple[Took, ...]], aim: Aim) -> Row:
    side = {name: Side.timed(name, took) for name, took in times.items()}
    other = side.get("before")
    skipped = None if other else _ABSENT
    return Row(job, Unit.SECONDS, side["now"], other, aim, skipped)


def _unpacked(root: Path) -> Path:
    archive = Git(ROOT).run("archive", BEFORE, "scripts").stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(root / "commit", filter="data")
    return root / "commit" / "scripts"


def _verb(home: Path, *args: str | Path, **env: str) -> Took:
    command = [sys.executable, "-m", "scripts", *args]
    return child(command, home, env=env).took


def _cold(box: Sandbox, build: _Build, empty: bool) -> Took:
    home = build.checkout(box)
    env = {"SM12X_CACHE": str(home / "cache"), "UPSTREAM_DIR": str(box.sdist.parent)}
    settle()
    took = _verb(home, "apply", **(env if empty else {}))
    repository = home / "build" / "vllm"
    tip, tree = Git(repository).text("rev-parse", "HEAD", "HEAD^{tree}").split()
    box.tips.add(tip)
    if tree != box.lock.patched_tree or len(box.tips) > 1:
        found = f"tree {tree}, commits {', '.join(sorted(box.tips))}"
        raise Finding("another tree or commit was made", str(home), found=found)
    return took


def _apply(home: Path) -> Took:
    return _verb(home, "apply")


def _wheel(box: Sandbox, home: Path) -> Took:
    out = home / "out"
    shutil.rmtree(out, ignore_errors=True)
    settle()
    took = _verb(home, "wheel", "--arch", ARCH, "--out", out)
    return took
