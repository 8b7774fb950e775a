# SPDX-License-Identifier: Apache-2.0
"""Fixtures that more than one test module uses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.upstream import index
from scripts.upstream.lock import Artifact, Lock
from tests.unit.package_index import Site, serve
from tests.unit.small import Small, message
from tests.unit.small_build import build
from tests.unit.small_files import SPDX
from tests.unit.small_installed import pip, wheel
from tests.unit.small_wheel import add_wheel
from tests.unit.upstream.fetched import DATA, NAME
from tests.unit.wheel.tampered import Case


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The hand-made upstream, made once a worker; use `small`."""
    return build(tmp_path_factory.mktemp("small") / "checkout")


@pytest.fixture
def small(small_template: Small, tmp_path: Path) -> Small:
    """A hand-made upstream with a series of three patches, yours to break.

    `.sdist`, `.lock`, `.lock_path`, `.patches`, `.root`, `.upstream_dir`; and
    `.repo` with `.commit`, `.edit` and `.export` to make further patches.
    """
    root = tmp_path / "checkout"
    shutil.copytree(small_template.root, root, symlinks=True)
    return Small(root)


# Wheels of it


@pytest.fixture
def base(small: Small) -> Path:
    """The hand-made upstream wheel, pinned in `small.lock`."""
    return add_wheel(small)


@pytest.fixture(scope="session")
def case(small_template: Small, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """One built wheel a worker; tests write to `copy` only."""
    root = tmp_path_factory.mktemp("verify")
    shutil.copytree(small_template.root, root / "checkout")
    return Case(Small(root / "checkout"), root)


# An installed vLLM


@pytest.fixture(scope="session")
def venv_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the hand-made vLLM, by pip, made once a worker."""
    home = tmp_path_factory.mktemp("env")
    env = [sys.executable, "-m", "venv", "--without-pip", str(home / "v")]
    subprocess.run(env, check=True)
    python = home / "v/bin/python"
    pip(python, "install", "--no-deps", "--no-index", str(wheel(home)))
    return home / "v"


@pytest.fixture
def venv(venv_template: Path, tmp_path: Path) -> Path:
    """Its copy, in a folder with a space; the interpreter finds its new home."""
    home = tmp_path / "an env"
    shutil.copytree(venv_template, home, symlinks=True)
    return home


@pytest.fixture(scope="session")
def series(
    small_template: Small, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lock, list[Patch]]:
    """The small series, and a patch that adds a package and deletes a file."""
    root = tmp_path_factory.mktemp("series") / "checkout"
    shutil.copytree(small_template.root, root, symlinks=True)
    small = Small(root)
    small.commit(
        message("kernels: add a package, drop an empty file"),
        {
            "vllm/sm12x/__init__.py": SPDX,
            "vllm/sm12x/moe.py": SPDX + "NAME = 'sm12x'\n",
            "vllm/utils/__init__.py": None,
        },
    )
    small.export()
    return small.lock, folder.load(small.patches)


# A package index


@pytest.fixture
def site() -> Iterator[Site]:
    """A package index on 127.0.0.1, empty."""
    with serve() as site:
        yield site


@pytest.fixture
def artifact(site: Site) -> Artifact:
    """The file that the index has."""
    return site.add(NAME, DATA)


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A machine with nothing set but an empty cache and the test's index."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith(("PIP_", "UV_", "UPSTR")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("SM12X_OFFLINE", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "BACKOFF", 0.0)
    if "site" in request.fixturenames:
        url = request.getfixturevalue("site").url
        monkeypatch.setenv("UPSTREAM_INDEX_URL", url)
