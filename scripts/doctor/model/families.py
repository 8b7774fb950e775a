# SPDX-License-Identifier: Apache-2.0
"""What a config.json stands for: layers, experts and matrices, family by family.

A family is a `model_type`. Names of its fields are those of the published files, shapes
those of vLLM 0.33.0's model classes: tests/on_cpu/in_vllm/test_doctor_families.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scripts.base.errors import Unusable
from scripts.doctor.model import hybrids, positions
from scripts.doctor.model.blocks import (
    Experts,
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
from scripts.doctor.model.hybrids import Rule
from scripts.doctor.model.layers import layer_of
from scripts.doctor.model.mixers import Attention, Latent, Mixer, Module
from scripts.doctor.model.vision import vision

_LAYERS = 500


@dataclass(frozen=True)
class Model:
    """A model, by its config.json.

    Attributes:
        family: Its model_type; empty where it is none that is known here.
        mixers: Of each layer.
        draft: Of each layer of its multi-token prediction (MTP).
        modules: Its matrices; empty where the family is not known.
        context: Longest sequence that it was made for.
        rotary: Rows and columns of each table of cosines and sines that vLLM keeps.
        unregistered: Its architectures, where vLLM is not known to have one of them.
    """

    family: str
    hidden: int
    vocabulary: int
    mixers: tuple[Mixer | None, ...]
    draft: tuple[Mixer | None, ...]
    experts: Experts | None
    modules: tuple[Module, ...]
    context: int
    rotary: tuple[tuple[int, int], ...] = ()
    tied: bool = False
    unregistered: str = ""

    def kv_head(self, name: str) -> int:
        """Rows of one key head in the layer of that module; 1 where it has none."""
        layers = (*self.mixers, *self.draft)
        if name.startswith("mtp.") or ".mtp." in name:
            layers = self.draft
        number = layer_of(name)
        mixer = layers[number] if 0 <= number < len(layers) else None
        return mixer.head if isinstance(mixer, Attention) else 1


def model(config: Fields, text: Fields) -> Model:
    """Read a model.

    Args:
        config: config.json.
        text: Its language model's part, often the same.

    Raises:
        Finding: A number is missing or senseless.
    """
    family = text.text("model_type") or config.text("model_type")
    family = config.text("model_type") if family not in RULES else family
    hidden = text.count("hidden_size")
    known = RULES.get(family)
    count = text.count("num_hidden_layers", "num_layers", default=0, least=0)
    count = count or len(text.text("hybrid_override_pattern"))
    if not 0 < count <= _LAYERS:
        raise text.wrong("num_hidden_layers", f"1 to {_LAYERS}", str(count))
    if known:
        _known_kinds(text, family, count)
    root = _root(family, config is text or config.data is text.data)
    layers = [(known or _plain)(text, n, f"{root}layers.{n}") for n in range(count)]
    draft = _draft(text, family, count, root) if known else []
    vocabulary = text.count("vocab_size")
    tied = text.has("tie_word_embeddings") or config.has("tie_word_embeddings")
    tied = tied or family.startswith("gemma")
    ends = [Module(f"{root}{_embedding(family)}", vocabulary, hidden)]
    ends.append(
        Module(f"{root}{'norm_f' if family == 'nemotron_h' else 'norm'}", hidden)
    )
    if not tied:
        ends.append(Module("lm_head", vocabulary, hidden))
    parts = [*ends, *(m for layer in (*layers, *draft) for m in layer.modules)]
    parts += hybrids.extra(text, family, root, count)
    parts += vision(config)
    found = experts(text, family)
    if family == "nemotron_h" and "E" not in hybrids.pattern(text):
        found = None
    return Model(
        family if known else "",
        hidden,
        vocabulary,
        tuple(layer.mixer for layer in layers),
        tuple(layer.mixer for layer in draft),
        found,
        tuple(parts) if known else (),
        positions.longest(text),
        positions.tables(text, [layer.mixer for layer in layers]),
        tied,
        _unregistered(config),
    )


def _known_kinds(text: Fields, family: str, count: int) -> None:
    """See that the kinds of layers are such as that family has.

    Raises:
        Finding: One is not.
    """
    kinds = _KINDS.get(family, _ATTENTION)
    for n, each in enumerate(text.texts("layer_types", count)):
        if each not in kinds:
            what = f"{each[:60]} for layer {n}"
            raise text.wrong("layer_types", f"{', '.join(kinds)} for each layer", what)


def _unregistered(config: Fields) -> str:
    said = config.texts("architectures", 0)
    return "" if not said or ARCHITECTURES & set(said) else ", ".join(said)[:120]


def _root(family: str, alone: bool) -> str:
    if family == "nemotron_h":
        return "backbone."
    if alone:
        return "model."
    return "language_model.model." if family in _KIMI else "model.language_model."


def _embedding(family: str) -> str:
    return "embeddings" if family == "nemotron_h" else "embed_tokens"


# Families


def _plain(text: Fields, n: int, at: str) -> Layer:
    """Llama, Mistral, Qwen3: grouped-query attention and one MLP."""
    hidden = text.count("hidden_size")
    mixer = attention(text, bias=text.has("attention_bias"))
    mixer = normed(mixer) if "qwen3" in text.text("model_type") else mixer
    size = text.count("intermediate_size", default=hidden)
    parts = [*norms(at, hidden), *mixer.modules(f"{at}.self_attn", hidden)]
    return Layer(mixer, (*parts, *dense(f"{at}.mlp", hidden, size)))


def _qwen3_moe(text: Fields, n: int, at: str) -> Layer:
    hidden = text.count("hidden_size")
    mixer = normed(attention(text, bias=text.has("attention_bias")))
    found = experts(text, "qwen3_moe")
    step = text.count("decoder_sparse_step", default=1)
    is_dense = n in text.numbers("mlp_only_layers") or (n + 1) % step
    parts = [*norms(at, hidden), *mixer.modules(f"{at}.self_attn", hidden)]
    if found is None or is_dense:
        size = text.count("intermediate_size")
        parts += dense(f"{at}.mlp", hidden, size)
    else:
        parts.append(Module(f"{at}.mlp.gate", found.count, hidden))
        parts += routed(f"{at}.mlp.experts", found)
    return Layer(mixer, tuple(parts))


def _deep(text: Fields, n: int, at: str, mixer: Mixer, family: str) -> Layer:
    """DeepSeek's plan: the first layers dense, the others with shared experts."""
    hidden = text.count("hidden_size")
    found = experts(text, family)
    parts = [*norms(at, hidden), *mixer.modules(f"{at}.self_attn", hidden)]
    if found is None or n < text.count("first_k_dense_replace", default=0, least=0):
        parts += dense(f"{at}.mlp", hidden, text.count("intermediate_size"))
        return Layer(mixer, tuple(parts))
    parts.append(Module(f"{at}.mlp.gate", found.count, hidden))
    parts.append(Module(f"{at}.mlp.gate.e_score_correction_bias", found.count))
    parts += routed(f"{at}.mlp.experts", found)
    shared = text.count("n_shared_experts", default=0, least=0) * found.intermediate
    if shared:
        parts += dense(f"{at}.mlp.shared_experts", hidden, shared)
    return Layer(mixer, tuple(parts))


