# SPDX-License-Identifier: Apache-2.0
"""Odd sizes of models: what vLLM would not load is said, what it loads is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import Finding
from scripts.doctor.model import assess, gpus, mixers, sizes
from scripts.doctor.model.fields import Fields
from scripts.doctor.model.formats import Format
from scripts.doctor.model.layers import Kind, Matrix, Split
from scripts.doctor.model.mixers import Module
from scripts.doctor.model.nearest import nearest
from scripts.doctor.model.positions import longest
from scripts.selection import main as selection
from tests.unit.doctor.checkpoints import (
    config,
    facts,
    known,
    on,
    write,
)


def test_words_are_shared_evenly_or_not_at_all(tmp_path: Path) -> None:
    it = known(write(tmp_path, "deepseek-r1"))
    found = on(it, ranks=3)
    assert "129280 words of lm_head" in found.stops[0]
    assert all(row.padding >= 0 for row in found.rows)


def test_key_heads_are_those_of_their_layer(tmp_path: Path) -> None:
    """Gemma 4 has 8 key heads of 256 near and 2 of 512 far."""
    it = known(write(tmp_path, "gemma-4-26b-a4b"))
    text = facts("gemma-4-26b-a4b")["files"]["config.json"]
    text = text.get("text_config", text)
    near, far = text["head_dim"], text["global_head_dim"]
    assert near != far
    for matrix in it.matrices:
        if matrix.name.endswith("self_attn.qkv_proj"):
            own = it.model.kv_head(matrix.name)
            (key,) = (p for p in matrix.parts if p.name.endswith("k_proj"))
            heads = key.rows // own
            one = sizes.share(key, 8, own, Split.HEADS)
            assert own in (near, far)
            assert one.rows == max(1, heads // 8) * own
    assert {it.model.kv_head(m.name) for m in it.matrices} == {1, near, far}


def test_a_draft_has_heads_of_its_own(tmp_path: Path) -> None:
    it = known(write(tmp_path, "qwen3.6-35b-a3b-w4a4"))
    head = it.model.kv_head("mtp.layers.0.self_attn.k_proj")
    assert (
        head
        == facts("qwen3.6-35b-a3b-w4a4")["files"]["config.json"]["text_config"][
            "head_dim"
        ]
    )
    # Its first layer of the model has linear attention.
    assert it.model.kv_head("model.language_model.layers.0.linear_attn.out_proj") == 1


@pytest.mark.parametrize(
    ("form", "split", "rows", "cols", "ranks", "stops"),
    [
        (Format.NVFP4, Split.COLUMNS, 128, 272, 2, True),
        (Format.NVFP4, Split.COLUMNS, 128, 288, 2, False),
        (Format.NVFP4_A16, Split.ALL, 128, 40, 1, True),
        (Format.MXFP8, Split.COLUMNS, 128, 96, 2, True),
        (Format.FP8_BLOCK, Split.COLUMNS, 128, 384, 2, True),
        (Format.FP8_BLOCK, Split.COLUMNS, 128, 192, 1, False),
        (Format.FP8_BLOCK, Split.ROWS, 384, 128, 2, True),
        (Format.FP8_BLOCK, Split.ROWS, 512, 128, 2, False),
        (Format.FP8_BLOCK, Split.ALL, 576, 200, 2, False),
        (Format.FP8, Split.COLUMNS, 128, 272, 2, False),
    ],
)
def test_no_rank_gets_a_part_of_a_block(
    form: Format, split: Split, rows: int, cols: int, ranks: int, stops: bool
) -> None:
    part = Module("model.layers.0.mlp.x", rows, cols)
    matrix = Matrix(Kind.DENSE, part.name, (part,), form, split)
    if not stops:
        assert sizes.held(matrix, ranks, 1, "").nbytes
        return
    with pytest.raises(sizes.Indivisible, match="has one scale for"):
        sizes.held(matrix, ranks, 1, "")


def test_only_the_last_part_of_a_matrix_may_end_inside_a_block() -> None:
    """As DeepSeek's 1536 and 576 rows of q_a_proj and kv_a_proj_with_mqa do."""
    rows = {"q_a_proj": 1536, "kv_a_proj_with_mqa": 576}
    parts = tuple(Module(f"x.{name}", size, 256) for name, size in rows.items())
    for order, stops in ((parts, False), (parts[::-1], True)):
        one = Matrix(Kind.ATTENTION, "x.a", order, Format.FP8_BLOCK, Split.ALL)
        try:
            sizes.held(one, 2, 1, "")
        except sizes.Indivisible:
            assert stops
        else:
            assert not stops


