# SPDX-License-Identifier: Apache-2.0
"""Tampered wheels: the archive itself, to the byte."""

from __future__ import annotations

import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.wheel.report import What
from scripts.wheel.zip import reader
from tests.unit.small_wheel import BUILT, SO
from tests.unit.wheel.tampered import Case, found, kinds


@pytest.mark.parametrize(
    "change",
    [
        lambda d: b"",
        lambda d: b"no zip at all",
        lambda d: d[:-1],
        lambda d: d[: len(d) // 2],
        lambda d: d + b"\0",
        lambda d: b"\0" + d,
        lambda d: d[:-2] + b"\1\0" + b"c",
    ],
    ids=["empty", "text", "short", "half", "after", "before", "comment"],
)
def test_not_a_whole_zip(case: Case, change: Callable[[bytes], bytes]) -> None:
    case.copy.write_bytes(change(case.wheel.read_bytes()))
    with pytest.raises(Finding) as e:
        case.look(case.copy)
    assert str(case.copy) in str(e.value)


def test_missing_wheel(case: Case, tmp_path: Path) -> None:
    with pytest.raises(Finding, match="cannot read"):
        case.look(tmp_path / BUILT)


def test_same_content_packed_otherwise(case: Case) -> None:
    """Members of upstream are to be upstream's bytes, not only their content."""
    with zipfile.ZipFile(case.wheel) as old, zipfile.ZipFile(case.copy, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename == SO:
                info.compress_type = zipfile.ZIP_STORED
            new.writestr(info, data)
    assert kinds(case.look(case.copy)) == {What.COMPILED}


def test_other_order_date_and_mode(case: Case) -> None:
    with zipfile.ZipFile(case.wheel) as old, zipfile.ZipFile(case.copy, "w") as new:
        for info in reversed(old.infolist()):
            data = old.read(info)
            if info.filename == "vllm/config/kernel.py":
                info.date_time = (1990, 1, 1, 0, 0, 0)
            if info.filename == "vllm/__init__.py":
                info.external_attr = 0o100777 << 16
            new.writestr(info, data)
    report = case.look(case.copy)
    assert kinds(report) == {What.FORM}
    for member in ("order", "vllm/config/kernel.py", "vllm/__init__.py"):
        assert found(report, What.FORM, member)


def test_deflate_bomb_is_cut_short(case: Case) -> None:
    """A member that claims 7 bytes and unpacks to 64 MiB stops early."""
    with zipfile.ZipFile(case.wheel) as old, zipfile.ZipFile(case.copy, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename == SO:
                data = bytes(64 << 20)
            new.writestr(info, data)
    whole = bytearray(case.copy.read_bytes())
    m = next(x for x in reader.read(case.copy).members if x.name == SO)
    central = whole.rindex(SO.encode()) - 46
    struct.pack_into("<L", whole, m.at + 22, 7)
    struct.pack_into("<L", whole, central + 24, 7)
    case.copy.write_bytes(whole)
    report = case.look(case.copy)
    assert "more than the 7 bytes of its header" in str(report)


def test_any_altered_byte_is_found(case: Case) -> None:
    whole = case.wheel.read_bytes()
    pick = random.Random(12)
    members = reader.read(case.wheel).members
    # Local headers, data, the end record, and all of the last member's entry in
    # the directory: that one is ours, no upstream header stands against it.
    places = [m.at + pick.randrange(30 + len(m.name)) for m in members]
    places += [pick.randrange(len(whole)) for _ in range(60)]
    places += range(whole.rindex(b"PK\1\2"), len(whole))
    missed = []
    for at in places:
        data = bytearray(whole)
        data[at] ^= 1 << pick.randrange(8)
        case.copy.write_bytes(data)
        try:
            report = case.look(case.copy)
        except Finding:
            continue
        if report.ok:
            missed.append(at)
    assert missed == []
