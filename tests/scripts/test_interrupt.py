# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C at whatever moment: one line, the command that goes on, code 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import ROOT


def stopped(args: list[str], flag: Path, **env: str) -> tuple[int, str, str]:
    """Start Python, send SIGINT once `flag` is there; code, words, the call."""
    command = [sys.executable, "-m", *args]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while not flag.exists():
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    return process.returncode, said, " ".join(command)


@pytest.mark.parametrize("module", ["pathlib", "typer", "tomlkit"])
@pytest.mark.parametrize("args", [["scripts", "check"], ["tests.bench", "--help"]])
def test_while_modules_load(module: str, args: list[str], tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    (tmp_path / f"{module}.py").write_text(
        f"open({str(flag)!r}, 'w').close()\nimport time\ntime.sleep(60)\n"
    )
    code, said, call = stopped(args, flag, PYTHONPATH=str(tmp_path))
    assert (code, said) == (130, f"stopped; to go on, run it again: {call}\n")


def test_in_the_midst_of_a_verb(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ntouch '{flag}'\nexec sleep 60\n")
    python.chmod(0o755)
    code, said, call = stopped(["scripts", "doctor", "--python", str(python)], flag)
    assert (code, said) == (130, f"stopped; to go on, run it again: {call}\n")
