# SPDX-License-Identifier: Apache-2.0
"""Tampered wheels: every one must be told from the built one, and said how."""

from __future__ import annotations

import json
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.errors import Finding
from scripts.lock import Lock
from scripts.series import folder
from scripts.wheel import overlay, zipread
from scripts.wheel.report import Report, What
from scripts.wheel.verify import verify
from tests.scripts.small import Small
from tests.scripts.small_wheel import (
    BUILT,
    LOCAL,
    SO,
    add_wheel,
    record,
    rewrite,
)

Files = dict[str, bytes]
SBOM = f"{LOCAL}/sboms/vllm-sm12x.cdx.json"


class Case:
    """A built wheel and the means to look at an altered copy of it."""

    def __init__(self, small: Small, folder_: Path) -> None:
        self.small = small
        self.base = add_wheel(small)
        self.wheel = overlay.build(
            small.lock, folder.load(small.patches), self.base, folder_ / "built"
        )
        self.copy = folder_ / "copy" / BUILT
        self.copy.parent.mkdir()

    def look(self, wheel: Path, lock: Lock | None = None) -> Report:
        return verify(
            wheel,
            lock or self.small.lock,
            folder.load(self.small.patches),
            self.base,
            self.small.sdist,
        )

    def files(self) -> Files:
        with zipfile.ZipFile(self.wheel) as z:
            return {n: z.read(n) for n in z.namelist() if not n.endswith("/RECORD")}

    def alter(self, change: dict[str, bytes | None], honest: bool = True) -> Report:
        """Change members; with `honest`, RECORD follows."""
        if honest:
            files = {**self.files(), **change}
            kept = {n: d for n, d in files.items() if d is not None}
            change = {**change, f"{LOCAL}/RECORD": record(kept, LOCAL)}
        return self.look(rewrite(self.wheel, change, self.copy))


@pytest.fixture(scope="module")
def case(small_template: Small, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """One built wheel for the module; tests write to `copy` only."""
    root = tmp_path_factory.mktemp("verify")
    shutil.copytree(small_template.root, root / "checkout")
    return Case(Small(root / "checkout"), root)


def kinds(report: Report) -> set[What]:
    """What was found."""
    return {d.what for d in report.differences}


def found(report: Report, what: What, member: str) -> bool:
    """Whether a difference of this kind names this member."""
    return any(d.what is what and member in d.member for d in report.differences)


def test_the_built_wheel_is_ok(case: Case) -> None:
    report = case.look(case.wheel)
    assert report.ok, str(report)
    assert (report.compiled, report.patched, report.removed) == (2, 2, 0)
    assert report.members == report.untouched + report.patched + 5
    assert str(report).startswith(f"ok: {BUILT}: {report.members} members, ")


def test_rewriting_without_a_change_is_ok(case: Case) -> None:
    """The tool that the other tests tamper with is not what is found."""
    assert case.look(rewrite(case.wheel, {}, case.copy)).ok


def test_compiled_file_altered(case: Case) -> None:
    data = bytearray(case.files()[SO])
    data[-1] ^= 1
    report = case.alter({SO: bytes(data)})
    assert kinds(report) == {What.COMPILED}
    assert found(report, What.COMPILED, SO)
    assert f"compiled: {SO}: expected upstream's bytes (CRC " in str(report)


def test_compiled_file_without_a_suffix(case: Case) -> None:
    report = case.alter({"vllm/vllm-rs": b"#!/bin/sh\n"})
    assert found(report, What.COMPILED, "vllm/vllm-rs")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("vllm/config/kernel.py", What.PATCHED),
        ("vllm/__init__.py", What.UPSTREAM),
        (f"{LOCAL}/WHEEL", What.UPSTREAM),
        (f"{LOCAL}/licenses/LICENSE", What.UPSTREAM),
    ],
)
def test_python_or_data_altered(case: Case, name: str, what: What) -> None:
    report = case.alter({name: case.files()[name] + b"\n"})
    assert kinds(report) == {what}
    assert found(report, what, name)


def test_extra_and_missing(case: Case) -> None:
    report = case.alter(
        {"vllm/evil.py": b"", "vllm/configs/E=1,N=2,device_name=X.json": None}
    )
    assert kinds(report) == {What.EXTRA, What.MISSING}
    assert found(report, What.EXTRA, "vllm/evil.py")
    assert found(report, What.MISSING, "device_name=X.json")


@pytest.mark.parametrize("name", ["licenses/NOTICE.sm12x", "sboms/vllm-sm12x.cdx.json"])
def test_our_own_files_missing(case: Case, name: str) -> None:
    report = case.alter({f"{LOCAL}/{name}": None})
    assert kinds(report) == {What.MISSING}