def _glm4_moe(text: Fields, n: int, at: str) -> Layer:
    mixer = attention(text, bias=text.has("attention_bias"))
    mixer = normed(mixer) if text.has("use_qk_norm") else mixer
    return _deep(text, n, at, mixer, "glm4_moe")


def _latent(text: Fields, n: int, at: str) -> Layer:
    index = None
    if text.has("index_n_heads"):
        index = text.count("index_n_heads"), text.count("index_head_dim")
    mixer = Latent(
        text.count("num_attention_heads"),
        text.count("q_lora_rank", default=0, least=0),
        text.count("kv_lora_rank"),
        text.count("qk_nope_head_dim"),
        text.count("qk_rope_head_dim"),
        text.count("v_head_dim"),
        index,
    )
    return _deep(text, n, at, mixer, "deepseek_v3")


def _minimax(text: Fields, n: int, at: str) -> Layer:
    hidden = text.count("hidden_size")
    found = required_experts(text, "minimax_m2", "num_local_experts")
    # Its norms span all heads.
    mixer = replace(attention(text), norms=-1)
    moe = f"{at}.block_sparse_moe"
    parts = [*norms(at, hidden), *mixer.modules(f"{at}.self_attn", hidden)]
    parts.append(Module(f"{moe}.gate", found.count, hidden))
    parts.append(Module(f"{moe}.e_score_correction_bias", found.count))
    parts += routed(f"{moe}.experts", found)
    return Layer(mixer, tuple(parts))


