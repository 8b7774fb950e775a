# SPDX-License-Identifier: Apache-2.0
"""What was learned about other people's software: `findings/`, a script each.

A script installs pinned public packages into a folder of its own, runs them on valid
input, prints what it saw and compares it with what its header states. It ends with 0
where that still holds, 1 where it does not, and with anything else where it could not
be run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.selection.report import columns
from scripts.upstream.fetch import is_offline
from scripts.upstream.index import open_index

FOLDER = ROOT / "findings"
FIELDS = ("Finding", "Versions", "Date", "Behaviour", "Output", "Matters")
"""What the header of a script has, in this order."""
LIMIT = 3600.0
"""Seconds that one script may take; downloads are most of it."""
_LINE = re.compile(r"# (?:([A-Z]\w+):|  ?)(?: (.*))?")


class State(Enum):
    """How a script ended."""

    STATED = "as stated"  # exit 0: it saw what its header says
    OTHER = "not as stated"  # exit 1: it saw something else
    NOT_RUN = "not run"  # any other exit: pip, a tool or the time was lacking


@dataclass(frozen=True)
class Script:
    """One finding."""

    path: Path
    header: dict[str, str]
    """Text by field, of several lines where the comment has several."""

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class Result:
    """What came of one script."""

    script: Script
    state: State
    seconds: float
    said: str
    """All that it printed."""


def header(text: str) -> dict[str, str]:
    r"""The fields of the comment at the top of a script, in its order.

    >>> header("#!/bin/sh\n# Finding: a\n#   b\n# Date: c\nset -eu\n# Not: read\n")
    {'Finding': 'a\nb', 'Date': 'c'}
    """
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        match = _LINE.fullmatch(line)
        if match and match[1] in FIELDS:
            name = match[1]
            found[name] = match[2] or ""
        elif name:
            more = line.removeprefix("#").strip()
            found[name] = f"{found[name]}\n{more}".strip()
    return found


def load(folder: Path = FOLDER) -> list[Script]:
    """All scripts of a folder, by name."""
    return [
        Script(path, header(path.read_text(encoding="utf-8")))
        for path in sorted(folder.glob("*.sh"))
    ]


def chosen(scripts: Sequence[Script], name: str | None) -> list[Script]:
    """The script of that name, or all.

    Raises:
        Unusable: None has that name.
    """
    found = [s for s in scripts if name in (None, s.name, s.path.name)]
    if not found:
        raise Unusable(
            "no finding has that name",
            where="findings/",
            expected=", ".join(s.name for s in scripts),
            found=name,
            next="make findings NAME=... with one of these",
        )
    return found


def require_network() -> None:
    """See that packages can be had before anything is begun.

    Raises:
        Unusable: The network is forbidden or the package index does not answer.
    """
    again = "make findings, where the package index is reached"
    if is_offline():
        raise Unusable(
            "findings want the network, since each installs public packages",
            found="SM12X_OFFLINE or PIP_NO_INDEX is set",
            next=f"unset it; {again}",
        )
    try:
        open_index().offers("pip")
    except Unusable as e:
        raise Unusable(
            "off the network: findings install public packages, and none can be had",
            found=e.found,
            next=again,
        ) from e


def run(scripts: Sequence[Script], limit: float = LIMIT) -> Iterator[Result]:
    """Run them one after the other; each result as soon as it is there."""
    for script in scripts:
        begun = time.monotonic()
        code, said = _run(script.path, limit)
        states = {0: State.STATED, 1: State.OTHER}
        state = states.get(code, State.NOT_RUN)
        yield Result(script, state, time.monotonic() - begun, said)


def _run(path: Path, limit: float) -> tuple[int, str]:
    """Exit code and words of a script; it and all that it started end here."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    env |= {"PYTHON": sys.executable, "LC_ALL": "C.UTF-8"}
    started = subprocess.Popen(
        ["bash", path],
        cwd=path.parent,
        env=env | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = started.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        said = _end(started) + f"not done after {limit:.0f} s\n"
    except BaseException:
        _end(started)
        raise
    return started.returncode, said


def _end(started: subprocess.Popen[str]) -> str:
    # Terminated, not killed: the script's trap removes its folder.
    os.killpg(started.pid, signal.SIGTERM)
    said, _ = started.communicate()
    return said


def table(results: Sequence[Result]) -> str:
    """A line a script, and below it what was seen where it is not as stated."""
    rows = [
        (r.state.value, f"{r.seconds:.0f} s", r.script.name, r.script.header["Finding"])
        for r in results
    ]
    lines = columns([("", "time", "name", "finding"), *rows])
    for r in results:
        if r.state is not State.STATED:
            lines += ["", f"{r.script.name}, {r.state.value}:"]
            lines += [f"  {line}" for line in r.said.splitlines()[-40:]]
    return "\n".join(lines)