def test_test_file_of_the_series_inside(case: Case) -> None:
    assert kinds(case.alter({"tests/utils/test_probe.py": b""})) == {What.EXTRA}


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: t.replace("vllm/__init__.py,sha256=", "vllm/__init__.py,sha256=A"),
        lambda t: t.replace("vllm/__init__.py,sha256=", "vllm/__init__.py,md5="),
        lambda t: t.replace("vllm/__init__.py,", "vllm/__init_.py,"),
        lambda t: t + "vllm/__init__.py,,\n",
        lambda t: t.replace(f"{LOCAL}/RECORD,,", f"{LOCAL}/RECORD,sha256=x,1"),
        lambda t: "\n".join(x for x in t.split("\n") if SO not in x),
        lambda t: t.replace(",2\n", ",3\n").replace(",3\n", ",4\n"),
    ],
    ids=["hash", "kind", "name", "twice", "itself", "line", "size"],
)
def test_record_wrong(case: Case, edit: Callable[[str], str]) -> None:
    with zipfile.ZipFile(case.wheel) as z:
        text = z.read(f"{LOCAL}/RECORD").decode()
    assert edit(text) != text
    report = case.alter({f"{LOCAL}/RECORD": edit(text).encode()}, honest=False)
    assert kinds(report) == {What.RECORD}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Requires-Dist: torch==2.14.0", "Requires-Dist: torch>=2"),
        ("Version: 1.2.3+sm12x.1", "Version: 1.2.3+sm12x.2"),
        ("License-File: NOTICE.sm12x\n", ""),
        ("Name: vllm", "Name: vllm\nRequires-Dist: evil"),
    ],
)
def test_metadata_altered(case: Case, old: str, new: str) -> None:
    name = f"{LOCAL}/METADATA"
    text = case.files()[name].decode()
    assert text.count(old) == 1
    report = case.alter({name: text.replace(old, new).encode()})
    assert kinds(report) == {What.METADATA}
    assert new.split("\n")[-1] in str(report)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'1.2.3+sm12x.1'", "'1.2.3+sm12x.2'"),
        ("(1, 2, 3, 'sm12x.1')", "(1, 2, 3)"),
        ("g0123456ab", "g0123456ac"),
    ],
)
def test_version_file_altered(case: Case, old: str, new: str) -> None:
    text = case.files()["vllm/_version.py"].decode()
    assert old in text
    report = case.alter({"vllm/_version.py": text.replace(old, new).encode()})
    assert kinds(report) == {What.METADATA}


def test_sbom_lacks_a_patch(case: Case) -> None:
    bom = json.loads(case.files()[SBOM])
    bom["metadata"]["component"]["pedigree"]["patches"].pop()
    report = case.alter({SBOM: json.dumps(bom).encode()})
    assert kinds(report) == {What.SBOM}
    assert found(report, What.SBOM, "(patches)")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (":origin", ":source"),
        ('"value": "1.2.3"', '"value": "1.2.4"'),
        ("2.14.0", "2.13.0"),
        ('"SHA-256"', '"SHA-512"'),
        ('"specVersion": "1.6"', '"specVersion": "1.5"'),
        ("{", "["),
    ],
)
def test_sbom_altered(case: Case, old: str, new: str) -> None:
    text = case.files()[SBOM].decode()
    assert old in text
    report = case.alter({SBOM: text.replace(old, new).encode()})
    assert kinds(report) == {What.SBOM}


@pytest.mark.parametrize(
    ("which", "other"), [("patch", "0002.patch"), ("vllm/config/kernel.py", "vllm")]
)
def test_notice_leaves_something_out(case: Case, which: str, other: str) -> None:
    name = f"{LOCAL}/licenses/NOTICE.sm12x"
    word = case.small.names[1] if which == "patch" else which
    text = case.files()[name].decode()
    assert word in text
    report = case.alter({name: text.replace(word, other).encode()})
    assert kinds(report) == {What.NOTICE}
    assert word in str(report)


def test_wrong_release_number(case: Case) -> None:
    report = case.look(case.wheel, replace(case.small.lock, release=2))
    assert {What.NAME, What.MISSING, What.EXTRA} <= kinds(report)


def test_wrong_file_name(case: Case) -> None:
    other = case.copy.with_name(BUILT.replace("sm12x.1", "sm12x.9"))
    other.write_bytes(case.wheel.read_bytes())
    report = case.look(other)
    assert kinds(report) == {What.NAME}


def test_wrong_platform(case: Case) -> None:
    other = case.copy.with_name("vllm-1.2.3+sm12x.1-py3-none-any.whl")
    other.write_bytes(case.wheel.read_bytes())
    with pytest.raises(Finding, match="no pinned platform"):
        case.look(other)


def test_trees_of_the_lock(case: Case) -> None:
    lock = replace(case.small.lock, patched_tree="0" * 40)
    report = case.look(case.wheel, lock)
    assert found(report, What.TREE, "after the series")
    lock = replace(case.small.lock, tree="0" * 40)
    assert found(case.look(case.wheel, lock), What.TREE, "tree of the sdist")


@pytest.mark.parametrize("which", ["base", "sdist"])
def test_inputs_are_the_pinned_ones(case: Case, which: str) -> None:
    lock = case.small.lock
    if which == "sdist":
        lock = replace(lock, sdist=replace(lock.sdist, sha256="0" * 64))
    else:
        wheels = {a: replace(w, sha256="0" * 64) for a, w in lock.wheels.items()}
        lock = replace(lock, wheels=wheels)
    with pytest.raises(Finding, match="is not the pinned one"):
        case.look(case.wheel, lock)


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
    m = next(x for x in zipread.read(case.copy).members if x.name == SO)
    central = whole.rindex(SO.encode()) - 46
    struct.pack_into("<L", whole, m.at + 22, 7)
    struct.pack_into("<L", whole, central + 24, 7)
    case.copy.write_bytes(whole)
    report = case.look(case.copy)
    assert "more than the 7 bytes of its header" in str(report)


def test_any_altered_byte_is_found(case: Case) -> None:
    whole = case.wheel.read_bytes()
    pick = random.Random(12)
    members = zipread.read(case.wheel).members
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
