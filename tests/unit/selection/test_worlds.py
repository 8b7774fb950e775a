# SPDX-License-Identifier: Apache-2.0
"""Other worlds of the matrix: what they are asked, the record, what is worse."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.selection import worlds
from scripts.selection.ask import Question
from scripts.selection.cases import BROKEN, CUDA_12, NO_CUTLASS, USUAL, World
from scripts.selection.worlds import Row

AUTO = Row("no cutlass", "MoE", "W4A4", "auto", "12.0", "A (a)", "A (a)", "why")
REFUSED = AUTO._replace(fork="refused: ValueError")


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "worlds.tsv"
    monkeypatch.setattr(worlds, "RECORDED", path)
    return path


def test_each_trouble_and_release_is_asked_by_itself_and_by_name() -> None:
    asked = dict(worlds.questions())
    troubles = {world.trouble for world in asked}
    assert troubles == {"", NO_CUTLASS, BROKEN, CUDA_12}
    assert {"0.7.1", "0.7.2.post1", "present"} == {w.flashinfer for w in asked}
    for world, cases in asked.items():
        backends = {case.backend for case in cases}
        assert {"auto", "flashinfer_cutedsl_sm12x"} < backends, str(world)
        assert {case.capability for case in cases} == {"12.0", "12.1"}
    assert {case.scheme for case in asked[USUAL]} == set(worlds.MIXED)


def test_a_trouble_is_made_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.selection.ask.package_folder", lambda path: path)

    def setting(world: World) -> dict[str, object]:
        return Question(Path("t"), "", world, ()).setting()

    usual = setting(USUAL)
    assert (usual["hide"], usual["broken"], usual["cuda"]) == ([], False, "13.0")
    assert setting(World("present", "present", NO_CUTLASS))["hide"] == ["cutlass"]
    assert setting(World("present", "present", BROKEN))["broken"] is True
    assert setting(World("present", "present", CUDA_12))["cuda"] == "12.9"
    paths = setting(World("0.7.1", "present"))["paths"]
    assert any("flashinfer-first" in path for path in paths)  # type: ignore[attr-defined]
    keys = {Question(Path("t"), "", world, ()).key() for world in worlds.WORLDS}
    assert len(keys) == len(worlds.WORLDS)


def test_a_refusal_that_upstream_does_not_make_is_worse(record: Path) -> None:
    worlds.update([REFUSED])
    with pytest.raises(Finding, match="refuses what upstream runs"):
        worlds.hold([REFUSED])
    for row in (
        REFUSED._replace(backend="b12x"),
        REFUSED._replace(upstream="refused: ValueError"),
    ):
        worlds.update([row])
        worlds.hold([row])


def test_what_is_not_recorded_is_found(record: Path) -> None:
    worlds.update([AUTO])
    assert worlds.recorded() == (AUTO,)
    with pytest.raises(Finding, match="2 answers of other worlds"):
        worlds.hold([AUTO._replace(why="another")])


@pytest.mark.parametrize("text", ["", "a\tb\n", "world\n"])
def test_a_record_that_is_none_is_named(record: Path, text: str) -> None:
    record.write_text(text)
    with pytest.raises(Finding, match="make matrix UPDATE=1"):
        worlds.recorded()


def test_capabilities_that_answer_alike_are_one_line() -> None:
    both = [AUTO, AUTO._replace(capability="12.1"), REFUSED._replace(capability="8.0")]
    lines = worlds.shown(both)
    assert len(lines) == 3
    assert "12.0, 12.1" in lines[1] and lines[1].endswith("why")


def test_what_is_taken_in_place_of_upstreams_has_a_reason() -> None:
    differing = [
        row
        for row in worlds.recorded()
        if row.backend == AUTO.backend and row.fork != row.upstream
    ]
    assert differing
    for row in differing:
        head, line = worlds.shown([row])
        assert line[head.index("since") :].strip(), line
