# SPDX-License-Identifier: Apache-2.0
"""Odd sizes of models: what vLLM would not load is said, what it loads is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.doctor.model import mixers, sizes
from scripts.doctor.model.fields import Fields
from scripts.doctor.model.files import BITS
from scripts.doctor.model.formats import Format
from scripts.doctor.model.layers import Kind, Matrix, Split, kind_of
from scripts.doctor.model.mixers import Module
from scripts.doctor.model.positions import longest
from scripts.errors import Finding
from tests.scripts.model_help import (
    as_file,
    config,
    facts,
    header,
    known,
    on,
    tensors,
    tiny,
    write,
)


def test_words_are_shared_evenly_or_not_at_all(tmp_path: Path) -> None:
    it = known(write(tmp_path, "deepseek-r1"))
    found = on(it, ranks=3)
    assert "vLLM cannot share 129280 words of lm_head over 3 ranks" in found.stops
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


# Files beside config.json


def spoilt(folder: Path, change: Any, **more: Any) -> Any:
    """Faults of a tiny checkpoint whose config.json says `more`, and its files not."""
    tiny(folder)
    found = tensors(config())
    change(found)
    (folder / "model.safetensors").write_bytes(as_file(header(found)))
    said = json.dumps(config(**more))
    (folder / "config.json").write_text(said, encoding="utf-8")
    return known(folder)


def faults(it: Any) -> str:
    return " ".join(r.what for r in it.remarks if r.level.value == "fault")


def test_files_that_are_config_jsons_have_no_fault(tmp_path: Path) -> None:
    assert faults(spoilt(tmp_path, lambda _: None)) == ""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"num_experts": 8}, "mlp.gate: 4 x 256, and not 8 x 256"),
        ({"moe_intermediate_size": 256}, "of 128 x 256, and not 4 experts of 256"),
        ({"hidden_size": 512}, "have another shape in the files than by config.json"),
        ({"num_hidden_layers": 4}, "2 of the 4 layers that config.json counts"),
        ({"vocab_size": 128}, "embed_tokens: 64 x 256, and not 128 x 256"),
    ],
    ids=str,
)
def test_files_and_config_json_are_of_one_model(
    more: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    assert expected in faults(spoilt(tmp_path, lambda _: None, **more))


def test_experts_that_are_in_no_file(tmp_path: Path) -> None:
    def fewer(found: Any) -> None:
        for name in [n for n in found if ".experts.3." in n]:
            del found[name]

    said = faults(spoilt(tmp_path, fewer))
    assert "3 experts of 128 x 256, and not 4 experts of 128 x 256" in said


def test_a_head_that_is_the_embedding_is_not_counted(tmp_path: Path) -> None:
    tied = spoilt(tmp_path, lambda _: None, tie_word_embeddings=True)
    assert {m.kind for m in tied.matrices} & {Kind.LM_HEAD, Kind.EMBEDDING} == {
        Kind.EMBEDDING
    }
    (tmp_path / "model.safetensors").unlink()
    assert on(tied).weights == on(known(tmp_path)).weights


def test_a_number_of_a_layer_longer_than_python_takes(tmp_path: Path) -> None:
    name = f"model.layers.{'9' * 5000}.mlp.gate"
    assert kind_of(name, 2) is Kind.ROUTER

    def more(found: Any) -> None:
        found[f"{name}.weight"] = ("BF16", [4, 256])

    assert BITS["BF16"] == 16
    assert on(spoilt(tmp_path, more)).weights


# Where a description may stand


MIXED = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}
LISTED = {
    f"model.layers.{n}.mlp.experts": {"quant_algo": "NVFP4", "group_size": 16}
    for n in range(2)
}


def test_the_list_of_a_mixture_may_be_in_the_other_file(tmp_path: Path) -> None:
    other = {"quantization": {"quant_algo": MIXED["quant_algo"]}}
    tiny(tmp_path, quantization_config=MIXED)
    path = tmp_path / "hf_quant_config.json"
    with pytest.raises(Finding, match="quantized_layers"):
        known(tmp_path)
    other["quantization"]["quantized_layers"] = LISTED  # type: ignore[assignment]
    path.write_text(json.dumps(other), encoding="utf-8")
    it = known(tmp_path)
    (row,) = (r for r in on(it).rows if r.kind is Kind.EXPERTS)
    assert row.form is Format.NVFP4
    assert faults(it) == ""


def test_hf_quant_config_json_lacks_what_vllm_needs(tmp_path: Path) -> None:
    tiny(tmp_path, quantization_config=None)
    said = {"quant_algo": "NVFP4", "group_size": 16, "exclude_modules": []}
    path = tmp_path / "hf_quant_config.json"
    path.write_text(json.dumps({"quantization": said}), encoding="utf-8")
    with pytest.raises(Finding, match="no kv_cache_quant_algo"):
        known(tmp_path)


@pytest.mark.parametrize("place", ["text_config", "compression_config"])
def test_other_places_of_a_description(place: str, tmp_path: Path) -> None:
    said = config()
    own = said.pop("quantization_config")
    if place == "text_config":
        said = {"model_type": "wrapped", "text_config": said | {}}
        said["text_config"]["quantization_config"] = own
    else:
        said[place] = own
    (tmp_path / "config.json").write_text(json.dumps(said), encoding="utf-8")
    (row,) = (r for r in on(known(tmp_path)).rows if r.kind is Kind.EXPERTS)
    assert row.form is Format.NVFP4


@pytest.mark.parametrize("scheme", [{"num_bits": 4, "type": "float"}, "fp8", {}])
def test_a_cache_that_compressed_tensors_refuses(scheme: Any, tmp_path: Path) -> None:
    group = {
        "targets": ["Linear"],
        "weights": {"num_bits": 4, "type": "float", "group_size": 16},
    }
    said = {"quant_method": "compressed-tensors", "config_groups": {"a": group}}
    said["kv_cache_scheme"] = scheme
    tiny(tmp_path, quantization_config=said)
    with pytest.raises(Finding, match="kv_cache_scheme of 8 bits"):
        known(tmp_path)
