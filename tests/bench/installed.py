# SPDX-License-Identifier: Apache-2.0
"""`make patch-installed` against a reinstall by pip."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.measure import Took, alternate, child, settle
from tests.bench.report import Row, Side, Unit
from tests.bench.sandbox import Sandbox

NOTES = """\
patch-installed: the process python -m scripts patch-installed, into and out of
  a fresh environment that has upstream's wheel. pip: install --force-reinstall
  --no-deps of the overlay wheel, and of upstream's as the way back, in another
  such environment; pip compiles every module, ours leaves that to the first
  import."""


def environment(home: Path, wheel: Path) -> Path:
    """A fresh environment with `wheel` alone; its interpreter."""
    child([sys.executable, "-m", "venv", home], home.parent)
    python = home / "bin/python"
    pip(python, wheel)
    return python


def pip(python: Path, wheel: Path) -> Took:
    """Install a wheel as a user would, from its file."""
    options = ["--quiet", "--disable-pip-version-check", "--no-index"]
    command = ["-m", "pip", "install", *options, "--force-reinstall", "--no-deps"]
    return child([python, *command, wheel], python.parent).took


def rows(box: Sandbox) -> list[Row]:
    """Measure both ways."""
    ours = environment(box.root / "ours", box.base_wheel)
    other = environment(box.root / "pip", box.base_wheel)
    back: dict[str, list[Took]] = {"ours": [], "pip": []}

    def patch() -> Took:
        settle()
        there = box.verb("patch-installed", "--python", ours).took
        settle()
        undo = box.verb("patch-installed", "--python", ours, "--revert").took
        back["ours"].append(undo)
        return there

    def reinstall() -> Took:
        settle()
        there = pip(other, box.wheel)
        settle()
        back["pip"].append(pip(other, box.base_wheel))
        return there

    sides = {"verb": patch, "pip": reinstall}
    times = alternate(sides, box.rounds, "patch-installed against pip", warm=False)
    mine, theirs = (tuple(back[name]) for name in ("ours", "pip"))
    unit = Unit.SECONDS
    return [
        Row(
            "patch-installed",
            unit,
            Side.timed("verb", times["verb"]),
            Side.timed("pip, overlay", times["pip"]),
        ),
        Row(
            "patch-installed",
            unit,
            Side.timed("verb --revert", mine),
            Side.timed("pip, upstream", theirs),
        ),
    ]
