# SPDX-License-Identifier: Apache-2.0
"""Archives that are what they should be, and those that must be refused."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.base.object_ids import blob_id, tree_id
from scripts.upstream import fetch, lock, sdist
from scripts.upstream.sdist import Member, members

Make = Callable[..., Path]


def entry(
    name: str, data: bytes = b"", **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o664
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=0o775)


GOOD = [
    folder("v-1"),
    entry("v-1/b.py", b"print()\n", mtime=1793606879.9),
    folder("v-1/empty"),
    entry("v-1/a/run", b"#!", mode=0o775),
    entry("v-1/a/é", b""),
]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(
        entries: list[tuple[tarfile.TarInfo, bytes]],
        format: int = tarfile.PAX_FORMAT,
        name: str = "v-1.tar.gz",
    ) -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w:gz", format=format) as archive:
            for info, data in entries:
                archive.addfile(info, io.BytesIO(data))
        return path

    return build


def test_members_in_order_with_git_modes(make: Make) -> None:
    assert list(members(make(GOOD))) == [
        Member("b.py", 0o100644, 1793606879, b"print()\n"),
        Member("a/run", 0o100755, 0, b"#!"),
        Member("a/é", 0o100644, 0, b""),
    ]


def test_path_with_spaces(make: Make) -> None:
    path = make(GOOD, name="a b ü.tar.gz")
    assert len(list(members(path))) == 3


BAD = {
    "absolute": (entry("/etc/passwd"), "absolute"),
    "parent": (entry("v-1/../../x"), "component '..'"),
    "dot": (entry("v-1/./x"), "component '.'"),
    "empty component": (entry("v-1//x"), "component ''"),
    "backslash": (entry("v-1\\..\\x"), "backslash"),
    "newline": (entry("v-1/a\nb"), "control character"),
    "git folder": (entry("v-1/.git/config"), "git's own"),
    "git folder, other case": (entry("v-1/a/.GiT/hooks/x"), "git's own"),
    "git folder, short name": (entry("v-1/GIT~1/config"), "git's own"),
    "git file": (entry("v-1/.git"), "git's own"),
    "second top": (entry("w-1/x"), "second top folder"),
    "file beside top": (entry("x"), "outside the top folder"),
    "twice": (entry("v-1/b.py"), "comes twice"),
    "folder twice": (folder("v-1/empty"), "comes twice"),
    "file in a file": (entry("v-1/b.py/x"), "both a file and a folder"),
    "file over a folder": (entry("v-1/a"), "both a file and a folder"),
    "folder over a file": (folder("v-1/b.py"), "comes twice"),
    "symlink": (
        entry("v-1/l", type=tarfile.SYMTYPE, linkname="b.py"),
        "a symbolic link",
    ),
    "symlink outside": (
        entry("v-1/l", type=tarfile.SYMTYPE, linkname="/etc"),
        "a symbolic link",
    ),
    "hard link": (
        entry("v-1/l", type=tarfile.LNKTYPE, linkname="v-1/b.py"),
        "a hard link",
    ),
    "device": (entry("v-1/l", type=tarfile.CHRTYPE), "a character device"),
    "disk": (entry("v-1/l", type=tarfile.BLKTYPE), "a block device"),
    "fifo": (entry("v-1/l", type=tarfile.FIFOTYPE), "a named pipe"),
    "contiguous": (entry("v-1/l", type=tarfile.CONTTYPE), "of type b'7'"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(make: Make, case: str) -> None:
    bad, why = BAD[case]
    path = make([*GOOD, bad])
    with pytest.raises(Finding, match="must not be used") as caught:
        list(members(path))
    assert why in caught.value.what
    assert str(path) in str(caught.value.where)
    assert repr(bad[0].name) in str(caught.value.where)


def test_name_that_is_not_utf8(make: Make) -> None:
    bad = entry("v-1/caf\udce9")
    with pytest.raises(Finding, match="not UTF-8"):
        list(members(make([*GOOD, bad], format=tarfile.GNU_FORMAT)))


def test_nul_in_an_extended_name(make: Make) -> None:
    info, data = entry("v-1/x")
    info.pax_headers = {"path": "v-1/a\0b"}
    with pytest.raises(Finding, match="control character"):
        list(members(make([*GOOD, (info, data)])))


@pytest.mark.parametrize(
    ("bound", "value", "why"),
    [
        ("MAX_MEMBERS", 4, "more than 4 members"),
        ("MAX_FILE", 7, "8 bytes, more than 7"),
        ("MAX_BYTES", 9, "all members together"),
    ],
)
def test_bounds(
    make: Make, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, why: str
) -> None:
    path = make(GOOD, format=tarfile.GNU_FORMAT)
    if bound == "MAX_FILE":
        # The bound holds for headers too, so that it cannot be below a block.
        path = make([folder("v-1"), entry("v-1/x", bytes(600))])
        value, why = 599, "600 bytes, more than 599"
    assert list(members(path))
    monkeypatch.setattr(sdist, bound, value)
    with pytest.raises(Finding, match=why):
        list(members(path))


def test_header_that_would_fill_the_memory(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, data = entry("v-1/x")
    info.pax_headers = {"comment": "x" * 200_000}
    path = make([*GOOD, (info, data)])
    assert len(list(members(path))) == 4
    monkeypatch.setattr(sdist, "MAX_FILE", 100_000)
    with pytest.raises(Finding, match="is damaged"):
        list(members(path))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.999])
def test_truncated(make: Make, share: float) -> None:
    path = make([*GOOD, entry("v-1/z", bytes(range(256)) * 300)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(Finding, match=r"v-1.tar.gz is damaged"):
        list(members(path))


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.99])
def test_one_altered_byte(make: Make, share: float) -> None:
    noise = random.Random(1).randbytes(60_000)
    path = make([*GOOD, entry("v-1/z", noise)])
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(Finding):
        list(members(path))


def blocks(path: Path) -> bytearray:
    return bytearray(gzip.decompress(path.read_bytes()))


@pytest.mark.parametrize("kept", [512, 1024, 1536, 700, 2048 + 100])
def test_tar_cut_inside_whole_gzip(make: Make, kept: int) -> None:
    """Python's tarfile takes some of these for a complete archive."""
    path = make([e for e in GOOD if e[0].name.isascii()], format=tarfile.USTAR_FORMAT)
    path.write_bytes(gzip.compress(blocks(path)[:kept]))
    with pytest.raises(Finding, match="damaged"):
        list(members(path))


