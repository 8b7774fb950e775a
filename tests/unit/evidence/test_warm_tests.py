# SPDX-License-Identifier: Apache-2.0
"""Whoever stops a session stops its tests, and what these have started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scripts.evidence.warm import PROGRAM
from tests.unit.processes import alive, until

TEST = """
import os, subprocess, sys, time
def test_long():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open("pids.part", "w") as f:
        f.write(f"{os.getpid()} {child.pid}")
    os.rename("pids.part", "pids")
    time.sleep(ASLEEP)
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """A session under way: the process that forks, and the pids of the forked."""
    there: list[subprocess.Popen[str]] = []
    pids: list[int] = []

    def start(limit: int, asleep: int) -> tuple[subprocess.Popen[str], list[int]]:
        test = TEST.replace("ASLEEP", str(asleep))
        (tmp_path / "test_it.py").write_text(test, encoding="utf-8")
        job = {"tree": str(tmp_path), "files": {"test_it.py": None}, "limit": limit}
        warm = subprocess.Popen(
            [sys.executable, PROGRAM],
            # A shell has what runs in the background, as CI may be, ignore SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        there.append(warm)
        assert warm.stdin is not None
        warm.stdin.write(json.dumps(job | {"out": str(tmp_path / "out.json")}) + "\n")
        warm.stdin.flush()
        said = tmp_path / "pids"
        assert until(said.exists, 120)
        pids[:] = map(int, said.read_text(encoding="utf-8").split())
        return warm, pids

    yield start
    for each in there:
        each.kill()
        each.communicate()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_session_leaves_no_process(started: Any, sent: int) -> None:
    warm, pids = started(600, 600)
    warm.send_signal(sent)
    assert warm.wait(60) != 0
    assert until(lambda: not any(map(alive, pids)), 20)


def test_a_late_session_leaves_no_process(started: Any, tmp_path: Path) -> None:
    warm, pids = started(5, 600)
    assert warm.stdout.readline() == "done\n"
    told = json.loads((tmp_path / "out.json").read_bytes())
    assert told["ended"] == "was stopped after 5 s"
    assert until(lambda: not any(map(alive, pids)), 20)


def test_a_session_that_ends_leaves_no_process(started: Any, tmp_path: Path) -> None:
    warm, pids = started(600, 0)
    assert warm.stdout.readline() == "done\n"
    told = json.loads((tmp_path / "out.json").read_bytes())
    assert told["tests"] == {"test_it.py::test_long": "passed"}
    assert until(lambda: not any(map(alive, pids)), 20)
