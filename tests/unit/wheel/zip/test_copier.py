# SPDX-License-Identifier: Apache-2.0
"""Raw zip copying, held against the standard library's zipfile."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.wheel.zip import copier, reader
from scripts.wheel.zip.copier import Keep, Put
from tests.unit.wheel.zip.archives import pack


def copy(source: Path, entries: list[Keep | Put], to: Path) -> Path:
    """Write to a file and read it back by zipfile, CRCs included."""
    with to.open("wb") as f:
        size = copier.write(reader.read(source), entries, f, 1_000_000_001)
    assert size == to.stat().st_size
    with zipfile.ZipFile(to) as z:
        assert z.testzip() is None
    return to


def keep(source: Path) -> list[Keep | Put]:
    """All members of an archive as they stand."""
    return [Keep(m, m.name) for m in reader.read(source).members]


def test_all_kept_is_the_same_file(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip")
    same = copy(source, keep(source), tmp_path / "b.zip")
    assert same.read_bytes() == source.read_bytes()


def test_rename_replace_drop_and_add(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip")
    one, two, _, empty = reader.read(source).members
    made = copy(
        source,
        [
            Keep(empty, "empty"),
            Put("new \u00e9.txt", b"n" * 300_000, 0o100755),
            Keep(one, "a+1/one.txt"),
            Keep(two, "a/two.txt"),
        ],
        tmp_path / "b.zip",
    )
    with zipfile.ZipFile(made) as z:
        assert z.namelist() == ["empty", "new \u00e9.txt", "a+1/one.txt", "a/two.txt"]
        assert z.read("a+1/one.txt") == b"one " * 500
        new = z.getinfo("new \u00e9.txt")
        assert new.compress_type == zipfile.ZIP_STORED
        assert new.external_attr >> 16 == 0o100755
        # 2001-09-09 01:46:41 UTC, in steps of two seconds
        assert new.date_time == (2001, 9, 9, 1, 46, 40)
        assert new.create_system == 3
        assert z.getinfo("a+1/one.txt").compress_size == one.packed
    assert reader.read(made).members[2].crc == one.crc


def test_copy_without_the_kernels_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*args: object) -> int:
        raise OSError(errno.EXDEV, "two file systems")

    monkeypatch.setattr(os, "copy_file_range", cannot)
    source = pack(tmp_path / "a.zip")
    same = copy(source, keep(source), tmp_path / "b.zip")
    assert same.read_bytes() == source.read_bytes()


def test_other_errors_of_the_kernel_are_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "copy_file_range", full)
    source = pack(tmp_path / "a.zip")
    with pytest.raises(OSError, match="full"):
        copy(source, keep(source), tmp_path / "b.zip")


def test_source_that_becomes_shorter(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip")
    entries = keep(source)
    archive = reader.read(source)
    os.truncate(source, 100)
    with (tmp_path / "b.zip").open("wb") as f, pytest.raises(OSError, match="shorter"):
        copier.write(archive, entries, f, 1_000_000_000)


def test_result_beyond_plain_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copier, "LIMIT", 5000)
    source = pack(tmp_path / "a.zip")
    with pytest.raises(Finding, match="would need zip64"):
        copy(source, keep(source), tmp_path / "b.zip")