def test_damaged_header_is_not_the_end(make: Make) -> None:
    path = make(
        [folder("v-1"), entry("v-1/a", b"1"), entry("v-1/b", b"2")],
        format=tarfile.USTAR_FORMAT,
    )
    tar = blocks(path)
    tar[3 * 512 + 5] ^= 1  # the header of v-1/b: its checksum fails
    path.write_bytes(gzip.compress(tar))
    with tarfile.open(path) as archive:
        assert len(archive.getnames()) == 2, "tarfile says nothing"
    with pytest.raises(Finding, match="damaged"):
        list(members(path))


def test_bytes_after_the_end(make: Make) -> None:
    path = make(GOOD)
    path.write_bytes(path.read_bytes() + gzip.compress(b"more"))
    with pytest.raises(Finding, match="damaged"):
        list(members(path))


def test_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "v-1.tar.gz"
    path.write_text("<html>log in first</html>", encoding="utf-8")
    with pytest.raises(Finding, match="damaged"):
        list(members(path))
    with pytest.raises(Unusable, match="cannot read"):
        list(members(tmp_path / "absent.tar.gz"))
    with pytest.raises(Unusable, match="cannot read"):
        list(members(tmp_path))


@pytest.mark.upstream
def test_the_real_one() -> None:
    pinned = lock.load()
    found = list(members(fetch.obtain(pinned.sdist)))
    ids = {m.path: (m.mode, blob_id(m.data)) for m in found}
    assert tree_id(ids) == pinned.tree
    assert max(m.mtime for m in found) == pinned.epoch
    assert {m.mode for m in found} == {0o100644, 0o100755}
    assert "vllm/config/kernel.py" in ids
