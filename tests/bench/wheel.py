# SPDX-License-Identifier: Apache-2.0
"""`make wheel` against `cp`, and against `wheel unpack` and `wheel pack`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from scripts.base.files import sync_dir
from scripts.wheel.overlay import build
from tests.bench.measure import Took, alternate, child, settle, stopwatch
from tests.bench.report import Aim, Row, Sense, Side, Unit
from tests.bench.sandbox import ARCH, Sandbox

NOTES = """\
wheel: every result goes into an empty folder; the sources are in the page cache.
  build: overlay.build in this process (lanes, plan, copy, fsync, rename).
  verb: the process python -m scripts wheel, with its start and its imports.
  Both put the wheel on disk (fsync) before its name; cp alone does not, and
  cp+fsync does. cp copies the overlay wheel. verb --help is the part of verb
  that is Python's start and the command line's imports."""
_COPY = {"build": Aim(Sense.RATIO, 1.5), "verb": Aim(Sense.RATIO, 3)}
_REPACK = Aim(Sense.FASTER, 15)


def rows(box: Sandbox) -> list[Row]:
    """Measure; the slow tool is run once unless all is asked for."""
    sides = {"build": lambda: _build(box), "verb": lambda: _verb(box)}
    sides |= {"cp": lambda: _cp(box, False), "cp+fsync": lambda: _cp(box, True)}
    quick = alternate(sides, box.rounds, "wheel against cp")
    pair = {"verb": sides["verb"], "unpack + pack": lambda: _repack(box)}
    few = box.rounds if box.full else 1
    slow = alternate(pair, few, "wheel against unpack + pack", warm=False)
    unit = Unit.SECONDS
    found = [
        Row(
            "wheel",
            unit,
            Side.timed(ours, quick[ours]),
            Side.timed(theirs, quick[theirs]),
            _COPY[ours],
        )
        for ours in ("build", "verb")
        for theirs in ("cp+fsync", "cp")
    ]
    (ours, mine), (theirs, other) = slow.items()
    found.append(
        Row("wheel", unit, Side.timed(ours, mine), Side.timed(theirs, other), _REPACK)
    )
    start = alternate({"start": lambda: _start(box)}, box.rounds, "start of the verb")
    found.append(Row("wheel", unit, Side.timed("verb --help", start["start"])))
    return found


def _empty(box: Sandbox) -> Path:
    out = box.root / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    settle()
    return out


def _build(box: Sandbox) -> Took:
    out = _empty(box)
    with stopwatch() as watch:
        build(box.lock, box.patches, box.base_wheel, out, sdist=lambda: box.sdist)
    return watch.took


def _start(box: Sandbox) -> Took:
    return box.verb("wheel", "--help").took


def _verb(box: Sandbox) -> Took:
    out = _empty(box)
    return box.verb("wheel", "--arch", ARCH, "--out", out).took


def _cp(box: Sandbox, durable: bool) -> Took:
    source = box.wheel
    out = _empty(box)
    took = child(["cp", source, out], box.root).took
    if durable:
        with stopwatch() as watch:
            with (out / source.name).open("rb") as f:
                os.fsync(f.fileno())
            sync_dir(out)
        took += watch.took
    return took


def _repack(box: Sandbox) -> Took:
    out = _empty(box)
    tool = [sys.executable, "-m", "wheel"]
    first = child([*tool, "unpack", "-d", out, box.base_wheel], box.root)
    (tree,) = out.iterdir()
    second = child([*tool, "pack", "-d", out, tree], box.root)
    _empty(box)
    return first.took + second.took
