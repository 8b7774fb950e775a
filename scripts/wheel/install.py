# SPDX-License-Identifier: Apache-2.0
"""The built wheel and all that it requires, into an environment."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Unusable


@dataclass(frozen=True)
class Plan:
    """What is run to install a wheel, in this order."""

    python: Path
    """The environment's interpreter; need not be there yet."""
    commands: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return "\n".join(shlex.join(each) for each in self.commands)


def python_of(venv: Path) -> Path:
    """The interpreter of an environment, there or not.

    Raises:
        Unusable: Something else lies there.
    """
    python = venv.absolute() / "bin/python"
    if venv.exists() and not os.access(python, os.X_OK):
        if venv.is_dir() and not any(venv.iterdir()):
            return python
        raise Unusable(
            "this is no environment",
            where=str(venv),
            expected="a folder with bin/python, or none yet",
            found="no bin/python" if venv.is_dir() else "a file",
            next="make install VENV=/path/to/venv",
        )
    return python


def plan(venv: Path, wheel: Path, *, again: bool, dry_run: bool) -> Plan:
    """How the wheel gets there, by the environment's pip, by uv, or by ours.

    Args:
        venv: The environment's folder; made if it is not there.
        wheel: The wheel.
        again: The environment has a wheel of this very version, which an installer
            would leave alone.
        dry_run: Only work out what would come.
    """
    python = python_of(venv)
    there = python.exists()
    if dry_run:
        return Plan(python, (_resolution(python, wheel, there=there),))
    install = installer(python) if there else (str(python), "-m", "pip", "install")
    commands = [(*install, str(wheel))]
    if not there:
        commands.insert(0, (sys.executable, "-m", "venv", str(venv)))
    if again:
        force = (*install, "--no-deps", "--force-reinstall", str(wheel))
        commands.insert(0, force)
    return Plan(python, tuple(commands))


def _resolution(python: Path, wheel: Path, *, there: bool) -> tuple[str, ...]:
    # By uv where it would install, else by our own pip: one before 23.3, which an
    # environment may have, brings gigabytes to say what would come.
    asked = installer(python) if there else ()
    if asked[1:2] == ("pip",):
        return (*asked, "--dry-run", str(wheel))
    ours = (sys.executable, "-m", "pip")
    where = ("--python", str(python)) if there else ()
    # Without an environment, for one that this Python would make.
    fresh = () if there else ("--ignore-installed",)
    report = ("--quiet", "--report", "-")
    return (*ours, *where, "install", "--dry-run", *report, *fresh, str(wheel))


def installer(python: Path) -> tuple[str, ...]:
    """The beginning of a command that installs there: its own pip, uv, or ours."""
    asked = [str(python), "-c", "import pip"]
    if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        return (str(python), "-m", "pip", "install")
    if uv := shutil.which("uv"):
        return (uv, "pip", "install", "--python", str(python))
    return (sys.executable, "-m", "pip", "--python", str(python), "install")


def way_back(python: Path, version: str) -> str:
    """The command that puts stock vLLM in the fork's place, with what it requires.

    `==` would be content with the fork's local version, and `--no-deps` would keep
    the FlashInfer that only the fork requires.

    Args:
        python: The environment's interpreter.
        version: Upstream's version, without a local part.
    """
    return shlex.join((*installer(python), f"vllm==={version}"))


def would_come(command: Sequence[str]) -> list[str]:
    """Names and versions that a dry run of an installer finds, sorted.

    Raises:
        Unusable: It finds no answer; it has said why.
    """
    note(f"$ {shlex.join(command)}")
    pip = "--report" in command
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=None if pip else subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        note(done.stdout.rstrip("\n"))
        raise _failed(command, done.returncode)
    if pip:
        told = [each["metadata"] for each in json.loads(done.stdout)["install"]]
        return sorted(f"{each['name']}=={each['version']}" for each in told)
    lines = done.stdout.splitlines()
    return sorted(x.removeprefix(" + ") for x in lines if x.startswith(" + "))


def _failed(command: Sequence[str], code: int) -> Unusable:
    return Unusable(
        "the installer failed",
        where=shlex.join(command),
        found=f"exit code {code}; its own words are above",
        next="fix what it names, then run this again: what came is kept",
    )


def carry_out(todo: Sequence[Sequence[str]]) -> None:
    """Run the commands, which speak for themselves.

    Raises:
        Unusable: One of them fails; the installer has said why.
    """
    for command in todo:
        note(f"$ {shlex.join(command)}")
        # Both write results to stdout; ours are what comes after them.
        done = subprocess.run(command, stdout=sys.stderr.fileno(), check=False)
        if done.returncode:
            raise _failed(command, done.returncode)
