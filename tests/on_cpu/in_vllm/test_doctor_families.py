# SPDX-License-Identifier: Apache-2.0
"""Matrices that the doctor derives from config.json, held to vLLM's model classes.

Each public model is made whole, unquantized, on the meta device: no memory, no kernel.
What this process lacks is stood in for: operations of compiled files, torchvision, an
MLA prefill backend.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from doctor_code import MODELS, families, fields
from loading import engine_config

NAMES = sorted(path.stem for path in MODELS.glob("*.json"))
CLASSES = {
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "Qwen3NextForCausalLM": "qwen3_next",
    "Qwen3_5MoeForCausalLM": "qwen3_5",
    "Qwen3_5ForCausalLM": "qwen3_5",
    "Glm4MoeForCausalLM": "glm4_moe",
    "MiniMaxM2ForCausalLM": "minimax_m2",
    "NemotronHForCausalLM": "nemotron_h",
    "GptOssForCausalLM": "gpt_oss",
    "Gemma4ForCausalLM": "gemma4",
    "DeepseekV3ForCausalLM": "deepseek_v2",
}
# The language models of what is multimodal, and a name that transformers lacks.
ALONE = {
    "qwen3_5_moe_text": "Qwen3_5MoeForCausalLM",
    "qwen3_5_text": "Qwen3_5ForCausalLM",
    "gemma4_text": "Gemma4ForCausalLM",
}
_OPERATIONS = (
    *("silu_and_mul", "relu_squared", "gelu_tanh_and_mul", "gelu_and_mul"),
    *("fused_add_rms_norm", "rms_norm", "rotary_embedding", "static_scaled_fp8_quant"),
    *("dynamic_scaled_fp8_quant", "dynamic_per_token_scaled_fp8_quant"),
    *("rms_norm_static_fp8_quant", "fused_add_rms_norm_static_fp8_quant"),
    *("rms_norm_dynamic_per_token_quant", "rms_norm_per_block_quant"),
    "fused_qk_norm_rope",
    "silu_and_mul_per_block_quant",
    *("silu_and_mul_quant", "silu_and_mul_nvfp4_quant", "scaled_fp4_quant.out"),
)
_TORCHVISION = ("", ".io", ".transforms", ".transforms.functional", ".transforms.v2")
_TORCHVISION = (*_TORCHVISION, ".transforms.v2.functional")


class _Any:
    """Of any arguments."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    @classmethod
    def get_name(cls) -> str:
        return "none"


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


@pytest.fixture(scope="module")
def classes(worker: None) -> Iterator[None]:
    """vLLM's model classes, with stand-ins for what this process lacks."""
    from vllm.model_executor.models.registry import ModelRegistry
    from vllm.platforms import current_platform

    library = torch.library.Library("_C", "FRAGMENT")
    for name in _OPERATIONS:
        if not hasattr(torch.ops._C, name.partition(".")[0]):
            library.define(f"{name}(Tensor! out, Tensor x) -> ()")

    def attention(_: Any, *given: Any, **named: Any) -> str:
        latent = "use_mla=True" in f"{given}{named}"
        kind = "mla.triton_mla.TritonMLA" if latent else "triton_attn.TritonAttention"
        return f"vllm.v1.attention.backends.{kind}Backend"

    was = torch.get_default_dtype()
    with pytest.MonkeyPatch.context() as patch:
        for end in _TORCHVISION:
            name = f"torchvision{end}"
            if name not in sys.modules:
                module = _Module(name)
                module.__spec__, module.__path__ = ModuleSpec(name, None), []
                patch.setitem(sys.modules, name, module)
        for name in ("Stream", "Event"):
            patch.setattr(torch.cuda, name, _Any)
        cls = type(current_platform)
        patch.setattr(cls, "get_attn_backend_cls", classmethod(attention))
        for name, value in (
            ("get_cuda_runtime_major", 13),
            ("get_mla_prefill_backend_cls", _Any),
            ("get_valid_mla_prefill_backends", [_Any]),
        ):
            patch.setattr(cls, name, lambda *_, v=value, **__: v, raising=False)
        torch.set_default_dtype(torch.bfloat16)
        for arch, file in CLASSES.items():
            module = importlib.import_module(f"vllm.model_executor.models.{file}")
            ModelRegistry.register_model(arch, getattr(module, arch))
        yield
        torch.set_default_dtype(was)
    library._destroy()


def test_every_architecture_is_one_that_vllm_registers() -> None:
    from vllm.model_executor.models.registry import ModelRegistry

    there = set(ModelRegistry.get_supported_archs())
    assert there >= families.ARCHITECTURES
    assert CLASSES.keys() <= families.ARCHITECTURES


def config_of(name: str) -> dict[str, Any]:
    whole = json.loads((MODELS / f"{name}.json").read_text("utf-8"))["files"]
    config = dict(whole["config.json"])
    config = dict(config.get("text_config", config))
    config.pop("quantization_config", None)
    if config["model_type"] in ALONE:
        config["architectures"] = [ALONE[config["model_type"]]]
    if config["model_type"] == "kimi_k2":
        config["model_type"] = "deepseek_v3"
    if config["model_type"] == "minimax_m2":
        config["scoring_func"] = "sigmoid"
    if config.get("hidden_size_per_layer_input", 0) is None:
        config["hidden_size_per_layer_input"] = 0
    return config


def predicted(config: dict[str, Any]) -> int:
    model = families.model(fields.Fields(config), fields.Fields(config))
    total = 0
    for module in model.modules:
        layer = re.search(r"layers\.(\d+)\.", module.name)
        draft = layer is not None and int(layer[1]) >= len(model.mixers)
        if draft or module.name.startswith("mtp."):
            continue
        wide = module.form is not None and module.form.value == "FP32"
        wide |= module.name.endswith(".gate") and model.family in families.FP32_GATES
        rows = module.rows
        if module.name.endswith(("embed_tokens", "lm_head", "embeddings")):
            rows = -(-rows // 64) * 64
        numbers = rows * module.cols + (module.rows if module.bias else 0)
        total += numbers * module.experts * (4 if wide else 2)
    return total


@pytest.mark.parametrize("name", NAMES)
def test_matrices_are_those_of_the_model_class(
    name: str, classes: None, folder: Path
) -> None:
    from vllm.config import set_current_vllm_config
    from vllm.model_executor.model_loader.utils import initialize_model

    config = config_of(name)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    given = engine_config(folder, "auto")
    with set_current_vllm_config(given), torch.device("meta"):
        model = initialize_model(vllm_config=given)
    found = sum(p.numel() * p.element_size() for p in model.parameters())
    # Vectors that vLLM keeps in FP32 are not told from others here.
    assert predicted(config) == pytest.approx(found, rel=1e-6)
