# SPDX-License-Identifier: Apache-2.0
"""The footprint's models, verdicts, table and record; counting is of the series."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.errors import Finding, Unusable
from scripts.footprint import models, record, table
from scripts.footprint.count import Answer, Row
from scripts.footprint.models import Model

MODEL = Model("M", 2, 8, 2, 128, 256, "silu")
OURS = "FLASHINFER_CUTEDSL_SM12X (FlashInferCuteDSLSM12xExperts)"
THEIRS = "FLASHINFER_CUTLASS (FlashInferExperts)"


def row(mine: int, theirs: int = 100, scratch: int = 0, ranks: int = 1) -> Row:
    return Row(
        MODEL, ranks, Answer(OURS, "", mine, scratch), Answer(THEIRS, "", theirs)
    )


STOPPED = Answer(THEIRS, "", stopped="NotImplementedError: padding")


def test_models_are_enough_and_of_both_files() -> None:
    found = models.load()
    assert len(found) >= 14
    for path in models.PATHS:
        assert models.load((path,))
    assert {m.name for m in found} >= {"Qwen3-30B-A3B", "GLM-4.5-Air"}
    assert MODEL.rank(8) == 32
    assert MODEL.rank(3) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[[model]\n", "at line 1"),
        ("a = 1\n", "'model'"),
        ('[[model]]\nname = "A"\nlayers = 1\n', "A: Object missing required field"),
    ],
)
def test_a_bad_list_of_models_is_named(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(Unusable) as caught:
        models.load((path,))
    assert found in str(caught.value)


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(Unusable, match="two models of the name"):
        models.load((models.PATHS[1], models.PATHS[1]))


def test_the_bound_is_of_the_weights() -> None:
    assert table.worse([row(110), row(100, scratch=900)]) == []
    assert table.worse([row(111)]) == ["M TP 1: 1.11 times the bytes"]
    with pytest.raises(Finding, match=r"M TP 4: 2\.00 times"):
        table.hold([row(100), row(200, ranks=4)])


def test_what_upstream_alone_loads_is_worse() -> None:
    ours = Row(MODEL, 1, STOPPED, Answer(THEIRS, "", 100))
    assert table.worse([ours]) == ["M TP 1: NotImplementedError: padding"]
    theirs = Row(MODEL, 1, Answer(OURS, "", 300), STOPPED)
    assert table.worse([theirs, Row(MODEL, 1, STOPPED, STOPPED)]) == []
    text = table.render([row(100), theirs, Row(MODEL, 2, STOPPED, STOPPED)])
    alone, neither = text.partition("Loaded by neither")[::2]
    assert "Loaded by the fork alone" in alone and "M TP 2: NotImpl" in neither


def test_the_largest_ratio_is_last() -> None:
    rows = [row(109, ranks=2), row(100, ranks=4), row(105)]
    assert [cells[1] for cells in table.as_data(rows)["rows"]] == ["4", "1", "2"]
    assert table.cells(row(109, scratch=50))[-4:-1] == ("1.090", "0", "1.340")


def test_what_is_larger_says_why() -> None:
    padded = "I = 128 is padded to whole tiles"
    scratch = "scratch, which upstream's default has unseen"
    assert table.why(row(100)) == ""
    assert table.why(row(109, ranks=2)) == padded
    assert table.why(row(100, scratch=1)) == scratch
    assert table.why(row(109, scratch=1, ranks=2)) == f"{padded}; {scratch}"
    assert table.render([row(109)]).splitlines()[-5].endswith("whole tiles")


def test_a_record_is_read_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    kept = record.Record("ab", "0.7.4", "2026-11-30", (row(100), row(109, ranks=2)))
    record.keep(kept, path)
    assert record.read(path) == kept
    record.hold(kept, kept)
    with pytest.raises(Finding, match="M TP 2"):
        record.hold(kept, record.Record("ab", "0.7.4", "2026-11-30", (row(100),)))


@pytest.mark.parametrize("text", ["", "{}", '{"tree": 1, "rows": []}'])
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recorded.json"
    path.write_text(text)
    with pytest.raises(Finding, match="make footprint UPDATE=1"):
        record.read(path)


def test_the_repository_keeps_the_bound() -> None:
    found = record.read()
    assert {(r.model, r.tensor_parallel) for r in found.rows} == {
        (model, ranks)
        for model in models.load()
        for ranks in models.TENSOR_PARALLEL
        if model.rank(ranks)
    }
    table.hold(found.rows)
    assert max(r.weights_ratio for r in found.rows if r.comparable) <= table.BOUND
