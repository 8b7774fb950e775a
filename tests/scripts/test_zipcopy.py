# SPDX-License-Identifier: Apache-2.0
"""Raw zip reading and copying, held against the standard library's zipfile."""

from __future__ import annotations

import errno
import io
import os
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.errors import Finding
from scripts.wheel import zipcopy, zipread
from scripts.wheel.zipcopy import Keep, Put

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


def pack(path: Path) -> Path:
    """An archive of four members, the second stored."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a/one.txt", b"one " * 500)
        z.writestr("a/two.txt", b"two", zipfile.ZIP_STORED)
        z.writestr("b,c/three.txt", os.urandom(5000))
        z.writestr("empty", b"")
    return path


def copy(source: Path, entries: list[Keep | Put], to: Path) -> Path:
    """Write to a file and read it back by zipfile, CRCs included."""
    with to.open("wb") as f:
        size = zipcopy.write(zipread.read(source), entries, f, 1_000_000_001)
    assert size == to.stat().st_size
    with zipfile.ZipFile(to) as z:
        assert z.testzip() is None
    return to


def keep(source: Path) -> list[Keep | Put]:
    """All members of an archive as they stand."""
    return [Keep(m, m.name) for m in zipread.read(source).members]


def test_all_kept_is_the_same_file(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip")
    same = copy(source, keep(source), tmp_path / "b.zip")
    assert same.read_bytes() == source.read_bytes()


def test_rename_replace_drop_and_add(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip")
    one, two, _, empty = zipread.read(source).members
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
    assert zipread.read(made).members[2].crc == one.crc


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
    archive = zipread.read(source)
    os.truncate(source, 100)
    with (tmp_path / "b.zip").open("wb") as f, pytest.raises(OSError, match="shorter"):
        zipcopy.write(archive, entries, f, 1_000_000_000)


def refused(path: Path, words: str) -> None:
    """Assert that reading fails with these words and names the file."""
    with pytest.raises(Finding, match=words) as e:
        zipread.read(path)
    assert str(path) in str(e.value.where)


def altered(path: Path, at: int, data: bytes) -> Path:
    """The archive with some bytes overwritten."""
    old = path.read_bytes()
    path.write_bytes(old[:at] + data + old[at + len(data) :])
    return path


def central(path: Path, name: bytes) -> int:
    """Where a member's entry in the directory starts."""
    return path.read_bytes().rindex(name) - 46


@pytest.mark.parametrize(
    "name",
    ["/etc/x.txt", "../ne.txt", "a/../x.tt", "a\\one.tx", "a//ne.txt", "a/./e.txt"],
)
def test_names_that_leave(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as z:
        info = zipfile.ZipInfo("x")
        info.filename = name
        z.writestr(info, b"")
    refused(path, "leaves its folder")


def test_duplicate(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            z.writestr("a", b"2")
    refused(tmp_path / "a.zip", "two members have one name")


@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o060644])
def test_not_a_regular_file(tmp_path: Path, mode: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        info = zipfile.ZipInfo("a")
        info.external_attr = mode << 16
        z.writestr(info, b"target")
    refused(tmp_path / "a.zip", "not a regular file")


def test_folder_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.mkdir("folder")
    refused(tmp_path / "a.zip", "leaves its folder|not a regular file")


def test_data_descriptor(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Buffer) -> int:
            self.data += bytes(data)
            return len(bytes(data))

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as z:
        z.writestr("a", b"x")
    (tmp_path / "a.zip").write_bytes(pipe.data)
    refused(tmp_path / "a.zip", "data descriptor")


def test_encrypted(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip")
    refused(altered(path, central(path, b"empty") + 8, b"\1\0"), "encrypted")


def test_zip64(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip")
    refused(altered(path, central(path, b"empty") + 24, b"\xff" * 4), "zip64")


def test_unknown_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as z:
        z.writestr("a", b"x")
    refused(path, "flag|compression|descriptor")


def test_extra_field_and_comment(tmp_path: Path) -> None:
    for key, value in (("extra", b"UT\1\0x"), ("comment", b"c")):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
            info = zipfile.ZipInfo("a")
            setattr(info, key, value)
            z.writestr(info, b"x")
        refused(tmp_path / "a.zip", "extra fields")


def test_bytes_between_members(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    at = zipread.read(path).members[-1].at
    where = central(path, b"empty") + 42
    struct.pack_into("<L", data, where, at + 4)
    end = len(data) - 22 + 16
    struct.pack_into("<L", data, end, struct.unpack_from("<L", data, end)[0] + 4)
    path.write_bytes(data[:at] + b"HIDE" + data[at:])
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None  # the standard library sees nothing
    refused(path, "bytes between members")


def test_overlap(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip")
    first = zipread.read(path).members[0]
    where = central(path, b"empty") + 42
    refused(altered(path, where, struct.pack("<L", first.at)), "overlap")


@pytest.mark.parametrize("field", [4, 6, 8, 10, 12, 14, 18, 22, 26, 28, 30])
def test_local_header_contradicts(tmp_path: Path, field: int) -> None:
    path = pack(tmp_path / "a.zip")
    old = path.read_bytes()[field]
    refused(altered(path, field, bytes([old ^ 1])), "local header contradicts")


def test_cut_anywhere(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip")
    data = path.read_bytes()
    for size in range(0, len(data), 97):
        path.write_bytes(data[:size])
        with pytest.raises(Finding):
            zipread.read(path)


def test_result_beyond_plain_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipcopy, "LIMIT", 5000)
    source = pack(tmp_path / "a.zip")
    with pytest.raises(Finding, match="would need zip64"):
        copy(source, keep(source), tmp_path / "b.zip")