def test_experts_are_not_cut_inside_a_block(tmp_path: Path) -> None:
    found = on(known(write(tmp_path, "nemotron-3-nano")), ranks=8)
    assert any("1856" in stop or "232 inputs" in stop for stop in found.stops)
    assert on(known(tmp_path), ranks=4).stops == ()


def test_mamba_groups_are_shared_or_one() -> None:
    def counts(groups: int) -> dict[str, int]:
        return dict(mixers.divisors(mixers.Mamba(64, 64, groups, 128, 4, True, 4)))

    assert counts(8)["Mamba groups"] == 8
    assert "Mamba groups" not in counts(1)
    mixer = mixers.Mamba(48, 64, 8, 128, 4, True, 4)
    with pytest.raises(sizes.Indivisible, match="8 Mamba groups over 3 ranks"):
        sizes.check((mixer,), 3)


def test_a_draft_that_is_not_loaded_stops_nothing(tmp_path: Path) -> None:
    it = known(write(tmp_path, "glm-4.5-air"))
    draft = [m for m in it.matrices if m.kind is Kind.DRAFT]
    assert draft
    odd = Module(f"{draft[0].name}_odd", 7, 7)
    one = Matrix(Kind.DRAFT, odd.name, (odd,), Format.BF16, Split.ROWS)
    more = type(it)(it.checkpoint, it.model, (*it.matrices, one), it.kv, it.remarks)
    assert on(more, "pro6000", 2).stops == ()


# Lengths


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"max_position_embeddings": 4096}, 4096),
        ({"max_position_embeddings": 4096, "seq_length": 2048}, 2048),
        ({"max_position_embeddings": 4096, "model_max_length": 9000}, 9000),
        ({"rope_scaling": {"type": "linear", "factor": 4}}, 16384),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.5}}, 10240),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, 4096),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, 4096),
        ({"rope_parameters": {"full": {"rope_type": "linear", "factor": 2}}}, 8192),
        ({"rope_scaling": {"rope_type": "linear", "factor": None}}, 4096),
        ({"rope_scaling": None}, 4096),
    ],
    ids=str,
)
def test_the_longest_sequence(said: dict[str, Any], expected: int) -> None:
    assert longest(Fields({"max_position_embeddings": 4096} | said)) == expected


# What would do, where it cannot run


def test_a_stop_is_said_once_for_all_layers(tmp_path: Path) -> None:
    stops = on(known(write(tmp_path, "qwen3-30b-a3b")), ranks=32).stops
    assert [s for s in stops if "24 inputs of model.layers.*.mlp.experts" in s]
    assert len(stops) == 1


def test_another_cache_is_the_nearest_where_the_cache_cannot_be(
    tmp_path: Path,
) -> None:
    it = known(write(tmp_path, "gpt-oss-120b"))
    found = on(it, "pro6000", kv="nvfp4")
    assert found.stops
    first, *_ = nearest(it, found, found.wanted, selection.recorded().table)
    assert (first.give, first.found.kv) == ("KV=fp8", "fp8")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"num_key_value_heads": 3}, "a divisor of 2 heads"),
        ({"num_key_value_heads": 4}, "a divisor of 2 heads"),
        ({"partial_rotary_factor": 1.5}, "at most 1"),
        ({"num_hidden_layers": 501}, "1 to 500"),
    ],
    ids=str,
)
def test_numbers_that_no_model_has(
    more: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config(**more)), encoding="utf-8")
    with pytest.raises(Finding, match=expected):
        known(tmp_path)


