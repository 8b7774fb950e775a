# SPDX-License-Identifier: Apache-2.0
"""The source lane: tools are checked, and what is missing is named at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.base.errors import Unusable
from scripts.wheel import buildtools
from tests.unit.wheel.stand_ins import GOOD, fake_torch, site_of, tools

RUST = '[toolchain]\nchannel = "1.95"\n'
REQUIRES = """\
[build-system]
requires = [
    "cmake>=3.26.1",
    "ninja",
    "packaging>=24.2",
    "torch == 2.14.0",
    "no-such-package>=7",
]
[project]
requires-python = ">=3.11,<3.15"
"""


@pytest.fixture(scope="module")
def bare_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    venv = tmp_path_factory.mktemp("bare") / "v"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True
    )
    return venv


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As much of a source tree as the check reads."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/pyproject.toml").write_text(REQUIRES, encoding="utf-8")
    (tmp_path / "tree/rust-toolchain.toml").write_text(RUST, encoding="utf-8")
    return tmp_path / "tree"


def lacking(tree: Path, venv: Path, env: dict[str, str], device: str) -> list[str]:
    with pytest.raises(Unusable) as e:
        buildtools.require(tree, str(venv / "bin/python"), env, device)
    return str(e.value.found).splitlines()


def test_everything_missing_is_named_at_once(
    tree: Path, bare_venv: Path, tmp_path: Path
) -> None:
    env = tools(tmp_path / "bin", {})
    env["CUDA_HOME"] = str(tmp_path / "nowhere")
    found = lacking(tree, bare_venv, env, "cuda")
    assert [line.split(":")[0].removeprefix("Python package ") for line in found] == [
        "pip",
        "packaging",
        "torch",
        "no-such-package",
        "cmake",
        "ninja",
        f"{tmp_path}/nowhere/bin/nvcc",
        "g++",
        "git",
        "rustc",
        "cargo",
    ]
    assert "cmake: needs >=3.26.1, found none on PATH" in found


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("nvcc", "release 12.8, V12.8.93", "needs >=12.9, found 12.8"),
        ("cmake", "cmake version 3.25.1", "needs >=3.26.1, found 3.25.1"),
        ("g++", "11.2.0", "needs >=11.3, found 11.2.0"),
        ("rustc", "rustc 1.94.1 (x)", "needs >=1.95, found 1.94.1"),
        ("cargo", "no number", "does not say its version"),
    ],
)
def test_what_is_too_old_is_named(
    tree: Path, bare_venv: Path, tmp_path: Path, name: str, said: str, expected: str
) -> None:
    found = lacking(
        tree, bare_venv, tools(tmp_path / "bin", GOOD | {name: said}), "cuda"
    )
    programs = [line for line in found if not line.startswith("Python package")]
    assert len(programs) == 1
    assert name in programs[0] and expected in programs[0]


def test_program_that_fails_is_named_with_its_words(
    tree: Path, bare_venv: Path, tmp_path: Path
) -> None:
    env = tools(tmp_path / "bin", GOOD)
    script = "#!/bin/sh\necho 'toolchain 1.95 is not installed' >&2\nexit 1\n"
    (tmp_path / "bin/rustc").write_text(script, encoding="utf-8")
    assert any(
        "rustc" in line and "toolchain 1.95 is not installed" in line
        for line in lacking(tree, bare_venv, env, "cuda")
    )


@pytest.mark.parametrize(
    ("version", "cuda", "expected"),
    [
        ("2.13.0", "13.0", "torch: needs ==2.14.0, found 2.13.0"),
        ("2.14.0+cpu", None, "torch: needs a build for CUDA, found 2.14.0+cpu"),
        ("2.14.0+cu129", "12.9", "nvcc: needs CUDA 12.9, as torch, found 13.0"),
        ("2.14.0+cu130", "13.0", None),
    ],
)
def test_torch_is_the_pinned_one_for_cuda(
    tree: Path,
    tmp_path: Path,
    version: str,
    cuda: str | None,
    expected: str | None,
) -> None:
    venv = tmp_path / "v"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True
    )
    fake_torch(site_of(venv), version, cuda)
    found = lacking(tree, venv, tools(tmp_path / "bin", GOOD), "cuda")
    about = [line for line in found if "torch" in line]
    assert [expected in line for line in about] == ([True] if expected else [])  # type: ignore[operator]


def test_empty_device_needs_no_compiler(
    tree: Path, bare_venv: Path, tmp_path: Path
) -> None:
    found = lacking(tree, bare_venv, tools(tmp_path / "bin", {}), "empty")
    assert all(line.startswith("Python package") for line in found)
    assert "Python package torch: needs any version, found none" in found


def test_python_that_cannot_run(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be run"):
        buildtools.require(tree, str(tmp_path / "python"), {}, "cuda")
