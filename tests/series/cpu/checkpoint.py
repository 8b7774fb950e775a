# SPDX-License-Identifier: Apache-2.0
"""A tiny NVFP4 mixture of experts, as safetensors in two checkpoint formats.

The numbers are made as ModelOpt and compressed-tensors make them: FP4 values in
blocks of 16 with an E4M3 scale each, an FP32 scale per matrix, and a calibrated scale
for each activation. The reference uses what the checkpoint says, dequantised, and
nothing of vLLM's or FlashInfer's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import torch
from safetensors.torch import save_file

BLOCK = 16
FP4_MAX, FP8_MAX = 6.0, 448.0
# The eight magnitudes of E2M1, in the order of their codes.
_E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
# Halfway between neighbours; ties are rare enough not to matter here.
_EDGES = (_E2M1[1:] + _E2M1[:-1]) / 2


class Format(Enum):
    """Who wrote the checkpoint: this decides names, and which scale is inverted."""

    # weight_scale_2 and input_scale multiply.
    MODELOPT = "modelopt"
    # weight_global_scale and input_global_scale divide.
    COMPRESSED = "compressed-tensors"


@dataclass(frozen=True)
class Shape:
    """A mixture of experts. ``sigma`` is the spread of its Gaussian weights."""

    sigma: float
    experts: int = 4
    hidden: int = 256
    intermediate: int = 128
    top_k: int = 2
    activation: str = "silu"
    seed: int = 0
    layers: int = 1

    @property
    def gated(self) -> bool:
        return not self.activation.endswith("no_mul")


@dataclass
class Matrix:
    """One quantised matrix: bytes of two FP4 codes, E4M3 scales, an FP32 scale."""

    packed: torch.Tensor
    scale: torch.Tensor
    scale_2: torch.Tensor
    input_scale: torch.Tensor = field(default_factory=lambda: torch.tensor(1.0))

    def dequantised(self) -> torch.Tensor:
        codes = torch.stack((self.packed & 0xF, self.packed >> 4), -1).flatten(-2).int()
        value = _E2M1[codes & 7] * torch.where(codes >= 8, -1.0, 1.0)
        scale = self.scale.float() * self.scale_2
        return value * scale.repeat_interleave(BLOCK, -1)


@dataclass
class Expert:
    """``gate`` is absent where the activation has no gate."""

    up: Matrix
    down: Matrix
    gate: Matrix | None


Layer = list[Expert]


def quantise(weight: torch.Tensor, amax: torch.Tensor) -> Matrix:
    """To NVFP4 with the FP32 scale that spans ``amax`` (ModelOpt's NVFP4QTensor)."""
    scale_2 = amax.float() / (FP4_MAX * FP8_MAX)
    blocks = weight.float().unflatten(-1, (-1, BLOCK))
    scale = blocks.abs().amax(-1) / (FP4_MAX * scale_2)
    scale = scale.clamp(max=FP8_MAX).to(torch.float8_e4m3fn)
    step = (scale.float() * scale_2).unsqueeze(-1)
    value = torch.where(step > 0, blocks / step, 0.0).flatten(-2)
    codes = torch.bucketize(value.abs(), _EDGES).to(torch.uint8)
    codes |= (value < 0).to(torch.uint8) << 3
    packed = codes[..., 0::2] | codes[..., 1::2] << 4
    return Matrix(packed, scale, scale_2)


def make_layers(shape: Shape, samples: int = 256) -> list[Layer]:
    """Experts with Gaussian weights, their input scales calibrated on unit noise."""
    rng = torch.Generator().manual_seed(shape.seed)
    calibration = torch.randn(samples, shape.hidden, generator=rng)
    return [
        [_expert(shape, rng, calibration) for _ in range(shape.experts)]
        for _ in range(shape.layers)
    ]


def _expert(shape: Shape, rng: torch.Generator, calibration: torch.Tensor) -> Expert:
    rows, cols = shape.intermediate, shape.hidden
    gate, up, down = (
        torch.randn(size, generator=rng) * shape.sigma
        for size in ((rows, cols), (rows, cols), (cols, rows))
    )
    amax = torch.maximum(gate.abs().max(), up.abs().max()) if shape.gated else None
    first = up.abs().max() if amax is None else amax
    made = Expert(
        up=quantise(up, first),
        down=quantise(down, down.abs().max()),
        gate=quantise(gate, first) if shape.gated else None,
    )
    span = FP4_MAX * FP8_MAX
    middle = _middle(made, calibration, shape.activation)
    made.up.input_scale = calibration.abs().max() / span
    made.down.input_scale = middle.abs().max() / span
    if made.gate is not None:
        made.gate.input_scale = made.up.input_scale.clone()
    return made


def activate(up: torch.Tensor, gate: torch.Tensor | None, name: str) -> torch.Tensor:
    """The activation that vLLM means by ``name``, in FP32."""
    functional = torch.nn.functional
    if gate is None:
        if name != "relu2_no_mul":
            raise ValueError(name)
        return functional.relu(up).square()
    if name == "silu":
        return functional.silu(gate) * up
    if name == "gelu_tanh":
        return functional.gelu(gate, approximate="tanh") * up
    raise ValueError(name)


def _middle(expert: Expert, x: torch.Tensor, activation: str) -> torch.Tensor:
    up = x @ expert.up.dequantised().T
    gate = None if expert.gate is None else x @ expert.gate.dequantised().T
    return activate(up, gate, activation)


def reference(
    layer: Layer,
    x: torch.Tensor,
    weights: torch.Tensor,
    ids: torch.Tensor,
    activation: str = "silu",
) -> torch.Tensor:
    """What the layer computes with its dequantised weights, in FP32."""
    out = torch.zeros(x.shape, dtype=torch.float32)
    for number, expert in enumerate(layer):
        share = torch.where(ids == number, weights.float(), 0.0).sum(-1, keepdim=True)
        middle = _middle(expert, x.float(), activation)
        out += share * (middle @ expert.down.dequantised().T)
    return out


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


def expert_tensors(
    layer: Layer, form: Format, prefix: str = ""
) -> dict[str, torch.Tensor]:
    """The tensors of a layer's experts, named as in a checkpoint."""
    return {
        f"{prefix}{number}.{name}_proj.{kind}": tensor
        for number, expert in enumerate(layer)
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