# What would fit


def would_fit(it: Any, gpu: str, **more: Any) -> list[Any]:
    wanted = assess.Wanted(gpus.named(gpu), 1, 1, **more)
    table = selection.recorded().table
    return nearest(it, assess.assess(it, wanted, table), wanted, table)


def test_a_matrix_is_counted_once_for_all_that_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some twenty assessments: on as many ranks, by one backend, it is the same."""
    it = known(write(tmp_path, "qwen3.6-35b-a3b-w4a4"))
    asked: list[tuple[Any, ...]] = []

    def counted(matrix: Matrix, ranks: int, head: int, backend: str) -> sizes.Held:
        asked.append((matrix.name, ranks, backend))
        return really(matrix, ranks, head, backend)

    really = sizes.held
    monkeypatch.setattr(sizes, "held", counted)
    assert would_fit(it, "5090")
    assert {ranks for _, ranks, _ in asked} >= {1, 2}
    assert len(asked) == len(set(asked))


def test_fewer_sequences_are_offered(tmp_path: Path) -> None:
    """Those that leave a sequence its length: the logits of 256 take the rest."""
    it = known(write(tmp_path, "qwen3.6-35b-a3b-w4a4"))
    assert not on(it, "5090").fits
    rows = {row.give.split("=")[0]: row for row in would_fit(it, "5090")}
    assert list(rows) == ["CONTEXT", "SEQS", "KV", "COUNT", "GPU"]
    assert rows["SEQS"].found.context == it.model.context
    asked = rows["SEQS"].found.wanted.seqs
    assert on(it, "5090", seqs=asked).fits and not on(it, "5090", seqs=2 * asked).fits
    # Whoever asked for one alone has no fewer.
    short = would_fit(it, "5080", seqs=1)
    assert not [row for row in short if "SEQS" in row.give]


@pytest.mark.parametrize("name", ["qwen3.6-35b-a3b-w4a4", "glm-4.7"])
@pytest.mark.parametrize("gpu", ["5090", "5080"])
def test_each_row_is_of_its_kind_and_gains_something(
    name: str, gpu: str, tmp_path: Path
) -> None:
    it = known(write(tmp_path, name))
    rows = would_fit(it, gpu)
    kinds = [row.give.split("=")[0] for row in rows]
    assert len(set(kinds)) == len(kinds) and "GPU" in kinds
    reached = 0
    for row in rows:
        assert row.found.fits
        if " CONTEXT=" in row.give:
            assert row.found.context >= 1.05 * reached
        reached = max(reached, row.found.context)


def test_a_row_says_what_its_command_would(tmp_path: Path) -> None:
    """Another GPU has defaults of its own."""
    it = known(write(tmp_path, "gpt-oss-120b"))
    row = would_fit(it, "5090")[-1]
    assert "GPU='RTX PRO 6000' COUNT=1" in row.give
    assert row.found.tokens == on(it, "pro6000").tokens


@pytest.mark.parametrize(("length", "ranks"), [(90_000, 16), (120_000, 32)])
def test_no_more_gpus_than_half_of_the_length_needs(
    length: int, ranks: int, tmp_path: Path
) -> None:
    """16 of them take 50,176 tokens, and 32 all."""
    it = known(write(tmp_path, "deepseek-r1"))
    assert on(it, "5090", ranks=32, context=length).fits
    rows = would_fit(it, "5090", context=length)
    (row,) = (r for r in rows if r.give.startswith("COUNT="))
    assert row.found.wanted.ranks == ranks
    assert (row.found.context < length) == (ranks == 16)
