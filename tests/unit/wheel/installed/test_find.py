# SPDX-License-Identifier: Apache-2.0
"""Where an installed vLLM's files really lie: links, user sites, byte code apart."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from scripts.base.errors import Unusable
from scripts.doctor import facts
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.wheel.install import way_back
from scripts.wheel.installed import patch_installed
from scripts.wheel.installed.patch_installed import Status
from tests.unit.small_files import VERSION
from tests.unit.small_installed import (
    INFO,
    pip,
    python_of,
    site_of,
    snapshot,
    wheel,
)

Series = tuple[Lock, list[Patch]]
KERNEL = "vllm/config/kernel.py"


def move_out(path: Path, to: Path) -> None:
    """Put a folder elsewhere, with a link in its place."""
    to.parent.mkdir(parents=True, exist_ok=True)
    path.rename(to)
    path.symlink_to(to)


@pytest.mark.parametrize("name", ["vllm", "vllm/config", INFO, ""])
def test_a_shared_folder_is_refused(
    name: str, venv: Path, series: Series, tmp_path: Path
) -> None:
    """As a package cache has it that links folders."""
    move_out(site_of(venv) / name, tmp_path / "cache/shared")
    before = snapshot(tmp_path / "cache")
    with pytest.raises(Unusable, match="lies outside the environment") as e:
        patch_installed.patch_installed(python_of(venv), *series)
    assert str(tmp_path / "cache/shared") in str(e.value.found)
    assert snapshot(tmp_path / "cache") == before


def test_a_folder_shared_since_is_not_reverted(
    venv: Path, series: Series, tmp_path: Path
) -> None:
    patch_installed.patch_installed(python_of(venv), *series)
    move_out(site_of(venv) / "vllm/config", tmp_path / "cache/config")
    before = snapshot(tmp_path / "cache")
    with pytest.raises(Unusable, match="lies outside the environment"):
        patch_installed.revert(python_of(venv))
    assert snapshot(tmp_path / "cache") == before


def test_a_link_within_the_environment_is_no_matter(venv: Path, series: Series) -> None:
    move_out(site_of(venv) / "vllm/config", site_of(venv) / "vllm/_config")
    report = patch_installed.patch_installed(python_of(venv), *series)
    assert report.status is Status.PATCHED


@pytest.mark.parametrize("name", [KERNEL, f"{INFO}/RECORD"])
def test_a_relative_link_comes_back(name: str, venv: Path, series: Series) -> None:
    file = site_of(venv) / name
    file.rename(file.with_name("beside"))
    file.symlink_to("beside")
    before = snapshot(site_of(venv))
    report = patch_installed.patch_installed(python_of(venv), *series)
    assert report.status is Status.PATCHED
    assert not file.is_symlink()
    again = patch_installed.patch_installed(python_of(venv), *series)
    assert again.status is Status.ALREADY
    assert patch_installed.revert(python_of(venv)).status is Status.REVERTED
    assert snapshot(site_of(venv)) == before


def test_the_forks_own_wheel_is_not_reverted(tmp_path: Path, venv: Path) -> None:
    built = wheel(tmp_path, f"{VERSION}+sm12x.1")
    pip(venv / "bin/python", "install", "--no-deps", "--no-index", str(built))
    before = snapshot(site_of(venv))
    with pytest.raises(Unusable, match="the fork's own wheel") as e:
        patch_installed.revert(python_of(venv))
    assert str(e.value.next).endswith(way_back(venv / "bin/python", VERSION))
    assert snapshot(site_of(venv)) == before


def test_no_metadata_is_called_so(venv: Path, series: Series) -> None:
    (site_of(venv) / INFO / "METADATA").unlink()
    with pytest.raises(Unusable, match="METADATA is gone") as e:
        patch_installed.patch_installed(python_of(venv), *series)
    assert "editable" not in str(e.value)


def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """`pip install --target`, found by PYTHONPATH."""
    python = bare(tmp_path / "v")
    site = tmp_path / "target"
    install(python, tmp_path, "--target", str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    return python, site


def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The user's own site folder, as an environment sees it that is no closed one."""
    python = bare(tmp_path / "v", "--system-site-packages")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "home"))
    said = subprocess.run(
        [python, "-c", "import site; print(site.getusersitepackages())"],
        check=True,
        capture_output=True,
        text=True,
    )
    site = Path(said.stdout.strip())
    install(python, tmp_path, "--target", str(site))
    return python, site


