# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's files beside each other: of one model, and where each thing may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.doctor.model.files import BITS
from scripts.doctor.model.formats import Format
from scripts.doctor.model.layers import Kind, kind_of
from scripts.doctor.model.main import Given, diagnose
from tests.unit.doctor.checkpoints import (
    as_file,
    config,
    header,
    known,
    on,
    tensors,
    tiny,
    write,
)

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


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"quant_method": "awq"}, False),
        ({"quant_method": "gptq_marlin", "bits": 4}, False),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 32}, False),
        (
            {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["x" * 2000]},
            False,
        ),
        ({"quant_method": "modelopt", "quant_algo": "FP3"}, True),
        ({"quant_method": ""}, True),
    ],
    ids=str,
)
def test_only_what_vllm_refuses_is_called_refused(
    more: dict[str, Any], refused: bool, tmp_path: Path
) -> None:
    tiny(tmp_path, quantization_config=more)
    if refused:
        with pytest.raises(Finding, match="vLLM would not take"):
            known(tmp_path)
        return
    with pytest.raises(Unusable, match="not known to this tool") as error:
        known(tmp_path)
    assert "vllm serve" in str(error.value.next)


# What config.json says of the structure


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("qwen3-next-80b-a3b", {"layer_types": ["foo"] * 48}, "foo for layer 0"),
        ("qwen3-next-80b-a3b", {"layer_types": ["mlp"] * 48}, "mlp for layer 0"),
        ("qwen3-next-80b-a3b", {"layer_types": "foo"}, "a list of texts"),
        ("qwen3-30b-a3b", {"layer_types": ["mamba"] * 48}, "mamba for layer 0"),
        ("gpt-oss-120b", {"layer_types": ["far"] * 36}, "far for layer 0"),
        ("gemma-4-26b-a4b", {"text_config": 7}, "an object"),
        ("qwen3-30b-a3b", {"architectures": [1]}, "a list of texts"),
        ("qwen3-30b-a3b", {"architectures": 0}, "a list of texts"),
        ("qwen3-30b-a3b", {"vision_config": 7}, "an object"),
        ("qwen3-30b-a3b", {"rope_scaling": "yarn"}, "an object"),
        ("qwen3-30b-a3b", {"mlp_only_layers": False}, "a list of whole numbers"),
        ("qwen3-30b-a3b", {"model_type": 0}, "a text"),
    ],
    ids=str,
)
def test_a_structure_of_another_kind_is_refused(
    name: str, more: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(Finding) as error:
        known(write(tmp_path, name, **more))
    assert next(iter(more)) in str(error.value.where)
    assert expected in f"{error.value.expected} {error.value.found}"


def test_kinds_of_layers_by_their_old_names_are_the_same(tmp_path: Path) -> None:
    def kinds(*names: str) -> Any:
        said = [names[(n + 1) % 4 == 0] for n in range(48)]
        return known(write(tmp_path, "qwen3-next-80b-a3b", layer_types=said)).model

    new = kinds("linear_attention", "full_attention")
    assert kinds("mamba", "attention").mixers == new.mixers
    assert len(set(new.mixers)) == 2


def test_an_architecture_that_is_not_known_is_said(tmp_path: Path) -> None:
    it = known(tiny(tmp_path, architectures=["FooForCausalLM"]))
    assert "FooForCausalLM is no architecture" in str(it.remarks)
    text, ok = diagnose(Given(tmp_path, gpu="5090"))
    assert ok and "fits, if vLLM loads it" in text.splitlines()[0]
    it = known(tiny(tmp_path, architectures=["Foo", "Qwen3MoeForCausalLM"]))
    assert "no architecture" not in str(it.remarks)
    assert "if vLLM" not in diagnose(Given(tmp_path, gpu="5090"))[0]


def test_a_vision_tower_without_sizes_is_said(tmp_path: Path) -> None:
    assert "are not counted" in str(known(tiny(tmp_path, vision_config={})).remarks)
    sizes = {"hidden_size": 64, "depth": 2}
    tiny(tmp_path, vision_config=sizes)
    (tmp_path / "model.safetensors").unlink()
    assert "are not counted" not in str(known(tmp_path).remarks)
