# SPDX-License-Identifier: Apache-2.0
"""The tiny mixture of experts as safetensors, in two checkpoint formats."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from checkpoint import BLOCK, Expert, Format, Layer, Matrix, Shape
from safetensors.torch import save_file


def matrix_tensors(matrix: Matrix, form: Format) -> dict[str, torch.Tensor]:
    """The tensors of one matrix under the names that the format gives them."""
    if form is Format.MODELOPT:
        return {
            "weight": matrix.packed,
            "weight_scale": matrix.scale,
            "weight_scale_2": matrix.scale_2,
            "input_scale": matrix.input_scale,
        }
    return {
        "weight_packed": matrix.packed,
        "weight_scale": matrix.scale,
        "weight_global_scale": 1.0 / matrix.scale_2.reshape(1),
        "input_global_scale": 1.0 / matrix.input_scale.reshape(1),
    }


def interleave(expert: Expert) -> Expert:
    """Rows of gate and up in turns, the first half of them named gate.

    vLLM puts the halves one after the other into w13, which is then as gpt-oss's
    gate_up_proj: [gate 0, up 0, gate 1, ...].
    """
    gate, up = expert.gate, expert.up

    def halves(name: str) -> tuple[torch.Tensor, ...]:
        pair = getattr(gate, name), getattr(up, name)
        return torch.stack(pair, 1).flatten(0, 1).chunk(2)

    first, second = (
        replace(up, packed=packed, scale=scale)
        for packed, scale in zip(halves("packed"), halves("scale"), strict=True)
    )
    return Expert(gate=first, up=second, down=expert.down)


def expert_tensors(
    layer: Layer, form: Format, prefix: str = "", interleaved: bool = False
) -> dict[str, torch.Tensor]:
    """The tensors of a layer's experts, named as in a checkpoint."""
    return {
        f"{prefix}{number}.{name}_proj.{kind}": tensor
        for number, expert in enumerate(
            map(interleave, layer) if interleaved else layer
        )
        for name in ("gate", "up", "down")
        if (matrix := getattr(expert, name)) is not None
        for kind, tensor in matrix_tensors(matrix, form).items()
    }


def quantization_config(form: Format) -> dict[str, object]:
    """The ``quantization_config`` of config.json: only experts are quantised."""
    if form is Format.MODELOPT:
        return {
            "quant_method": "modelopt",
            "quant_algo": "NVFP4",
            "kv_cache_quant_algo": None,
            "group_size": BLOCK,
            "ignore": ["lm_head", "*self_attn*", "*mlp.gate"],
        }
    numbers = {
        "num_bits": 4, "type": "float", "symmetric": True, "group_size": BLOCK,
        "strategy": "tensor_group",
    }  # fmt: skip
    return {
        "quant_method": "compressed-tensors",
        "format": "nvfp4-pack-quantized",
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": numbers | {"dynamic": False},
                "input_activations": numbers | {"dynamic": "local"},
            }
        },
        "ignore": ["lm_head", "re:.*self_attn.*", "re:.*mlp.gate$"],
    }


def write_model(folder: Path, shape: Shape, layers: list[Layer], form: Format) -> Path:
    """A Qwen3-MoE checkpoint of these layers, as a hub folder would hold it."""
    folder.mkdir(parents=True, exist_ok=True)
    size, vocabulary, heads, head = shape.hidden, 64, 2, 64
    config = {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "torch_dtype": "bfloat16",
        "hidden_size": size,
        "intermediate_size": size,
        "moe_intermediate_size": shape.intermediate,
        "num_experts": shape.experts,
        "num_experts_per_tok": shape.top_k,
        "num_hidden_layers": len(layers),
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": head,
        "vocab_size": vocabulary,
        "max_position_embeddings": 2048,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "norm_topk_prob": True,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "quantization_config": quantization_config(form),
    }
    rng = torch.Generator().manual_seed(shape.seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng).bfloat16()

    ones = torch.ones(size, dtype=torch.bfloat16)
    tensors = {
        "model.embed_tokens.weight": noise(vocabulary, size),
        "lm_head.weight": noise(vocabulary, size),
        "model.norm.weight": ones.clone(),
    }
    for number, layer in enumerate(layers):
        at = f"model.layers.{number}."
        for name in ("q", "k", "v"):
            tensors[f"{at}self_attn.{name}_proj.weight"] = noise(heads * head, size)
        tensors[f"{at}self_attn.o_proj.weight"] = noise(size, heads * head)
        for name in ("q_norm", "k_norm"):
            tensors[f"{at}self_attn.{name}.weight"] = ones[:head].clone()
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{at}{name}.weight"] = ones.clone()
        tensors[f"{at}mlp.gate.weight"] = noise(shape.experts, size)
        tensors |= expert_tensors(layer, form, f"{at}mlp.experts.")
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    save_file(
        {name: t.clone().contiguous() for name, t in tensors.items()},
        folder / "model.safetensors",
    )
    return folder
