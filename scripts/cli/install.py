# SPDX-License-Identifier: Apache-2.0
"""Verb of an owner: install."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer

from scripts.base.console import say
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.cli.selection import diagnose
from scripts.cli.wheel import build_wheel

MODEL = "nvidia/Qwen3-30B-A3B-NVFP4"
"""An NVFP4 mixture of experts that a card of 32 GB holds."""
LINE = "NVFP4 W4A4 MoE on SM120: FLASHINFER_CUTEDSL_SM12X"
"""How the log says that the series is at work (patch 0008)."""


@app.command(
    "install", epilog="Example: python -m scripts install --venv env   (make install)"
)
def install_verb(
    venv: Annotated[
        Path, typer.Option(help="Folder of the environment; made if it is not there.")
    ] = Path("env"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come; install nothing.")
    ] = False,
    arch: Annotated[
        str, typer.Option(help="x86_64 or aarch64; this machine's if absent.")
    ] = platform.machine(),
) -> None:
    """Build the wheel, install it with all that it requires, then ask the doctor.

    The environment's own pip installs, or uv where it has none. PyTorch and CUDA's
    libraries are several gigabytes; a dry run brings what metadata it needs. A fault
    that the doctor finds exits 1.
    """
    from scripts.doctor.facts import look
    from scripts.upstream import lock as lockfile
    from scripts.wheel import install

    python = install.python_of(venv)
    at = Checkout()
    wheel = build_wheel(at, arch, Path("dist"))
    there = python.exists() and look(str(python)).vllm.get("version")
    pin = lockfile.load(at.lock)
    again = there == pin.local_version
    todo = install.plan(venv, wheel, again=again, dry_run=dry_run)
    if dry_run:
        for each in todo.commands:
            say("\n".join(found := install.would_come(each)))
            say(f"{len(found)} packages would come")
        real = install.plan(venv, wheel, again=again, dry_run=False)
        say(f"nothing was installed; make install VENV={venv} would run\n{real}")
        return
    install.carry_out(todo.commands)
    ok = diagnose(at, str(todo.python))
    say(f"\n{venv}/bin/vllm serve {MODEL}")
    say(f"its log says then: {LINE}")
    say(f"back to stock vLLM: {install.way_back(todo.python, pin.version)}")
    if not ok:
        raise typer.Exit(1)
