# SPDX-License-Identifier: Apache-2.0
"""The Containerfile: linted, its steps run here, one by one, in a fresh environment."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from scripts import ROOT
from scripts.upstream import lock as lockfile
from tests.unit.small import Small
from tests.unit.small_installed import pip, site_of, wheel

PATH = ROOT / "Containerfile"
TEXT = PATH.read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """Instruction and value, continued lines joined, comments left out."""
    parser = DockerfileParser(fileobj=io.BytesIO(TEXT.encode()))
    found = [(x["instruction"], x["value"]) for x in parser.structure]
    return [(name, value) for name, value in found if name != "COMMENT"]


def test_it_stands_on_the_pinned_image() -> None:
    args = [value for name, value in instructions() if name == "ARG"]
    assert args[0] == f"BASE=vllm/vllm-openai:{lockfile.load().tag}"
    # Nobody here has seen the image, so no digest of it may stand here.
    assert not re.search(r"sha256:[0-9a-f]", TEXT)


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.prefix) / "bin/hadolint"
    done = subprocess.run(
        [hadolint, "--no-color", PATH], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    # And would find something.
    bad = subprocess.run(
        [hadolint, "-"], input="FROM debian\n", capture_output=True, text=True
    )
    assert bad.returncode == 1
    assert "DL3006" in bad.stdout


def test_the_context_is_what_is_copied() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = {
        source
        for name, value in instructions()
        if name == "COPY"
        for source in value.split()[:-1]
    }
    assert "*" in ignore
    assert kept == copied


def build(context: Path, root: Path, python: Path) -> list[str]:
    """Do what the file says: copy and run, with TOOLS and PYTHON set anew.

    Returns:
        What each RUN printed.
    """
    env: dict[str, str] = {}
    given = {"TOOLS": str(root / "opt/vllm-sm12x"), "PYTHON": str(python)}
    said = []
    for name, value in instructions():
        if name == "ARG":
            key, _, default = value.partition("=")
            env[key] = given.get(key, default)
        elif name == "COPY":
            *sources, target = value.replace("${TOOLS}", env["TOOLS"]).split()
            for source in sources:
                copy(context / source, Path(target), target.endswith("/"))
        elif name == "RUN":
            done = subprocess.run(
                ["/bin/sh", "-c", value],
                cwd="/",
                env=os.environ | env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert done.returncode == 0, done.stdout
            said.append(done.stdout)
        else:
            assert name == "FROM"
    return said


def copy(source: Path, target: Path, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        assert into
        shutil.copy(source, target / source.name)


def context(root: Path, lock: Path, patches: Path) -> Path:
    """What the build is given: this checkout's tools, and a series."""
    root.mkdir()
    for name in ("scripts", "requirements", "records"):
        (root / name).symlink_to(ROOT / name)
    (root / "upstream.lock").symlink_to(lock)
    (root / "patches").symlink_to(patches)
    return root


def contents(site: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(site)): p.read_bytes()
        for p in site.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }


def fresh(root: Path, wheel: Path) -> Path:
    """An environment with this vLLM and nothing else; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True)
    python = root / "bin/python"
    pip(python, "install", "--no-deps", "--no-index", "--no-compile", str(wheel))
    return python


@pytest.mark.slow
def test_its_steps_on_a_hand_made_vllm(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    given = context(tmp_path / "context", small.lock_path, small.patches)
    python = fresh(tmp_path / "image", wheel(tmp_path))
    site = site_of(tmp_path / "image")
    before = contents(site)
    said = build(given, tmp_path, python)
    assert said[-2].startswith("patched vLLM 1.2.3 to 1.2.3+sm12x.1: 2 files")
    kernel = "vllm/config/kernel.py"
    assert (site / kernel).read_bytes() == (small.repo / kernel).read_bytes()
    # Nothing beside vLLM, and out again with the tools that lie in the image.
    tools = tmp_path / "opt/vllm-sm12x"
    subprocess.run(
        [
            *(tools / "venv/bin/python", "-m", "scripts", "patch-installed"),
            *("--python", str(python), "--revert"),
        ],
        cwd=tools,
        check=True,
    )
    assert contents(site) == before
