# SPDX-License-Identifier: Apache-2.0
"""Which layer a description quantizes, and how: the doctor's answer held to vLLM's."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from doctor_code import quantization
from vllm.utils import torch_utils

# vLLM's module, its class, and the checkpoint's modules that it is made of.
LINEAR, EXPERTS, HEAD = "QKVParallelLinear", "RoutedExperts", "ParallelLMHead"
ATTENTION, MLP = "model.layers.3.self_attn", "model.layers.3.mlp"
LAYERS: list[tuple[str, str, list[str]]] = [
    (f"{ATTENTION}.qkv_proj", LINEAR, [f"{ATTENTION}.{p}_proj" for p in "qkv"]),
    (f"{ATTENTION}.o_proj", LINEAR, [f"{ATTENTION}.o_proj"]),
    (f"{MLP}.gate_up_proj", LINEAR, [f"{MLP}.{p}_proj" for p in ("gate", "up")]),
    (f"{MLP}.down_proj", LINEAR, [f"{MLP}.down_proj"]),
    (f"{MLP}.shared_expert.down_proj", LINEAR, [f"{MLP}.shared_expert.down_proj"]),
    (f"{MLP}.experts", EXPERTS, [f"{MLP}.experts"]),
    ("model.layers.12.mlp.experts", EXPERTS, ["model.layers.12.mlp.experts"]),
    ("lm_head", HEAD, ["lm_head"]),
]
REFUSED = "refused"
FUSED = {"qkv_proj": ["q_proj", "k_proj", "v_proj"]}
FUSED["gate_up_proj"] = ["gate_proj", "up_proj"]


def answers(description: dict[str, Any]) -> dict[str, str]:
    """The doctor's; several formats in one module of vLLM's are what it refuses."""
    form = quantization.rules(description).form
    found = {}
    for name, _, parts in LAYERS:
        forms = {form(part).value for part in parts}
        found[name] = forms.pop() if len(forms) == 1 else REFUSED
    return found


# ModelOpt


ALGOS = {
    "NVFP4": "NVFP4 W4A4",
    "W4A16_NVFP4": "NVFP4 W4A16",
    "FP8": "FP8",
    "FP8_PB_WO": "FP8 in blocks",
    "FP8_PER_CHANNEL_PER_TOKEN": "FP8",
    "MXFP8": "MXFP8",
    None: "BF16",
}


def modelopt(description: dict[str, Any]) -> dict[str, str]:
    from vllm.model_executor.layers.quantization import modelopt as m
    from vllm.model_executor.models.utils import WeightsMapper

    inner = description.get("quantization", description)
    algo = inner["quant_algo"].upper()
    mixed = algo == "MIXED_PRECISION"
    cls = m.ModelOptMixedPrecisionConfig if mixed else m.ModelOptNvFp4Config
    config = cls.from_config(copy.deepcopy(description))
    config.packed_modules_mapping = FUSED
    config.apply_vllm_mapper(WeightsMapper())
    found = {}
    for name, _, _ in LAYERS:
        try:
            out = config.is_layer_excluded(name)
            own = config._resolve_quant_algo(name) if mixed else algo
        except ValueError as error:
            assert "shards" in str(error)
            found[name] = REFUSED
        else:
            found[name] = "BF16" if out else ALGOS[own]
    return found


def nvfp4(*names: str, key: str = "ignore", **more: Any) -> dict[str, Any]:
    said = {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16}
    return said | {key: list(names)} | more


def legacy(*names: str, **more: Any) -> dict[str, Any]:
    inner = {"quant_algo": "NVFP4", "group_size": 16, "kv_cache_quant_algo": None}
    inner |= {"exclude_modules": list(names)}
    return {"quant_method": "modelopt", "quantization": inner | more}


def mixed(**layers: str) -> dict[str, Any]:
    said = {name.replace("__", "."): {"quant_algo": a} for name, a in layers.items()}
    return {
        "quant_method": "modelopt",
        "quant_algo": "MIXED_PRECISION",
        "quantized_layers": said,
    }


DESCRIPTIONS = [
    nvfp4(),
    nvfp4("lm_head"),
    nvfp4("lm_head", "*self_attn*"),
    nvfp4("model.layers.3*"),
    nvfp4("model.layers.1*"),
    nvfp4("model.layers.3.self_attn.q_proj", *(f"{ATTENTION}.{p}_proj" for p in "kv")),
    nvfp4("*.mlp.experts.*"),
    nvfp4("*mlp.experts*"),
    nvfp4("model.layers.3.mlp.experts.0.gate_proj"),
    nvfp4("model.layers.3.mlp.experts"),
    nvfp4("self_attn"),
    nvfp4("model.layers.3.self_attn.qkv_proj"),
    nvfp4("*qkv_proj", "*.down_proj"),
    nvfp4("*.q_proj", "*.k_proj", "*.v_proj"),
    nvfp4("q_proj"),
    nvfp4("model.layers.3.self_attn.q_proj"),
    nvfp4(
        "model.layers.3.self_attn.q_proj*", *(f"{ATTENTION}.{p}_proj*" for p in "kv")
    ),
    nvfp4("gate_up"),
    nvfp4("*"),
    nvfp4("model.layers.[13].*"),
    nvfp4("model.layers.?.mlp*"),
    nvfp4("*shared_expert*", key="exclude_modules"),
    nvfp4("lm_head", exclude_modules=["*self_attn*"]),
    nvfp4(exclude_modules=["*self_attn*"]),
    nvfp4("lm_head", quant_algo="nvfp4"),
    nvfp4("lm_head", quant_algo="W4A16_NVFP4"),
    legacy("lm_head", "*self_attn*"),
    legacy("lm_head", ignore=["*self_attn*"]),
    legacy("", "lm_head"),
    mixed(
        model__layers__3__self_attn__q_proj="FP8",
        model__layers__3__self_attn__k_proj="FP8",
        model__layers__3__self_attn__v_proj="FP8",
        model__layers__3__mlp__experts="NVFP4",
    ),
    mixed(model__layers__3__mlp__experts__0__gate_proj="W4A16_NVFP4", lm_head="FP8"),
    mixed(model__layers__12__mlp__gate_proj="NVFP4"),
    mixed(model__layers__3__mlp__down_proj="FP8_PB_WO", lm_head="mxfp8"),
    mixed(model__layers__3__mlp__gate_up_proj="NVFP4"),
    mixed(
        model__layers__3__mlp__gate_proj="FP8", model__layers__3__mlp__up_proj="NVFP4"
    ),
    mixed(
        model__layers__3__mlp__gate_proj="NVFP4", model__layers__3__mlp__up_proj="NVFP4"
    )
    | {"ignore": ["model.layers.3.mlp.shared_expert*"]},
]


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=range(len(DESCRIPTIONS)))
def test_modelopt(worker: None, description: dict[str, Any]) -> None:
    assert answers(description) == modelopt(description)


# compressed-tensors


def group(*targets: str, bits: int = 4, **more: Any) -> dict[str, Any]:
    said = {"num_bits": bits, "type": "float", "symmetric": True, "dynamic": False}
    if bits == 4:
        said |= {"strategy": "tensor_group", "group_size": 16}
    else:
        said |= {"strategy": "channel"}
    half = said | {"dynamic": "local"} if bits == 4 else None
    found = {"targets": list(targets), "weights": said, "input_activations": half}
    return found | more


def compressed(*groups: dict[str, Any], ignore: tuple[str, ...] = ()) -> Any:
    return {
        "quant_method": "compressed-tensors",
        "format": "nvfp4-pack-quantized",
        "config_groups": {f"group_{n}": each for n, each in enumerate(groups)},
        "ignore": list(ignore),
    }


def by_vllm(description: dict[str, Any]) -> dict[str, str]:
    from vllm.model_executor.layers.quantization.compressed_tensors import (
        compressed_tensors as m,
    )

    config = m.CompressedTensorsConfig.from_config(copy.deepcopy(description))
    config.packed_modules_mapping = FUSED
    found = {}
    for name, kind, _ in LAYERS:
        layer = type(kind, (torch.nn.Module,), {})()
        names = [name]
        if kind == EXPERTS:
            config._add_fused_moe_to_target_scheme_map()
            names = [f"{name}.0.{p}_proj" for p in ("gate", "up", "down")]
        try:
            schemes = [config.get_scheme_dict(layer, each) for each in names]
        except ValueError as error:
            assert "shards" in str(error)
            found[name] = REFUSED
            continue
        assert all(each == schemes[0] for each in schemes)
        if schemes[0] is None or schemes[0]["weights"] is None:
            found[name] = "BF16"
            continue
        bits = schemes[0]["weights"].num_bits
        half = schemes[0]["input_activations"] is None
        found[name] = "FP8" if bits == 8 else f"NVFP4 W4A{16 if half else 4}"
    return found


GROUPS = [
    compressed(group("Linear")),
    compressed(group("Linear"), ignore=("lm_head",)),
    compressed(group("Linear"), ignore=("re:.*self_attn.*", "lm_head")),
    compressed(group("Linear"), ignore=("re:.*mlp.experts.*",)),
    compressed(group("Linear"), ignore=("re:.*experts$",)),
    compressed(group("Linear"), ignore=(f"{MLP}.experts",)),
    compressed(group("Linear"), ignore=("re:self_attn",)),
    compressed(group("Linear"), ignore=("re:^model.layers.1.*",)),
    compressed(group("Linear"), ignore=tuple(f"{ATTENTION}.{p}_proj" for p in "qkv")),
    compressed(group("Linear", input_activations=None)),
    compressed(
        group("re:.*experts.*"), group("re:.*self_attn.*", bits=8), ignore=("lm_head",)
    ),
    compressed(group("re:.*mlp.*"), group("Linear", bits=8)),
    compressed(group("RoutedExperts"), group("re:.*o_proj$", bits=8)),
    compressed(group("re:.*lm_head"), group("Linear", bits=8)),
    compressed(group("re:.*(gate|up|down)_proj$")),
    compressed(group(f"{MLP}.down_proj")),
    compressed(group("FusedMoE")),
    compressed(group("Linear"), ignore=(f"{ATTENTION}.qkv_proj",)),
    compressed(group("Linear"), ignore=("re:.*qkv_proj", "re:.*gate_up_proj$")),
    compressed(group("Linear"), ignore=("re:.*q_proj$",)),
    compressed(group("re:.*qkv_proj"), group("re:.*[qkv]_proj$", bits=8)),
    compressed(group("Linear"), group("RoutedExperts", bits=8)),
]


@pytest.mark.parametrize("description", GROUPS, ids=range(len(GROUPS)))
def test_compressed_tensors(worker: None, description: dict[str, Any]) -> None:
    assert answers(description) == by_vllm(description)


# The KV cache


CACHES = [
    nvfp4(kv_cache_quant_algo="FP8"),
    nvfp4(kv_cache_quant_algo="NVFP4"),
    nvfp4(kv_cache_quant_algo="INT8"),
    nvfp4(kv_cache_scheme={"num_bits": 8, "type": "float", "dynamic": False}),
    nvfp4(kv_cache_scheme={"num_bits": 8, "type": "float", "dynamic": True}),
    nvfp4(kv_cache_scheme={"num_bits": 8, "type": "int", "dynamic": False}),
    nvfp4(kv_cache_scheme={"num_bits": 4, "type": "float"}),
    nvfp4(kv_cache_scheme=None),
    legacy(kv_cache_quant_algo="FP8"),
    legacy(kv_cache_quant_algo=None),
    legacy(kv_cache_quant_algo=""),
]


@pytest.mark.parametrize("description", CACHES, ids=range(len(CACHES)))
def test_the_kv_cache_that_modelopt_asks_for(description: dict[str, Any]) -> None:
    said = torch_utils.get_kv_cache_quant_algo_string(copy.deepcopy(description))
    want = re.sub("_e4m3$", "", said) if said and said != "auto" else None
    assert quantization.rules(description).kv == want
