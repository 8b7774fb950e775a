# SPDX-License-Identifier: Apache-2.0
"""Patching an installed vLLM: the whole way, with a real Python and a real pip."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.upstream import fetch
from scripts.upstream import lock as lock_file
from scripts.upstream.lock import Lock
from scripts.wheel.installed import patch_installed
from scripts.wheel.installed.patch_installed import Status
from scripts.wheel.metadata import read_record, row
from scripts.wheel.record import edit_record
from tests.unit.small_files import VERSION, upstream
from tests.unit.small_installed import INFO, pip, python_of, site_of, snapshot, wheel


def test_patch_and_revert_are_exact(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    python, site = python_of(venv), site_of(venv)
    before = snapshot(site)
    report = patch_installed.patch_installed(python, *series)
    assert report.status is Status.PATCHED
    assert set(report.files) == {
        "vllm/config/kernel.py",
        "vllm/utils/flashinfer.py",
        "vllm/utils/__init__.py",
        "vllm/sm12x/__init__.py",
        "vllm/sm12x/moe.py",
    }
    assert "tests/utils/test_probe.py" in report.left_out
    assert not (site / "tests").exists()
    said = subprocess.run(
        [python, "-c", "import vllm.sm12x.moe, vllm.config.kernel"],
        capture_output=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
    )
    assert said.returncode == 0, said.stderr
    assert (site / "vllm/sm12x/__pycache__").is_dir()
    assert b'"sm12x"' in (site / "vllm/config/kernel.py").read_bytes()
    report = patch_installed.revert(python)
    assert (report.status, report.repaired) == (Status.REVERTED, False)
    subprocess.run([python, "-c", "import vllm.config.kernel"], check=True)
    after = snapshot(site)
    assert {k: v for k, v in after.items() if "__pycache__" not in k} == {
        k: v for k, v in before.items() if "__pycache__" not in k
    }
    assert patch_installed.revert(python).status is Status.CLEAN


def test_record_is_right_and_uninstall_leaves_nothing(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    python, site = python_of(venv), site_of(venv)
    ends = (site / INFO / "RECORD").read_bytes().count(b"\r\n")
    assert ends, "pip ends the lines of RECORD with CR LF"
    patch_installed.patch_installed(python, *series)
    data = (site / INFO / "RECORD").read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > ends
    rows = read_record(data, "RECORD")
    for r in rows:
        if r.hash:
            assert row(r.name, (site / r.name).read_bytes()) == r
    on_disk = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    named = {r.name for r in rows}
    assert {p for p in on_disk if not p.endswith(".pyc")} <= named
    assert {p for p in named - on_disk if not p.endswith(".pyc")} == set()
    pip(Path(python), "uninstall", "-y", "vllm")
    assert not list(site.glob("vllm*"))


def test_manifest_names_the_patches(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    lock, patches = series
    patch_installed.patch_installed(python_of(venv), lock, patches)
    manifest = json.loads((site_of(venv) / INFO / "sm12x/manifest.json").read_bytes())
    assert manifest["fork"] == lock.local_version
    assert [p[:2] for p in manifest["patches"]] == [[p.name, p.sha256] for p in patches]
    changes = {c["path"]: c for c in manifest["changes"]}
    kernel = upstream()["vllm/config/kernel.py"]
    assert changes["vllm/config/kernel.py"]["before"]["sha256"] == (
        sha256(kernel).hexdigest()
    )


def test_second_patch_does_nothing(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    patch_installed.patch_installed(python_of(venv), *series)
    before = snapshot(site_of(venv))
    report = patch_installed.patch_installed(python_of(venv), *series)
    assert report.status is Status.ALREADY
    assert "nothing to do" in str(report)
    assert snapshot(site_of(venv)) == before


def test_other_series_is_refused(venv: Path, series: tuple[Lock, list[Patch]]) -> None:
    lock, patches = series
    patch_installed.patch_installed(python_of(venv), lock, patches[:1])
    before = snapshot(site_of(venv))
    with pytest.raises(Finding, match="another series") as e:
        patch_installed.patch_installed(python_of(venv), lock, patches)
    assert "REVERT=1" in str(e.value)
    assert snapshot(site_of(venv)) == before


def test_local_version_of_another_builder_is_taken(
    tmp_path: Path, venv_template: Path, series: tuple[Lock, list[Patch]]
) -> None:
    home = tmp_path / "v"
    shutil.copytree(venv_template, home, symlinks=True)
    built = wheel(tmp_path, f"{VERSION}+cu129")
    pip(home / "bin/python", "install", "--no-deps", "--no-index", str(built))
    report = patch_installed.patch_installed(python_of(home), *series)
    assert (report.status, report.version) == (Status.PATCHED, f"{VERSION}+cu129")


# -- RECORD, and the real thing -----------------------------------------------


def test_record_rows_stay_csv() -> None:
    before = b'vllm/a.py,sha256=x,1\r\n"vllm/b,c.py",,\r\nvllm/d.py,,\r\n'
    rows = {'vllm/q"r,s.py': ("ff" * 32, 5), "vllm/b,c.py": ("00" * 32, 0)}
    after = edit_record(before, {**rows, "vllm/d.py": None})
    assert after.startswith(b"vllm/a.py,sha256=x,1\r\n")
    parsed = list(csv.reader(after.decode().splitlines()))
    assert [r[0] for r in parsed] == ["vllm/a.py", "vllm/b,c.py", 'vllm/q"r,s.py']
    assert parsed[2][2] == "5"


@pytest.mark.upstream
def test_real_wheel(tmp_path: Path) -> None:
    lock = lock_file.load()
    patches = folder.load()
    path = fetch.obtain(lock.wheel(os.uname().machine))
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")], check=True
    )
    python = tmp_path / "v/bin/python"
    pip(python, "install", "--no-deps", "--no-index", "--no-compile", str(path))
    site = site_of(tmp_path / "v")

    def seen() -> dict[str, tuple[int, int, int]]:
        return {
            str(p.relative_to(site)): (
                p.stat().st_size,
                p.stat().st_mtime_ns,
                p.stat().st_ino,
            )
            for p in site.rglob("*")
            if p.is_file()
        }

    before = seen()
    start = time.perf_counter()
    report = patch_installed.patch_installed(str(python), lock, patches)
    took = time.perf_counter() - start
    assert report.status is Status.PATCHED and report.files
    changed = {k for k, v in seen().items() if before.get(k) != v}
    info = f"vllm-{lock.version}.dist-info"
    own = {k for k in changed if not k.startswith(info)} | {f"{info}/METADATA"}
    assert own == set(report.files) <= changed
    again = patch_installed.patch_installed(str(python), lock, patches)
    assert again.status is Status.ALREADY
    assert patch_installed.revert(str(python)).status is Status.REVERTED
    assert seen() == before
    assert took < 5, "a fraction of an install, on a busy machine too"
