# SPDX-License-Identifier: Apache-2.0
"""Patching an installed vLLM: what is refused before anything is written."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.base.errors import Finding, ForkError, Unusable
from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.wheel.installed import patch_installed
from scripts.wheel.installed.find import Installed, alone
from tests.unit.small import Small, message
from tests.unit.small_files import VERSION
from tests.unit.small_installed import (
    INFO,
    installed,
    pip,
    python_of,
    site_of,
    snapshot,
    wheel,
)


@pytest.fixture
def at(venv_template: Path, tmp_path: Path) -> Installed:
    """An installed vLLM with byte code, as `find` gives it."""
    return installed(venv_template, tmp_path / "site")


def refused(venv: Path, series: tuple[Lock, list[Patch]], kind: type[ForkError]) -> str:
    before = snapshot(site_of(venv))
    with pytest.raises(kind) as e:
        patch_installed.patch_installed(python_of(venv), *series)
    assert type(e.value) is kind
    assert snapshot(site_of(venv)) == before
    return str(e.value)


def test_every_file_that_differs_is_named(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    site = site_of(venv)
    (site / "vllm/sm12x").mkdir()
    (site / "vllm/sm12x/moe.py").write_text("mine\n")
    (site / "vllm/config/kernel.py").write_text("other\n")
    (site / "vllm/utils/flashinfer.py").unlink()
    text = refused(venv, series, Finding)
    for name in ("config/kernel.py", "sm12x/moe.py", "utils/flashinfer.py"):
        assert f"vllm/{name}: " in text
    assert "3 of 5 files" in text


def test_other_version_is_refused(venv: Path, series: tuple[Lock, list[Patch]]) -> None:
    lock, patches = series
    other = replace(lock, version="1.2.4")
    assert "not the pinned one" in refused(venv, (other, patches), Unusable)


def test_own_wheel_is_refused(
    tmp_path: Path, venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    built = wheel(tmp_path, f"{VERSION}+sm12x.1")
    pip(venv / "bin/python", "install", "--no-deps", "--no-index", str(built))
    assert "the fork's own wheel" in refused(venv, series, Unusable)


def test_no_vllm_is_refused(venv: Path, series: tuple[Lock, list[Patch]]) -> None:
    pip(venv / "bin/python", "uninstall", "-y", "vllm")
    assert "there is no vLLM" in refused(venv, series, Unusable)


def test_editable_install_is_refused(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    said = {"url": "file:///x", "dir_info": {"editable": True}}
    (site_of(venv) / INFO / "direct_url.json").write_text(json.dumps(said))
    assert "editable" in refused(venv, series, Unusable)


def test_what_no_installer_put_there_is_not_called_editable(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    """As `setup.py install` of old left it."""
    info = site_of(venv) / INFO
    (info / "METADATA").rename(info / "PKG-INFO")
    info.rename(info.with_suffix(".egg-info"))
    said = refused(venv, series, Unusable)
    assert "no installer put it there" in said and "editable" not in said


def test_shadowed_install_is_refused(
    tmp_path: Path, venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    (tmp_path / "src/vllm").mkdir(parents=True)
    (tmp_path / "src/vllm/__init__.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'src')!r})\n"
    (site_of(venv) / "dev.pth").write_text(code)
    assert "another vllm shadows it" in refused(venv, series, Unusable)


def test_missing_record_is_refused(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    (site_of(venv) / INFO / "RECORD").unlink()
    assert "no RECORD" in refused(venv, series, Unusable)


@pytest.mark.parametrize("python", ["/nowhere/python", "/", "no-such-python"])
def test_python_that_cannot_run(python: str, series: tuple[Lock, list[Patch]]) -> None:
    with pytest.raises(Unusable, match="cannot be run"):
        patch_installed.patch_installed(python, *series)


def test_python_that_fails(tmp_path: Path, series: tuple[Lock, list[Patch]]) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(Unusable, match="broken"):
        patch_installed.patch_installed(str(script), *series)


def test_source_lane_is_refused(venv: Path, small: Small) -> None:
    small.edit(message("csrc: thrice"), "csrc/x.cu", "*x *= 2", "*x *= 3")
    small.export()
    series = small.lock, folder.load(small.patches)
    assert "csrc/x.cu" in refused(venv, series, Finding)


def test_two_runs_at_once(venv: Path, series: tuple[Lock, list[Patch]]) -> None:
    site = site_of(venv)
    with alone(Installed(site, site / INFO, VERSION)):
        assert "another run" in refused(venv, series, Unusable)


def test_read_only_is_refused_before_a_write(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        site = Path(name) / "site"
        shutil.copytree(at.site, site)
        for path in [site, *site.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        (site / INFO).chmod(0o777)  # what is written first is not what is checked
        before = snapshot(site)
        pid = os.fork()
        if pid == 0:
            if os.getuid() == 0:
                os.setuid(65534)  # root may write anywhere
            try:
                patch_installed.patch(Installed(site, site / INFO, VERSION), *series)
            except Unusable as e:
                os._exit(7 if "vllm/config" in str(e) else 8)
            except BaseException:
                os._exit(9)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert snapshot(site) == before
        for path in [site, *site.rglob("*")]:
            path.chmod(0o755)
