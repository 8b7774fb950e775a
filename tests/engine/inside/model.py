# SPDX-License-Identifier: Apache-2.0
"""A tiny Qwen3-MoE as a hub folder: NVFP4 in two formats, or the same in BF16.

Its numbers are chosen so that the experts matter whatever the spread of their
weights: the norm before them has a gain that makes what the gate projection gives of
unit size, and embedding and attention are as large as what the experts add. So every
sigma is the same function at another scale, and the error that a kernel makes with
small scales is not drowned by the residual.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from checkpoint import Format, Layer, Matrix, Shape, make_layers, quantise
from checkpoint_files import expert_tensors, matrix_tensors, quantization_config
from safetensors.torch import save_file
from vocabulary import SIZE, write_tokenizer

HEADS, HEAD = 2, 64
# Norm of silu(g) * u over that of g, for independent unit Gaussians, about.
_MIDDLE = 0.6


@dataclass(frozen=True)
class Tiny:
    """What the checkpoint is.

    Attributes:
        sigma: Spread of the experts' weights.
        form: Who wrote it; None is BF16, with the weights of the quantised one.
        linear: Attention is NVFP4 as well, else BF16.
        seed: Of all its numbers.
        dense: Layers with one NVFP4 MLP, or a BF16 one, in place of experts.
        plain: Layers that are BF16 in whole.
    """

    sigma: float
    form: Format | None = Format.MODELOPT
    linear: bool = False
    layers: int = 2
    experts: int = 8
    hidden: int = 256
    intermediate: int = 256
    top_k: int = 2
    seed: int = 0
    dense: tuple[int, ...] = ()
    plain: tuple[int, ...] = ()

    @property
    def shape(self) -> Shape:
        return Shape(
            self.sigma, self.experts, self.hidden, self.intermediate, self.top_k,
            seed=self.seed, layers=self.layers,
        )  # fmt: skip

    @property
    def gain(self) -> float:
        """Of the norm before the experts."""
        return 1 / (self.sigma * self.hidden**0.5)

    @property
    def size(self) -> float:
        """Root mean square of what a layer's experts add."""
        return self.sigma * self.intermediate**0.5 * _MIDDLE


def write(folder: Path, tiny: Tiny) -> Path:
    """The checkpoint of `tiny` with its tokenizer, as a hub folder would hold it."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = make_layers(tiny.shape, amplitude=tiny.gain)
    rng = torch.Generator().manual_seed(tiny.seed)

    def noise(rows: int, cols: int, spread: float) -> torch.Tensor:
        return (torch.randn(rows, cols, generator=rng) * spread).bfloat16()

    def ones(size: int, value: float = 1.0) -> torch.Tensor:
        return torch.full((size,), value, dtype=torch.bfloat16)

    size, inner, spread = tiny.hidden, HEADS * HEAD, tiny.hidden**-0.5
    tensors = {
        "model.embed_tokens.weight": noise(SIZE, size, tiny.size),
        "lm_head.weight": noise(SIZE, size, 3 * spread),
        "model.norm.weight": ones(size),
    }
    for number, layer in enumerate(layers):
        at = f"model.layers.{number}."
        form = None if number in tiny.plain else tiny.form
        linear = {
            "q": noise(inner, size, spread),
            "k": noise(inner, size, spread),
            "v": noise(inner, size, spread),
            "o": noise(size, inner, tiny.size * inner**-0.5),
        }
        tensors |= _linear(f"{at}self_attn.", linear, form, tiny.linear)
        tensors |= {f"{at}self_attn.{n}_norm.weight": ones(HEAD) for n in "qk"}
        tensors[f"{at}input_layernorm.weight"] = ones(size)
        if number in tiny.dense:
            tensors[f"{at}post_attention_layernorm.weight"] = ones(size)
            linear = {
                "gate": noise(size, size, spread),
                "up": noise(size, size, spread),
                "down": noise(size, size, tiny.size * spread / _MIDDLE),
            }
            tensors |= _linear(f"{at}mlp.", linear, form, quantised=True)
            continue
        tensors[f"{at}post_attention_layernorm.weight"] = ones(size, tiny.gain)
        tensors[f"{at}mlp.gate.weight"] = noise(tiny.experts, size, spread / tiny.gain)
        tensors |= experts(layer, form, f"{at}mlp.experts.")
    save_file(
        {name: t.clone().contiguous() for name, t in tensors.items()},
        folder / "model.safetensors",
    )
    text = json.dumps(config(tiny), indent=1)
    (folder / "config.json").write_text(text, encoding="utf-8")
    write_tokenizer(folder)
    return folder


def config(tiny: Tiny) -> dict[str, object]:
    """Its config.json."""
    said: dict[str, object] = {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "torch_dtype": "bfloat16",
        "hidden_size": tiny.hidden,
        "intermediate_size": tiny.hidden,
        "moe_intermediate_size": tiny.intermediate,
        "num_experts": tiny.experts,
        "num_experts_per_tok": tiny.top_k,
        "num_hidden_layers": tiny.layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HEAD,
        "vocab_size": SIZE,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-9,
        "decoder_sparse_step": 1,
        "mlp_only_layers": list(tiny.dense),
        "norm_topk_prob": True,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    if tiny.form is not None:
        said["quantization_config"] = _quantization(tiny)
    return said


def _quantization(tiny: Tiny) -> dict[str, object]:
    assert tiny.form is not None
    said = quantization_config(tiny.form)
    if tiny.linear:
        said["ignore"] = [n for n in said["ignore"] if "self_attn" not in n]
    start = "re:" if tiny.form is Format.COMPRESSED else ""
    said["ignore"] += [f"{start}model.layers.{number}.*" for number in tiny.plain]
    return said


def experts(layer: Layer, form: Format | None, prefix: str) -> dict[str, torch.Tensor]:
    """A layer's experts under their names, in NVFP4 or dequantised."""
    if form is not None:
        return expert_tensors(layer, form, prefix)
    return {
        f"{prefix}{number}.{name}_proj.weight": matrix.dequantised().bfloat16()
        for number, expert in enumerate(layer)
        for name in ("gate", "up", "down")
        if (matrix := getattr(expert, name)) is not None
    }


def _linear(
    prefix: str,
    linear: dict[str, torch.Tensor],
    form: Format | None,
    quantised: bool,
) -> dict[str, torch.Tensor]:
    """Attention or an MLP; all but its last are one matrix in vLLM, with one scale."""
    if not quantised:
        return {f"{prefix}{n}_proj.weight": t for n, t in linear.items()}
    *first, last = linear
    shared = torch.stack([linear[n].abs().max() for n in first]).max()
    made: dict[str, torch.Tensor] = {}
    for name, weight in linear.items():
        matrix = quantise(weight, weight.abs().max() if name == last else shared)
        # A norm's output of unit size; what comes to the last is smaller.
        matrix = replace(matrix, input_scale=torch.tensor(6.0 / (6 * 448)))
        made |= {
            f"{prefix}{name}_proj.{kind}": tensor
            for kind, tensor in _matrix(matrix, form).items()
        }
    return made


def _matrix(matrix: Matrix, form: Format | None) -> dict[str, torch.Tensor]:
    if form is None:
        return {"weight": matrix.dequantised().bfloat16()}
    return matrix_tensors(matrix, form)
