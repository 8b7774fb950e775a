# SPDX-License-Identifier: Apache-2.0
"""Families whose layers are of several kinds: Qwen3-Next on, Nemotron-H, Gemma 4."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from scripts.doctor.model.blocks import (
    Layer,
    attention,
    dense,
    experts,
    normed,
    norms,
    required_experts,
    routed,
)
from scripts.doctor.model.fields import Fields
from scripts.doctor.model.mixers import Attention, Delta, Mamba, Mixer, Module

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}
_QWEN_NEXT = ("qwen3_next",)
_QWEN_SPLIT = ("qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text")
BLOCKS = {
    **dict.fromkeys(("mamba", "linear_attention"), "M"),
    **dict.fromkeys(("attention", "full_attention"), "*"),
    "moe": "E",
    "mlp": "-",
}
KINDS = tuple(kind for kind, letter in BLOCKS.items() if letter in "M*")


# Qwen3-Next, Qwen3.5, 3.6


def _qwen(text: Fields, n: int, at: str) -> Layer:
    hidden = text.count("hidden_size")
    kinds = text.texts("layer_types", n + 1)
    every = text.count("full_attention_interval", default=4)
    full = BLOCKS[kinds[n]] == "*" if kinds else (n + 1) % every == 0
    mixer = _gated(text) if full else _delta(text)
    name = "self_attn" if full else "linear_attn"
    parts = [*norms(at, hidden), *mixer.modules(f"{at}.{name}", hidden)]
    return Layer(mixer, (*parts, *_qwen_mlp(text, f"{at}.mlp")))


def _gated(text: Fields) -> Attention:
    return replace(normed(attention(text)), gate=True)


def _delta(text: Fields) -> Delta:
    # Qwen3.5 says what the state is kept in, and Qwen3-Next keeps it as the rest.
    kept = _number_bytes(text, "mamba_ssm_dtype", "auto")
    return Delta(
        text.count("linear_num_key_heads"),
        text.count("linear_num_value_heads"),
        text.count("linear_key_head_dim"),
        text.count("linear_value_head_dim"),
        text.count("linear_conv_kernel_dim", least=2),
        text.text("model_type") not in _QWEN_NEXT,
        kept,
    )


def _number_bytes(text: Fields, name: str, default: str) -> int:
    """Bytes of a number of the dtype that is named there."""
    kept = text.text(name, default)
    if kept not in _BYTES:
        raise text.wrong(name, ", ".join(_BYTES), kept)
    return _BYTES[kept]


def _qwen_mlp(text: Fields, at: str) -> Iterator[Module]:
    hidden = text.count("hidden_size")
    found = experts(text, "qwen3_next")
    if found is None:
        yield from dense(at, hidden, text.count("intermediate_size"))
        return
    yield Module(f"{at}.gate", found.count, hidden)
    yield from routed(f"{at}.experts", found)
    shared = text.count("shared_expert_intermediate_size", default=0, least=0)
    if shared:
        yield from dense(f"{at}.shared_expert", hidden, shared)
        yield Module(f"{at}.shared_expert_gate", 1, hidden)


def _qwen_draft(text: Fields, n: int) -> Layer:
    hidden, at = text.count("hidden_size"), f"mtp.layers.{n}"
    mixer = _gated(text)
    parts = [*norms(at, hidden), *mixer.modules(f"{at}.self_attn", hidden)]
    parts += _qwen_mlp(text, f"{at}.mlp")
    if n == 0:
        parts.append(Module("mtp.fc", hidden, 2 * hidden))
        names = ("norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden")
        parts += norms("mtp", hidden, *names)
    return Layer(mixer, tuple(parts))


# Nemotron-H


def pattern(text: Fields) -> str:
    """A letter a layer: M Mamba, * attention, E experts, - a feed-forward part."""
    return _pattern(text, "hybrid_override_pattern", "layers_block_type")


def _pattern(text: Fields, name: str, listed: str) -> str:
    found = text.text(name)
    if not found:
        found = "".join(BLOCKS.get(kind, "?") for kind in text.texts(listed, 0))
    if not found or not set(found) <= set("M*E-"):
        raise text.wrong(name, "letters of M, *, E and -, one a layer", found)
    return found


def _nemotron(text: Fields, n: int, at: str) -> Layer:
    kinds = pattern(text)
    if n >= len(kinds):
        raise text.wrong("hybrid_override_pattern", f"{n + 1} letters", str(len(kinds)))
    return _block(text, kinds[n], at)


def _block(text: Fields, kind: str, at: str) -> Layer:
    hidden = text.count("hidden_size")
    mixer: Mixer | None = None
    parts = [Module(f"{at}.norm", hidden)]
    if kind == "M":
        mixer = _mamba(text)
        parts += mixer.modules(f"{at}.mixer", hidden)
    elif kind == "*":
        mixer = attention(text)
        parts += mixer.modules(f"{at}.mixer", hidden)
    elif kind == "-":
        parts += dense(f"{at}.mixer", hidden, text.count("intermediate_size"), False)
    else:
        parts += _nemotron_moe(text, f"{at}.mixer")
    return Layer(mixer, tuple(parts))


def _mamba(text: Fields) -> Mamba:
    return Mamba(
        text.count("mamba_num_heads"),
        text.count("mamba_head_dim"),
        text.count("n_groups"),
        text.count("ssm_state_size"),
        text.count("conv_kernel", least=2),
        text.has("use_conv_bias"),
        _number_bytes(text, "mamba_ssm_cache_dtype", "float32"),
    )


def _nemotron_moe(text: Fields, at: str) -> Iterator[Module]:
    hidden = text.count("hidden_size")
    found = required_experts(text, "nemotron_h", "n_routed_experts")
    yield Module(f"{at}.gate", found.count, hidden)
    yield Module(f"{at}.gate.e_score_correction_bias", found.count)
    yield from routed(f"{at}.experts", found)
    shared = text.count("n_shared_experts", default=0, least=0)
    if shared:
        size = shared * text.count("moe_shared_expert_intermediate_size")
        yield from dense(f"{at}.shared_experts", hidden, size, False)
    if found.hidden != hidden:
        yield Module(f"{at}.fc1_latent_proj", found.hidden, hidden)
        yield Module(f"{at}.fc2_latent_proj", hidden, found.hidden)


def _nemotron_draft(text: Fields, n: int) -> Layer:
    hidden = text.count("hidden_size")
    kinds = "*E"
    if text.has("mtp_hybrid_override_pattern") or text.has("mtp_layers_block_type"):
        names = ("mtp_hybrid_override_pattern", "mtp_layers_block_type")
        kinds = _pattern(text, *names)
    blocks = [
        _block(text, kind, f"mtp.layers.{n * len(kinds) + i}")
        for i, kind in enumerate(kinds)
    ]
    at = f"mtp.layers.{n * len(kinds)}"
    parts = [m for block in blocks for m in block.modules]
    parts.append(Module(f"{at}.eh_proj", hidden, 2 * hidden))
    parts += norms(at, hidden, "enorm", "hnorm", "final_layernorm")
    mixer = next((b.mixer for b in blocks if b.mixer is not None), None)
    return Layer(mixer, tuple(parts))


# Gemma 4


def _gemma(text: Fields, n: int, at: str) -> Layer:
    hidden = text.count("hidden_size")
    kinds = text.texts("layer_types", n + 1)
    near = kinds[n].startswith("sliding") if kinds else (n + 1) % 6 != 0
    count = text.count("num_hidden_layers")
    own = count - text.count("num_kv_shared_layers", default=0, least=0)
    mixer = attention(text, shares=n >= own)
    if near:
        window = text.count("sliding_window", default=512)
        mixer = replace(mixer, window=window)
    else:
        head = text.count("global_head_dim", default=mixer.head)
        kv = text.count("num_global_key_value_heads", default=mixer.kv_heads)
        mixer = replace(mixer, head=head, kv_heads=kv)
    size = text.count("intermediate_size")
    size *= 1 + (text.has("use_double_wide_mlp") and mixer.shares)
    parts = [*norms(at, hidden), *normed(mixer).modules(f"{at}.self_attn", hidden)]
    parts += norms(at, hidden, "pre_feedforward_layernorm")
    parts += norms(at, hidden, "post_feedforward_layernorm")
    parts += dense(f"{at}.mlp", hidden, size)
    if (found := experts(text, "gemma4")) is not None:
        parts.append(Module(f"{at}.router.proj", found.count, hidden))
        parts.append(Module(f"{at}.router.scale", hidden))
        parts.append(Module(f"{at}.router.per_expert_scale", found.count))
        names = ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2")
        parts += norms(at, hidden, *names, "pre_feedforward_layernorm_2")
        parts += routed(f"{at}.experts", found)
    if own_input := text.count("hidden_size_per_layer_input", default=0, least=0):
        parts.append(Module(f"{at}.per_layer_input_gate", own_input, hidden))
        parts.append(Module(f"{at}.per_layer_projection", hidden, own_input))
        parts += norms(at, hidden, "post_per_layer_input_norm")
    return Layer(normed(mixer), tuple(parts))


def extra(text: Fields, family: str, root: str, layers: int) -> Iterator[Module]:
    """Matrices of Gemma 4 that belong to no layer: embeddings of each of them."""
    size = text.count("hidden_size_per_layer_input", default=0, least=0)
    if not family.startswith("gemma4") or not size:
        return
    words = text.count("vocab_size_per_layer_input", "vocab_size")
    yield Module(f"{root}embed_tokens_per_layer", words, size * layers)
    hidden = text.count("hidden_size")
    yield Module(f"{root}per_layer_model_projection", size * layers, hidden)
    yield Module(f"{root}per_layer_projection_norm", size)


Rule = Callable[[Fields, int, str], Layer]
"""Fields, number of the layer, its path in the checkpoint."""
RULES: dict[str, Rule] = {
    **dict.fromkeys((*_QWEN_NEXT, *_QWEN_SPLIT), _qwen),
    "nemotron_h": _nemotron,
    **dict.fromkeys(("gemma4", "gemma4_text"), _gemma),
}
DRAFTS: dict[str, Callable[[Fields, int], Layer]] = {
    **dict.fromkeys((*_QWEN_NEXT, *_QWEN_SPLIT), _qwen_draft),
    "nemotron_h": _nemotron_draft,
}
"""Multi-token prediction that is not a further layer of the model."""
