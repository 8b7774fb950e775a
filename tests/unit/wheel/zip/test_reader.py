# SPDX-License-Identifier: Apache-2.0
"""Raw zip reading: what is unusual, hidden or contradictory is refused."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.base.errors import Finding
from scripts.wheel.zip import reader
from tests.unit.wheel.zip.archives import pack

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


def refused(path: Path, words: str) -> None:
    """Assert that reading fails with these words and names the file."""
    with pytest.raises(Finding, match=words) as e:
        reader.read(path)
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
    at = reader.read(path).members[-1].at
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
    first = reader.read(path).members[0]
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
            reader.read(path)
