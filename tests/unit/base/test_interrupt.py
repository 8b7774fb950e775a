# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C at whatever moment: one line, the command that goes on, code 130."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base import interrupt


def stopped(args: list[str], *flags: Path, **env: str) -> tuple[int, str, str]:
    """Start Python, send SIGINT once each flag is there; code, words, the call."""
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
    for flag in flags:
        while not flag.exists():
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    return process.returncode, said, " ".join(command)


@pytest.mark.parametrize("module", ["pathlib", "typer"])
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


def test_before_the_first_line_of_ours() -> None:
    """As make starts it: SIGINT is blocked, and one is waiting."""

    def before() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.kill(os.getpid(), signal.SIGINT)

    command = [sys.executable, "-m", "scripts", "check"]
    done = subprocess.run(
        command, cwd=ROOT, preexec_fn=before, capture_output=True, text=True
    )
    words = f"stopped; to go on, run it again: {' '.join(command)}\n"
    assert (done.returncode, done.stderr) == (130, words)


def test_make_starts_every_program_so() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    starts = re.findall(r"(.*)\.venv/bin/python -m (?:scripts|tests)\b", text)
    assert len(starts) > 4
    assert all(start.endswith("$(held) ") for start in starts)
    said = subprocess.run(["make", "-n", "apply"], cwd=ROOT, capture_output=True).stdout
    want = b"exec env --block-signal=INT .venv/bin/python -m scripts apply"
    assert said.splitlines()[-1].strip() == want


def test_nothing_is_loaded_to_hear_it() -> None:
    """The window in which Python still answers by itself stays as it is."""
    said = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    tree = ast.parse(Path(interrupt.__file__).read_text(encoding="utf-8"))
    names = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert names <= {*said, *sys.builtin_module_names}


DRIVER = """
import atexit, sys, time
from pathlib import Path
from scripts.base import interrupt
interrupt.while_loading()
import typer
from scripts.__main__ import main

def sleep(name):
    Path(__file__).with_name(name).touch()
    time.sleep(5)

app = typer.Typer()

@app.command()
def verb():
    try:
        sleep("busy")
    except KeyboardInterrupt:
        {cleanup}
        raise

atexit.register(sleep, "over")
sys.exit(main(app, "driver"))
"""


@pytest.mark.parametrize("cleanup", ["sleep('cleaning')", "pass"])
def test_twice(cleanup: str, tmp_path: Path) -> None:
    """While locks are let go it ends at once, and at the end nothing is left to end."""
    (tmp_path / "driver.py").write_text(DRIVER.format(cleanup=cleanup))
    flags = [tmp_path / ("cleaning" if "sleep" in cleanup else "over")]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    code, said, _ = stopped(["driver"], tmp_path / "busy", *flags, PYTHONPATH=path)
    assert code == 130
    assert said.startswith("stopped; to go on, run it again: ")
    assert said.count("\n") == 1
