# SPDX-License-Identifier: Apache-2.0
"""What kind of wheel it is, in ten lines, before all that differs."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.wheel.kind import Kind
from scripts.wheel.metadata import SBOM
from scripts.wheel.report import Difference, Report, What
from tests.unit.documents.sessions import clone, typed
from tests.unit.small import Small
from tests.unit.small_wheel import BUILT, LOCAL, NAME, SO, add_wheel
from tests.unit.wheel.tampered import Case


def says(report: Report, kind: Kind, more: str = "") -> str:
    """The answer, once its first line is right and it is short."""
    text = str(report)
    assert text.splitlines()[0] == f"not ok: {report.wheel}: {kind.value}{more}"
    assert len(text.splitlines()) < 10
    assert text.splitlines()[-1].startswith("next: ")
    return text


def test_upstream_s_own_is_called_so(case: Case) -> None:
    other = case.copy.with_name(NAME)
    other.write_bytes(case.base.read_bytes())
    says(case.look(other), Kind.UPSTREAM, ", to the byte")
    with zipfile.ZipFile(other, "a") as z:
        z.writestr("vllm/more.py", "")
    says(case.look(other), Kind.UPSTREAM, ", and not as it was published")


def test_another_series(case: Case) -> None:
    name = f"{LOCAL}/sboms/{SBOM}"
    bill = case.files()[name].decode()
    tree = case.small.lock.patched_tree
    assert tree in bill
    report = case.alter({name: bill.replace(tree, "7" * 40).encode()})
    says(report, Kind.OTHER_SERIES, f", patched tree {'7' * 40}")


def test_another_release(case: Case) -> None:
    report = case.look(case.wheel, replace(case.small.lock, release=2))
    says(report, Kind.OTHER_RELEASE, ", 1.2.3+sm12x.1")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_packed_by_another_tool(case: Case, method: int) -> None:
    with zipfile.ZipFile(case.wheel) as old, zipfile.ZipFile(case.copy, "w") as new:
        for info in reversed(old.infolist()):
            plain = zipfile.ZipInfo(info.filename, (2020, 1, 1, 0, 0, 0))
            plain.external_attr = info.external_attr
            plain.compress_type = method
            new.writestr(plain, old.read(info), compresslevel=1)
    report = case.look(case.copy)
    says(report, Kind.REPACKED)
    same = [line for line in report.whole.splitlines() if "that unpack to the" in line]
    assert same
    assert not any("CRC " in line.partition(", found ")[0] for line in same)


def test_packed_by_another_tool_in_a_form_that_wheels_do_not_have(case: Case) -> None:
    """Info-ZIP's `zip` puts times of files there."""
    with zipfile.ZipFile(case.wheel) as old, zipfile.ZipFile(case.copy, "w") as new:
        for info in old.infolist():
            info.extra = b"UT\x05\x00\x03\x00\x00\x00\x00"
            new.writestr(info, old.read(info))
    with pytest.raises(Finding, match="packed by another tool: a member has extra"):
        case.look(case.copy)


def test_damaged_in_a_member(case: Case) -> None:
    with zipfile.ZipFile(case.wheel) as z:
        at = z.getinfo(SO).header_offset + 30 + len(SO) + 400
    data = bytearray(case.wheel.read_bytes())
    data[at] ^= 0xFF
    case.copy.write_bytes(data)
    says(case.look(case.copy), Kind.DAMAGED, f", {SO} does not unpack")


@pytest.mark.parametrize("cut", [lambda d: d[: len(d) // 2], lambda d: d[:-30]])
def test_damaged_as_an_archive(case: Case, cut: Callable[[bytes], bytes]) -> None:
    case.copy.write_bytes(cut(case.wheel.read_bytes()))
    with pytest.raises(Finding, match="a damaged wheel: ") as found:
        case.look(case.copy)
    assert "fetch it again" in str(found.value.next)


def test_no_zip_at_all(case: Case) -> None:
    case.copy.write_text("<html>404 Not Found</html>\n", encoding="utf-8")
    with pytest.raises(Finding, match="no wheel: this is no zip archive") as found:
        case.look(case.copy)
    assert "damaged" not in str(found.value)
    assert str(found.value.next).startswith("make verify-wheel WHEEL=")


def test_edited(case: Case) -> None:
    """RECORD follows or not; the first difference of each file, then more of them."""
    change = {"vllm/config/kernel.py": b"x = 1\n", "vllm/evil.py": b""}
    text = says(case.alter(change), Kind.EDITED)
    assert "2 differences in 2 places: 1 extra, 1 patched" in text
    assert "  extra: vllm/evil.py: " in text and "  patched: vllm/config" in text
    report = case.alter(change, honest=False)
    says(report, Kind.DAMAGED, ", its own RECORD tells something else")


def test_no_vllm_wheel(case: Case) -> None:
    with zipfile.ZipFile(case.copy, "w") as z:
        z.writestr("other-1.dist-info/METADATA", "Name: other\n")
    says(case.look(case.copy), Kind.FOREIGN)


def test_a_series_that_is_not_the_lock_s_is_said_first(case: Case) -> None:
    lock = replace(case.small.lock, patched_tree="0" * 40)
    says(case.look(case.wheel, lock), Kind.UNJUDGED)


def test_many_differences_are_counted_and_the_whole_is_kept() -> None:
    many = tuple(
        Difference(What.EXTRA, f"vllm/{n:04}.py", "no such member", "x" * 500)
        for n in range(1000)
    )
    one = Difference(What.RECORD, "a.dist-info/RECORD:7 (vllm/b.py)", "a", "b")
    report = Report(BUILT, (*many, one, one), 1, 1, 1, 1, 0, "a kind", "make wheel")
    lines = str(report).splitlines()
    assert lines[1] == "1002 differences in 1001 places: 1000 extra, 2 record"
    assert len(lines) == 8 and max(map(len, lines[2:7])) < 180
    assert lines[6].endswith("; 996 more places")
    assert len(report.whole.splitlines()) == 1002
    assert "x" * 500 in report.whole


def test_the_verb_says_where_the_whole_is(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    base = add_wheel(small)
    root = clone(small, tmp_path / "a clone")
    said = typed(f"make verify-wheel WHEEL='{base}' || echo code $?", root)
    lines = [row for row in said.splitlines() if "bytes" not in row or "  " in row[:2]]
    first = next(i for i, row in enumerate(lines) if row.startswith("not ok: "))
    last = next(i for i, row in enumerate(lines) if row.startswith("whole: "))
    assert last - first < 10
    assert "upstream's own wheel, no series is in it, to the byte" in lines[first]
    whole = root / lines[last].removeprefix("whole: ")
    assert f"missing: {LOCAL}/METADATA" in whole.read_text(encoding="utf-8")
