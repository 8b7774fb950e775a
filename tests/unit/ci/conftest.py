# SPDX-License-Identifier: Apache-2.0
"""The bot's surroundings: small, and all of them real but the forge's network."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.unit.ci import fake_gh_path
from tests.unit.ci.fake_forge import World
from tests.unit.conftest import machine, site, small, small_template
from tests.unit.package_index import Site
from tests.unit.small import Small, git

__all__ = ["machine", "site", "small", "small_template"]


@pytest.fixture
def world(
    small: Small,
    site: Site,
    machine: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """The small series in a repository with a remote; nothing new on the index."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    (small.root / ".gitignore").write_text("/build\n/upstream\n/author\n")
    git(small.root, "init", "-q", "-b", "main")
    git(small.root, "add", "-A")
    git(small.root, "commit", "-q", "-m", "the small series")
    git(small.root, "remote", "add", "origin", str(remote))
    git(small.root, "push", "-q", "origin", "main")
    state = tmp_path / "forge.json"
    empty = {name: [] for name in ("pulls", "issues", "labels", "calls")}
    state.write_text(json.dumps(empty | {"remote": str(remote)}), encoding="utf-8")
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "gh"
    # Without the environment's packages, of which it needs none: it starts often.
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -IS "{fake_gh_path}" "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_GH", str(state))
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    assert shutil.which("gh") == str(program)
    return World(small, site, remote, state)
