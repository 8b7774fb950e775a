# SPDX-License-Identifier: Apache-2.0
"""The real pinned upstream, with and without the series, on a CPU."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts import IN_VLLM, ROOT
from scripts.base import worktrees
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.series import folder
from scripts.series.apply import Wanted, apply
from scripts.upstream import lock as lockfile
from scripts.upstream.environments import cpu_python, flashinfer_python
from scripts.upstream.fetch import obtain
from scripts.wheel.overlay import build
from tests.warm import warm

# Its modules import vLLM; test_on_cpu.py runs them.
collect_ignore = ["in_vllm"]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """This checkout's lock and series, with a `build/` of its own."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "upstream.lock").write_bytes((ROOT / "upstream.lock").read_bytes())
    (root / "patches").symlink_to(ROOT / "patches")
    return Checkout(root)


@pytest.fixture(scope="session")
def patched_tree(checkout: Checkout) -> Path:
    """The real upstream with the whole series, as `make apply` makes it."""
    return apply(Wanted(checkout)).path


@pytest.fixture(scope="session")
def unpatched_tree(
    patched_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The pinned upstream, beside the patched one."""
    tree = tmp_path_factory.mktemp("unpatched") / "vllm"
    git = Git(patched_tree)
    worktrees.add(git, tree, "refs/sm12x/base")
    yield tree
    git.run("worktree", "remove", "--force", str(tree))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The overlay wheel for x86_64, as `make wheel` makes it."""
    lock = lockfile.load()
    out = tmp_path_factory.mktemp("dist")
    sdist = lock.sdist
    base = obtain(lock.wheel("x86_64"))
    return build(lock, folder.load(), base, out, sdist=lambda: obtain(sdist))


SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "VLLM_TARGET_DEVICE": "cpu",
}
"""Of every process that imports vLLM."""


def runner(python: Path) -> Run:
    """Run this interpreter; the result's output is text."""

    def run(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), *args],
            cwd=cwd,
            env=os.environ | SETTINGS | env,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def run_cpu() -> Run:
    """Run the CPU environment's Python."""
    return runner(cpu_python())


@pytest.fixture(scope="session")
def warm_python() -> Iterator[Path]:
    """The Python of the environment that has FlashInfer as well, PyTorch imported.

    For whatever asks vLLM and not how an interpreter starts.
    """
    code = f"import sys; sys.path.append({str(IN_VLLM)!r})"
    code += "; import warm_tests; warm_tests.warm(); sys.path.pop()"
    with warm(flashinfer_python(), code, SETTINGS) as program:
        yield program


@pytest.fixture(scope="session")
def run_flashinfer(warm_python: Path) -> Run:
    """Run it."""
    return runner(warm_python)