def _gpt_oss(text: Fields, n: int, at: str) -> Layer:
    hidden = text.count("hidden_size")
    found = required_experts(text, "gpt_oss", "num_local_experts")
    kinds = text.texts("layer_types", n + 1)
    near = kinds[n].startswith("sliding") if kinds else n % 2 == 0
    window = text.count("sliding_window", default=128) if near else 0
    mixer = attention(text, window=window, bias=1, out_bias=1, sinks=1)
    parts = [*norms(at, hidden), *mixer.modules(f"{at}.self_attn", hidden)]
    parts.append(Module(f"{at}.mlp.router", found.count, hidden, bias=True))
    parts += routed(f"{at}.mlp.experts", found)
    return Layer(mixer, tuple(parts))


_KIMI = ("kimi_k2", "kimi_k25", "deepseek_v3")
FP32_GATES = ("glm4_moe", "minimax_m2", "nemotron_h")
"""Families whose router vLLM keeps in FP32, whatever the checkpoint has it in."""
RULES: dict[str, Rule] = {
    **dict.fromkeys(("llama", "mistral", "qwen3"), _plain),
    "qwen3_moe": _qwen3_moe,
    "glm4_moe": _glm4_moe,
    **dict.fromkeys((*_KIMI, "deepseek_v32"), _latent),
    "minimax_m2": _minimax,
    "gpt_oss": _gpt_oss,
    **hybrids.RULES,
}
ARCHITECTURES = frozenset(
    (
        *("LlamaForCausalLM", "MistralForCausalLM", "Qwen3ForCausalLM"),
        *("Qwen3MoeForCausalLM", "Qwen3NextForCausalLM", "Glm4MoeForCausalLM"),
        *("Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration"),
        *("Qwen3_5MoeForCausalLM", "Qwen3_5MoeForConditionalGeneration"),
        *("DeepseekV3ForCausalLM", "DeepseekV32ForCausalLM", "GptOssForCausalLM"),
        *("KimiK25ForConditionalGeneration", "MiniMaxM2ForCausalLM"),
        *("NemotronHForCausalLM", "Gemma4ForCausalLM"),
        "Gemma4ForConditionalGeneration",
    )
)
"""What vLLM registers for these families."""
_ATTENTION = ("full_attention", "sliding_attention", "attention", "indexed_attention")
_KINDS = {
    **dict.fromkeys(hybrids.DRAFTS, hybrids.KINDS),
    "nemotron_h": tuple(hybrids.BLOCKS),
    **dict.fromkeys(("gemma4", "gemma4_text", "gpt_oss"), _ATTENTION[:2]),
}
"""Values of layer_types, and the names that they had before."""


def _draft(text: Fields, family: str, count: int, root: str) -> list[Layer]:
    """The layers of multi-token prediction that the checkpoint has."""
    names = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules")
    more = text.count(*names, default=0, least=0)
    if more > 8:
        raise text.wrong(names[0], "at most 8", str(more))
    hidden = text.count("hidden_size")
    if family in hybrids.DRAFTS:
        return [hybrids.DRAFTS[family](text, n) for n in range(more)]
    layers = []
    for n in range(count, count + more):
        at = f"{root}layers.{n}"
        layer = RULES[family](text, n, at)
        joined = Module(f"{at}.eh_proj", hidden, 2 * hidden)
        ends = norms(at, hidden, "enorm", "hnorm", "shared_head.norm")
        layers.append(Layer(layer.mixer, (*layer.modules, joined, *ends)))
    return layers


def not_known(family: str) -> Unusable:
    """For a family that needs headers, where none are."""
    return Unusable(
        "this model's layers do not follow from its config.json",
        where=f"config.json: model_type {family or 'missing'}",
        expected=f"one of {', '.join(sorted(RULES))}; or the safetensors headers",
        found="no safetensors file beside it",
        next="put the first bytes of each safetensors file there, up to the end of "
        "its header: the rest is not read",
    )
