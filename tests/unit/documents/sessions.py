# SPDX-License-Identifier: Apache-2.0
"""A clone of the hand-made project, in which a page's sessions are typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import ROOT
from tests.unit.release.shop import LOG
from tests.unit.series.check.planted import renew_table
from tests.unit.small import Small, git

_IGNORED = "/build/\n/dist/\n/.venv/\n__pycache__/\n.ruff_cache/\n.pytest_cache/\n"
_SESSION = re.compile(r"^<!-- session: (\w+) -->\n```sh\n(.*?)^```", re.M | re.S)


def sessions(text: str) -> dict[str, str]:
    """The sessions of a page by name.

    >>> sessions("<!-- session: a -->\\n```sh\\nmake apply\\n```\\n")
    {'a': 'make apply\\n'}
    """
    return dict(_SESSION.findall(text))


def clone(small: Small, root: Path) -> Path:
    """A committed checkout with these tools and the small series."""
    renew_table(small)
    root.mkdir()
    shutil.copy2(ROOT / "Makefile", root / "Makefile")
    shutil.copytree(ROOT / "requirements", root / "requirements")
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=left_out)
    shutil.copytree(small.patches, root / "patches")
    shutil.copy2(small.lock_path, root / "upstream.lock")
    (root / "CHANGELOG.md").write_text(LOG, encoding="utf-8")
    (root / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    # make looks whether these are there and newer than the requirements.
    python = root / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    program(python, f'exec "{sys.executable}" "$@"')
    for name in (".tools", ".page", ".maintainer"):
        (root / ".venv" / name).touch()
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "start")
    return root


def program(path: Path, body: str) -> Path:
    """Write a shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def typed(text: str, root: Path, **env: str) -> str:
    """Run a session as a person at a prompt would; what was printed.

    A command that fails ends it, and the test.
    """
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "GIT_", "MFL"))
    }
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        clean |= {f"GIT_{who}_NAME": "Ada", f"GIT_{who}_EMAIL": "ada@example.org"}
    done = subprocess.run(
        ["sh", "-euc", text],
        cwd=root,
        env=clean | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
