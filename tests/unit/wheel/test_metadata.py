# SPDX-License-Identifier: Apache-2.0
"""Version, METADATA and RECORD."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.base.errors import Finding
from scripts.wheel import metadata
from scripts.wheel.metadata import Row

VERSION = b"""\
__version_tuple__: tuple[int | str, ...]
version_tuple: tuple[int | str, ...]

__version__ = version = '0.33.0'
__version_tuple__ = version_tuple = (0, 33, 0)

__commit_id__ = commit_id = 'g4ba787ec9'
"""


def test_version_file_changes_two_lines() -> None:
    found = metadata.version_file(VERSION, "0.33.0", "0.33.0+sm12x.7")
    assert found == VERSION.replace(b"'0.33.0'", b"'0.33.0+sm12x.7'").replace(
        b"(0, 33, 0)", b"(0, 33, 0, 'sm12x.7')"
    )


@pytest.mark.parametrize(
    "data", [VERSION.replace(b"0.33.0", b"0.34.0"), VERSION * 2, b"", VERSION[:130]]
)
def test_version_file_of_another_form(data: bytes) -> None:
    with pytest.raises(Finding, match="not where upstream writes it"):
        metadata.version_file(data, "0.33.0", "0.33.0+sm12x.7")


def test_metadata_headers_only() -> None:
    text = (
        b"Name: vllm\nVersion: 1\nLicense-File: A\nLicense-File: B\n"
        b"X: y\n\nVersion: 1\n"
    )
    assert metadata.metadata(text, "1", "1+a", "N", {}) == (
        b"Name: vllm\nVersion: 1+a\nLicense-File: A\nLicense-File: B\n"
        b"License-File: N\nX: y\n\nVersion: 1\n"
    )


@pytest.mark.parametrize(
    "data", [b"Version: 2\nLicense-File: A\n\n", b"Version: 1\n\nLicense-File: A\n"]
)
def test_metadata_of_another_form(data: bytes) -> None:
    with pytest.raises(Finding):
        metadata.metadata(data, "1", "1+a", "N", {})


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
        unique=True,
    )
)
def test_record_round_trip(names: list[str]) -> None:
    rows = [metadata.row(name, name.encode()) for name in names]
    data = metadata.write_record(rows)
    assert metadata.read_record(data, "RECORD") == rows
    assert [r[0] for r in csv.reader(io.StringIO(data.decode(), newline=""))] == names


@pytest.mark.parametrize("data", [b"a,b\n", b"a,,\na,,\n", b"\xff,,\n", b"a,b,c,d\n"])
def test_record_of_another_form(data: bytes) -> None:
    with pytest.raises(Finding):
        metadata.read_record(data, "RECORD")


def test_overlay_record_keeps_upstreams_lines_and_order() -> None:
    rows = [Row(n, f"sha256={n}", "1") for n in ("b", "a", "gone", "i/M")]
    found = metadata.overlay_record(
        [*rows, Row("i/RECORD", "", "")],
        {"b": "b", "a": "a", "i/M": "i+x/M", "i/RECORD": "i+x/RECORD"},
        {"a": b"new", "n": b"", "i+x/N": b""},
        ["gone"],
        ["a", "b", "n", "i+x/M", "i+x/N", "i+x/RECORD"],
    )
    got = metadata.read_record(found, "RECORD")
    assert [r.name for r in got] == ["b", "a", "n", "i+x/M", "i+x/N", "i+x/RECORD"]
    assert got[0] == Row("b", "sha256=b", "1")
    assert got[1] == metadata.row("a", b"new")
    assert got[-1] == Row("i+x/RECORD", "", "")


@pytest.mark.parametrize(
    ("rows", "order"),
    [(["a", "stray"], ["a", "i/RECORD"]), (["a"], ["a", "unlisted", "i/RECORD"])],
)
def test_record_that_does_not_match_its_members(
    rows: list[str], order: list[str]
) -> None:
    upstream = [Row(n, "sha256=x", "1") for n in (*rows, "i/RECORD")]
    rename = {n: n for n in order}
    with pytest.raises(Finding, match="does not match its members"):
        metadata.overlay_record(upstream, rename, {}, [], order)
