# SPDX-License-Identifier: Apache-2.0
"""Peak memory of the verbs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from scripts.base.console import note
from tests.bench.installed import environment
from tests.bench.measure import Spent
from tests.bench.report import Aim, Row, Sense, Side, Unit
from tests.bench.sandbox import ARCH, Sandbox

NOTES = """\
memory: the greater of ru_maxrss of the largest process and the highest sum of
  resident sizes over the verb and its git children, looked at every 5 ms."""
_AIM = Aim(Sense.BELOW, 200)
_WHEEL = Aim(Sense.BELOW, 150)


def rows(box: Sandbox) -> list[Row]:
    """Run each verb in a process of its own, from where it has most to do."""
    python = environment(box.root / "memory", box.base_wheel)
    patch = ("patch-installed", "--python", python)
    verbs: dict[str, Callable[[], Spent]] = {
        "wheel": lambda: _run(box, "wheel", "--arch", ARCH, "--out", _out(box)),
        "verify-wheel": lambda: _run(box, "verify-wheel", box.wheel),
        "apply": lambda: _apply(box),
        "patch-installed": lambda: _run(box, *patch),
        "patch-installed --revert": lambda: _run(box, *patch, "--revert"),
    }
    peaks: dict[str, list[float]] = {name: [] for name in verbs}
    for i in range(box.rounds):
        note(f"memory: round {i + 1} of {box.rounds}")
        for name, run in verbs.items():
            peaks[name].append(run().peak)

    def aim(name: str) -> Aim:
        return _WHEEL if name == "wheel" else _AIM

    return [
        Row("peak memory", Unit.BYTES, Side(name, tuple(values)), aim=aim(name))
        for name, values in peaks.items()
    ]


def _run(box: Sandbox, *args: str | Path) -> Spent:
    return box.verb(*args, memory=True)


def _out(box: Sandbox) -> Path:
    out = box.root / "out"
    shutil.rmtree(out, ignore_errors=True)
    return out


def _apply(box: Sandbox) -> Spent:
    """From nothing: the sdist is read and its base commit made."""
    tree = box.checkout.build / "vllm"
    if tree.exists():
        shutil.rmtree(tree)
    return _run(box, "apply")
