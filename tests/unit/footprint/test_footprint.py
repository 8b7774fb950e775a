# SPDX-License-Identifier: Apache-2.0
"""The footprint's models, verdicts, table and record; counting is of the series."""

from __future__ import annotations

from math import floor
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.errors import Finding, Unusable
from scripts.footprint import count, cutlass, models, record, table
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


@pytest.mark.parametrize(
    ("hidden", "intermediate", "activation", "parts"),
    [
        # 16 tokens, top-2: 32 rows. The second GEMM's output is in both buffers.
        (256, 64, "silu", (32 * 256 * 2, 32 * 256 * 2, 32 * 16)),
        # Both halves of a gated first GEMM, and the FP4 input of the second.
        (64, 1024, "silu", (32 * 512, 32 * 2 * 1024 * 2, 32 * 64)),
        (64, 1024, "relu2_no_mul", (32 * 512, 32 * 1024 * 2, 32 * 64)),
    ],
)
def test_what_cutlass_allocates_is_that_of_its_source(
    hidden: int, intermediate: int, activation: str, parts: tuple[int, ...]
) -> None:
    model = Model("M", 2, 8, 2, hidden, intermediate, activation)
    assert cutlass.at_least(model, intermediate, 16) == sum(parts)


def test_scratch_of_cutlass_is_added_on_either_side_and_to_no_other() -> None:
    known = 8192 * 2 * (256 + 512 + 8)
    theirs = Answer(THEIRS, "", 100, 5)
    assert count.whole(MODEL, 2, theirs).scratch == 5 + known
    for other in (Answer(OURS, "", 100, 5), STOPPED):
        assert count.whole(MODEL, 2, other) == other


def test_the_note_calls_it_a_lower_bound_of_a_call() -> None:
    note = table.NOTES[-1]
    for said in ("keeps", "each call", "lower bound", f"FlashInfer {cutlass.READ_IN}"):
        assert said in note


def test_the_bound_is_of_the_weights_and_of_all() -> None:
    assert table.worse([row(110), row(100, scratch=20)]) == []
    assert table.worse([row(111)]) == ["M TP 1: 1.11 times the bytes"]
    said = ["M TP 1: 1.15 times the bytes, with scratch"]
    assert table.worse([row(100, scratch=30)]) == said
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
    assert table.cells(row(109, scratch=50))[-5:-1] == ("1.090", "0", "0", "1.340")


def test_what_is_larger_says_why() -> None:
    padded = "I = 128 is padded to whole tiles"
    scratch = "more scratch"
    assert table.why(row(100)) == ""
    assert table.why(row(109, ranks=2)) == padded
    assert table.why(row(100, scratch=1)) == scratch
    assert table.why(row(109, scratch=1, ranks=2)) == f"{padded}; {scratch}"
    less = Answer(OURS, "", 109, 1), Answer(THEIRS, "", 100, 2)
    assert table.why(Row(MODEL, 2, *less)) == padded
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
    seen = [r for r in found.rows if r.comparable]
    assert max(max(r.weights_ratio, r.ratio) for r in seen) <= table.BOUND
    for r in seen:
        assert r.upstream.chosen.startswith(cutlass.BACKEND)
        whole = count.whole(r.model, r.tensor_parallel, Answer(THEIRS))
        assert r.upstream.scratch == whole.scratch > 0


def test_the_readme_has_the_figures_of_the_record() -> None:
    seen = [r for r in record.read().rows if r.comparable]
    ours = [r for r in seen if not r.fork.chosen.startswith(cutlass.BACKEND)]
    times = min(r.upstream.scratch / r.fork.scratch for r in ours)
    scratch = max(r.fork.scratch for r in ours) / 2**30
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for said in (
        f"weights take at most {max(r.weights_ratio for r in seen):.2f} times",
        f"together up to {scratch:.2f} GiB. With scratch it is at most "
        f"{max(r.ratio for r in seen):.2f} times: CUTLASS allocates at least "
        f"{floor(times * 10) / 10} times the fork's scratch for a call of "
        f"{count.TOKENS} tokens",
    ):
        assert said in text
