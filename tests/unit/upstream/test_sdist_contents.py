# SPDX-License-Identifier: Apache-2.0
"""The table of an archive: as right as the archive, whatever became of the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.base.files import digest
from scripts.base.object_ids import Entry, blob_id
from scripts.upstream import sdist_contents
from scripts.upstream.lock import Artifact
from scripts.upstream.sdist import members
from scripts.upstream.sdist_contents import Source, Want
from tests.unit.small_files import VERSION, pack, upstream

KERNEL = "vllm/config/kernel.py"
Table = dict[str, object]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    folder = tmp_path / "upstream"
    folder.mkdir()
    path = folder / f"vllm-{VERSION}.tar.gz"
    pack(upstream(), path)
    monkeypatch.setenv("UPSTREAM_DIR", str(folder))
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SM12X_PARANOID", raising=False)
    return Artifact(path.name, path.stat().st_size, digest(path))


def want(path: str) -> bool:
    return path.startswith("vllm/config/")


def whole(archive: Artifact, tmp_path: Path, want: Want = want) -> Source:
    found = list(members(tmp_path / "upstream" / archive.filename))
    return Source(
        {m.path: (m.mode, blob_id(m.data)) for m in found},
        {m.path: Entry(m.mode, m.data) for m in found if want(m.path)},
    )


def table(archive: Artifact, tmp_path: Path) -> Path:
    return tmp_path / "cache/trees" / f"{archive.sha256}.json"


def held(archive: Artifact, tmp_path: Path) -> Path:
    return tmp_path / "cache/trees" / f"{archive.sha256}.held"


def no_members(path: Path) -> None:
    raise AssertionError("the archive is read from end to end again")


def not_unpacked(*_: object) -> None:
    raise AssertionError("the archive is unpacked again")


def test_second_time_gives_the_same_from_the_table(
    archive: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = whole(archive, tmp_path)
    assert right.files[KERNEL].data == upstream()[KERNEL]
    assert sdist_contents.read(archive, want) == right
    monkeypatch.setattr(sdist_contents, "members", no_members)
    again = sdist_contents.read(archive, want)
    assert (again, again.tree) == (right, right.tree)
    monkeypatch.setenv("SM12X_PARANOID", "1")
    with pytest.raises(AssertionError, match="end to end"):
        sdist_contents.read(archive, want)


def forged(rows: list[list[object]]) -> list[list[object]]:
    """Another file's place and blob under the kernel's name, with its true id."""
    other = next(r for r in rows if r[0] != KERNEL and r[4])
    return [[KERNEL, *other[1:]] if r[0] == KERNEL else r for r in rows]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda t: "", id="empty"),
        pytest.param(lambda t: json.dumps(t)[:-40], id="cut off"),
        pytest.param(lambda t: json.dumps({"rows": t["rows"]}), id="no tree"),
        pytest.param(lambda t: json.dumps(t | {"rows": t["rows"][1:]}), id="row lost"),
        pytest.param(
            lambda t: json.dumps(t | {"rows": forged(t["rows"])}), id="other blob"
        ),
        pytest.param(
            lambda t: json.dumps(t | {"rows": [[*r[:3], 0, 9] for r in t["rows"]]}),
            id="other place",
        ),
        pytest.param(
            lambda t: json.dumps(
                t | {"rows": [[*r[:3], 1 << 40, 9] for r in t["rows"]]}
            ),
            id="beyond the end",
        ),
    ],
)
def test_damaged_table_is_made_again(
    damage: Callable[[Table], str], archive: Artifact, tmp_path: Path
) -> None:
    right = sdist_contents.read(archive, want)
    file = table(archive, tmp_path)
    good = file.read_text(encoding="utf-8")
    held(archive, tmp_path).unlink()  # else the places in the table are not asked
    file.write_text(damage(json.loads(good)), encoding="utf-8")
    assert sdist_contents.read(archive, want) == right
    assert file.read_text(encoding="utf-8") == good


def test_what_was_asked_for_is_not_unpacked_again(
    archive: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = sdist_contents.read(archive, want)
    every = sdist_contents.read(archive, lambda path: True)
    assert every == whole(archive, tmp_path, lambda path: True)
    monkeypatch.setattr(sdist_contents, "_stretches", not_unpacked)
    assert sdist_contents.read(archive, want) == right
    assert sdist_contents.read(archive, lambda path: True) == every


def test_asking_for_less_forgets_nothing(
    archive: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdist_contents.read(archive, want)
    other = sdist_contents.read(archive, lambda path: path == "setup.py")
    assert list(other.files) == ["setup.py"]
    monkeypatch.setattr(sdist_contents, "_stretches", not_unpacked)
    assert KERNEL in sdist_contents.read(archive, want).files


def test_what_is_not_asked_for_is_not_read(archive: Artifact, tmp_path: Path) -> None:
    sdist_contents.read(archive, lambda path: True)
    sdist_contents.read(archive, lambda path: path == "setup.py")
    file = held(archive, tmp_path)
    head, _, data = file.read_bytes().partition(b"\n")
    at = data.index(upstream()[KERNEL])
    file.write_bytes(head + b"\n" + data[:at] + b"?" + data[at + 1 :])
    before = file.read_bytes()
    assert list(sdist_contents.read(archive, lambda path: path == "setup.py").files)
    assert file.read_bytes() == before
    assert sdist_contents.read(archive, want) == whole(archive, tmp_path)
    assert file.read_bytes() != before


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-7], id="cut off"),
        pytest.param(lambda data: b"[1]\n" + data, id="another head"),
        pytest.param(lambda data: data[:-7] + b"altered", id="altered"),
        pytest.param(lambda data: b'{"0": -1}\n' + data, id="a size below 0"),
    ],
)
def test_damaged_bytes_are_not_believed(
    damage: Callable[[bytes], bytes], archive: Artifact, tmp_path: Path
) -> None:
    right = sdist_contents.read(archive, want)
    file = held(archive, tmp_path)
    good = file.read_bytes()
    file.write_bytes(damage(good))
    assert sdist_contents.read(archive, want) == right
    assert sdist_contents.read(archive, want) == right


def test_every_file_comes_from_the_table_the_second_time(
    archive: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "upstream" / archive.filename
    right = [(m.path, m.mode, blob_id(m.data), m.data) for m in members(path)]

    def use(found: sdist_contents.Found) -> object:
        return [(*row[:3], data) for row, data in found]

    assert sdist_contents.everything(path, archive, use) == right
    monkeypatch.setattr(sdist_contents, "members", no_members)
    assert sdist_contents.everything(path, archive, use) == right


@pytest.mark.parametrize("offset", [0, 1 << 40])
def test_a_table_that_lies_lets_the_reader_begin_again(
    offset: int, archive: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "upstream" / archive.filename
    right = sdist_contents.everything(path, archive, list)
    file = table(archive, tmp_path)
    good = file.read_text(encoding="utf-8")
    told = json.loads(good)
    told["rows"][-1][3] = offset  # the others are right, and come first
    file.write_text(json.dumps(told), encoding="utf-8")
    calls = []

    def use(files: sdist_contents.Found) -> object:
        calls.append(1)
        return list(files)

    assert sdist_contents.everything(path, archive, use) == right
    assert len(calls) == 2
    assert file.read_text(encoding="utf-8") == good
