# SPDX-License-Identifier: Apache-2.0
"""A process that waits with all imported that vLLM stands on, and its work tree."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scripts import IN_VLLM
from scripts.base import worktrees
from scripts.base.errors import Finding
from scripts.base.git import Git

PROGRAM = IN_VLLM / "warm_tests.py"
LIMIT = 900
"""Seconds of one session; a session of ours takes less than two minutes."""
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_TARGET_DEVICE": "cpu",
}


def place(git: Git, folder: Path, tree: str) -> None:
    """Let `folder` be a work tree that holds `tree` and nothing else."""
    if not (folder / ".git").exists():
        worktrees.add(git, folder, "refs/sm12x/base", files=False)
    at = Git(folder)
    # A run that was killed may have left the index locked.
    Path(at.text("rev-parse", "--git-path", "index.lock")).unlink(missing_ok=True)
    at.run("read-tree", "--reset", "-u", tree)
    at.run("clean", "--quiet", "--force", "-d", "-x")


def environment(tree: Path) -> dict[str, str]:
    """For a process that runs the tests of a work tree.

    Bytecode lies beside the work trees, whose files change from session to session: a
    file keeps it while its time and size stay. They share that of the packages, and
    whoever names another place has it there. It is written even where none may lie
    among sources: without it all packages are compiled at each start.
    """
    beside = {"PYTHONPYCACHEPREFIX": str(tree.with_name("pyc"))}
    made = beside | os.environ | SETTINGS
    made.pop("PYTHONDONTWRITEBYTECODE", None)
    return made


Tell = Callable[[Mapping[str, Any]], None]
"""Tells a process something."""
Hear = Callable[[str], str]
"""Hears its next line, given what that is about."""
Run = Callable[[str, str, Mapping[str, Any]], dict[str, Any]]
"""Label, git's id of a tree, and what is asked of it: how that session ended."""


@contextmanager
def talk(
    python: Path, program: Path, cwd: Path, tree: Path, stderr: int | None = None
) -> Iterator[tuple[Tell, Hear]]:
    """A program of in_vllm/ that reads JSON a line, and answers with lines.

    What it hears raises a Finding once the process is gone.
    """
    started = subprocess.Popen(
        [python, program],
        cwd=cwd,
        env=environment(tree),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    assert started.stdin and started.stdout
    stdin, stdout = started.stdin, started.stdout

    def tell(what: Mapping[str, Any]) -> None:
        stdin.write(json.dumps(what) + "\n")
        stdin.flush()

    def hear(about: str) -> str:
        if line := stdout.readline():
            return line
        raise Finding(
            f"the process of {program.name} has ended",
            where=about,
            found=f"exit code {started.wait()}",
            next="run it again; what has ended is kept",
        )

    try:
        yield tell, hear
    finally:
        with suppress(BrokenPipeError):
            stdin.close()
        # It has nothing under way unless we were stopped.
        started.terminate()
        started.wait()
        stdout.close()


@contextmanager
def warm(python: Path, git: Git, tree: Path) -> Iterator[Run]:
    """A process that has imported what vLLM stands on, and a work tree for it."""
    out = tree.with_name(f"{tree.name}.json")
    where = {"tree": str(tree), "out": str(out), "limit": LIMIT}
    quiet = subprocess.DEVNULL
    with talk(python, PROGRAM, tree.parent, tree, quiet) as (tell, hear):

        def run(label: str, wanted: str, asked: Mapping[str, Any]) -> dict[str, Any]:
            place(git, tree, wanted)
            tell({**where, **asked})
            assert hear(label) == "done\n", label
            told: dict[str, Any] = json.loads(out.read_bytes())
            return told

        yield run
