# SPDX-License-Identifier: Apache-2.0
"""A process that waits with all imported that vLLM stands on, and its work tree."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
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


class Warm:
    """A process that has imported what vLLM stands on, and a work tree for it."""

    def __init__(self, python: Path, git: Git, tree: Path) -> None:
        self.python, self.git, self.tree = python, git, tree

    def __enter__(self) -> Warm:
        self.process = subprocess.Popen(
            [self.python, PROGRAM],
            cwd=self.tree.parent,
            env=environment(self.tree),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def run(self, label: str, tree: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Put git's `tree` in place, and run the session that is asked for on it.

        Raises:
            Finding: The process is gone; `label` says for which session.
        """
        place(self.git, self.tree, tree)
        out = self.tree.with_name(f"{self.tree.name}.json")
        ours = {"tree": str(self.tree), "out": str(out), "limit": LIMIT}
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({**ours, **asked}) + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise Finding(
                "the process that runs the tests has ended",
                where=label,
                found=f"exit code {self.process.wait()}",
                next="run it again; what has ended is kept",
            )
        told: dict[str, Any] = json.loads(out.read_bytes())
        return told

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        # It has no session under way unless we were stopped.
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()