def bare(home: Path, *options: str) -> Path:
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", *options, home], check=True
    )
    return home / "bin/python"


def install(python: Path, tmp_path: Path, *more: str) -> None:
    built = wheel(tmp_path)
    pip(python, "install", "--no-deps", "--no-index", *more, str(built))


@pytest.mark.parametrize("place", [target, user])
def test_both_see_what_vllm_would_be_started_from(
    place: Callable[[Path, pytest.MonkeyPatch], tuple[Path, Path]],
    tmp_path: Path,
    series: Series,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python, site = place(tmp_path, monkeypatch)
    assert facts.look(str(python)).vllm["site"] == str(site)
    report = patch_installed.patch_installed(str(python), *series)
    assert (report.status, report.site) == (Status.PATCHED, site)
    seen = facts.look(str(python)).vllm
    assert seen["in_place"] == f"{VERSION}+sm12x.1"
    assert patch_installed.revert(str(python)).status is Status.REVERTED


def test_the_current_folder_is_not_looked_at(
    venv: Path, series: Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here/vllm").mkdir(parents=True)
    (tmp_path / "here/vllm/__init__.py").touch()
    (tmp_path / "here/json.py").write_text("raise SystemExit('not me')\n")
    monkeypatch.chdir(tmp_path / "here")
    report = patch_installed.patch_installed(python_of(venv), *series)
    assert report.site == site_of(venv)


def compiled(source: Path, prefix: Path) -> None:
    """Byte code of a module that no date or size would give away (PEP 552)."""
    old, sys.pycache_prefix = sys.pycache_prefix, str(prefix)
    try:
        cache = cache_from_source(str(source))
    finally:
        sys.pycache_prefix = old
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), cache, invalidation_mode=mode, doraise=True)
    assert Path(cache).is_relative_to(prefix)


def names(python: str) -> str:
    """What is imported, in the settings that are in force."""
    code = "import vllm.config.kernel as k; print(k.MoEBackend)"
    done = subprocess.run(
        [python, "-c", code], env=os.environ, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_stale_byte_code_elsewhere_cannot_win(
    venv: Path, series: Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "pycache"
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(prefix))
    python, source = python_of(venv), site_of(venv) / KERNEL
    compiled(source, prefix)
    assert "sm12x" not in names(python)
    patch_installed.patch_installed(python, *series)
    assert "sm12x" in names(python)
    compiled(source, prefix)
    patch_installed.revert(python)
    assert "sm12x" not in names(python)


def test_stale_byte_code_under_the_other_name_of_a_link(
    venv: Path, series: Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "pycache"
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(prefix))
    other = tmp_path / "opt"
    other.symlink_to(venv)
    compiled(site_of(other) / KERNEL, prefix)
    assert "sm12x" not in names(python_of(other))
    patch_installed.patch_installed(python_of(venv), *series)
    assert "sm12x" in names(python_of(other))


def test_stale_byte_code_is_found_by_a_second_run(
    venv: Path, series: Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one had not the setting that vLLM is started with."""
    prefix = tmp_path / "pycache"
    python = python_of(venv)
    compiled(site_of(venv) / KERNEL, prefix)
    patch_installed.patch_installed(python, *series)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(prefix))
    assert "sm12x" not in names(python)
    report = patch_installed.patch_installed(python, *series)
    assert report.status is Status.ALREADY
    assert "sm12x" in names(python)
