# SPDX-License-Identifier: Apache-2.0
"""Patching an installed vLLM: what is kept, restored, and never overwritten."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.wheel.installed import patch_installed
from scripts.wheel.installed.find import Installed, alone
from scripts.wheel.installed.patch_installed import Status
from tests.unit.small_installed import (
    INFO,
    File,
    contents,
    installed,
    new_byte_code,
    snapshot,
)


@pytest.fixture
def at(venv_template: Path, tmp_path: Path) -> Installed:
    """An installed vLLM with byte code, as `find` gives it."""
    return installed(venv_template, tmp_path / "site")


def test_byte_code_goes_aside_and_comes_back(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    before = snapshot(at.site)
    patch_installed.patch(at, *series)
    assert not list((at.site / "vllm/config/__pycache__").glob("kernel.*"))
    assert list((at.site / "vllm/__pycache__").glob("__init__.*")), "not touched"
    kernel = (at.site / "vllm/config/kernel.py").stat()
    assert stat.S_IMODE(kernel.st_mode) == 0o640
    new_byte_code(at.site)
    patch_installed.unpatch(at)
    assert snapshot(at.site) == before


def test_without_hard_links(
    at: Installed, series: tuple[Lock, list[Patch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise PermissionError

    def rest(seen: dict[str, File | str | None]) -> dict[str, object]:
        return {k: v[:3] if isinstance(v, File) else v for k, v in seen.items()}

    monkeypatch.setattr(os, "link", no_link)
    before = rest(snapshot(at.site))
    patch_installed.patch(at, *series)
    patch_installed.unpatch(at)
    assert rest(snapshot(at.site)) == before


def test_shared_and_linked_files_are_never_written_to(
    at: Installed, series: tuple[Lock, list[Patch]], tmp_path: Path
) -> None:
    """uv installs hard links, or symbolic ones, into its cache."""
    cache = tmp_path / "cache"
    cache.mkdir()
    hard, soft = at.site / "vllm/config/kernel.py", at.site / "vllm/utils/flashinfer.py"
    os.link(hard, cache / "kernel.py")
    soft.rename(cache / "flashinfer.py")
    soft.symlink_to(cache / "flashinfer.py")
    before, shared = snapshot(at.site), contents(cache)
    patch_installed.patch(at, *series)
    assert contents(cache) == shared
    assert b"has_sm12x_moe" in soft.read_bytes() and not soft.is_symlink()
    patch_installed.unpatch(at)
    assert snapshot(at.site) == before
    assert contents(cache) == shared


def test_edited_file_stops_a_revert(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    before = snapshot(at.site)
    patch_installed.patch(at, *series)
    edited = at.site / "vllm/sm12x/moe.py"
    edited.write_bytes(edited.read_bytes() + b"# mine\n")
    patched = snapshot(at.site)
    for do in (
        lambda: patch_installed.unpatch(at),
        lambda: patch_installed.patch(at, *series),
    ):
        with pytest.raises(Finding, match="edited since") as e:
            do()
        assert "vllm/sm12x/moe.py" in str(e.value)
        assert snapshot(at.site) == patched
    patch_installed.unpatch(at, force=True)
    assert snapshot(at.site) == before


def test_edited_record_stops_a_revert(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    patch_installed.patch(at, *series)
    with (at.info / "RECORD").open("ab") as f:
        f.write(b"vllm/mine.py,,\r\n")
    with pytest.raises(Finding, match=f"{INFO}/RECORD"):
        patch_installed.unpatch(at)


def test_damaged_backup_stops_a_revert(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    patch_installed.patch(at, *series)
    (at.info / "sm12x/before/0000").write_bytes(b"")
    patched = snapshot(at.site)
    with pytest.raises(Finding, match="0000 of vllm/config/kernel"):
        patch_installed.unpatch(at, force=True)
    assert snapshot(at.site) == patched


def test_damaged_manifest_is_named(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    patch_installed.patch(at, *series)
    (at.info / "sm12x/manifest.json").write_bytes(b"{}")
    with pytest.raises(Finding, match=r"manifest\.json"):
        patch_installed.unpatch(at)


def test_full_disk_leaves_everything(
    at: Installed, series: tuple[Lock, list[Patch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(at.site)
    calls = 0
    real = os.fsync

    def full(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unusable, match="No space left"):
        patch_installed.patch(at, *series)
    assert snapshot(at.site) == before


def test_disk_error_in_a_revert_is_repaired(
    at: Installed, series: tuple[Lock, list[Patch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(at.site)
    patch_installed.patch(at, *series)

    def fail(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: fail(path))
    with pytest.raises(Unusable, match="Read-only file system"), alone(at):
        patch_installed.unpatch(at)
    monkeypatch.undo()
    assert snapshot(at.site) != before
    assert patch_installed.unpatch(at).repaired
    assert snapshot(at.site) == before


def test_users_file_in_a_new_folder_survives(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    patch_installed.patch(at, *series)
    (at.site / "vllm/sm12x/notes.txt").write_text("mine\n")
    assert patch_installed.unpatch(at).status is Status.REVERTED
    assert list((at.site / "vllm/sm12x").iterdir()) == [
        at.site / "vllm/sm12x/notes.txt"
    ]
