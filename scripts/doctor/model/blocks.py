# SPDX-License-Identifier: Apache-2.0
"""What layers of every family are made of: experts, feed-forward parts, norms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scripts.doctor.model.fields import Fields
from scripts.doctor.model.mixers import Attention, Mixer, Module, whole

_ACTIVATIONS = {
    "nemotron_h": "relu2_no_mul",
    "gpt_oss": "swigluoai",
    "gemma4_text": "gelu_tanh",
    "gemma4": "gelu_tanh",
}
"""vLLM's names, where it is not silu."""


@dataclass(frozen=True)
class Experts:
    """A mixture of experts, the same in each layer that has one.

    Attributes:
        hidden: Size of what they read and write.
        activation: vLLM's name of it.
        limit: Whether SwiGLU is clamped.
        bias: Whether the projections have one.
    """

    count: int
    top_k: int
    hidden: int
    intermediate: int
    activation: str = "silu"
    limit: bool = False
    bias: bool = False

    @property
    def gated(self) -> bool:
        return not self.activation.endswith("no_mul")


@dataclass(frozen=True)
class Layer:
    """One layer: what mixes tokens in it, and all of its matrices."""

    mixer: Mixer | None
    modules: tuple[Module, ...]


def experts(text: Fields, family: str) -> Experts | None:
    """The experts that config.json gives, or None.

    Raises:
        Finding: They are 0, or more are chosen than there are.
    """
    names = ("num_experts", "n_routed_experts", "num_local_experts")
    if all(text.data.get(name) is None for name in names):
        return None
    count = text.count(*names)
    sizes = ("moe_intermediate_size", "expert_intermediate_size", "intermediate_size")
    act = _ACTIVATIONS.get(family, "silu")
    found = Experts(
        count,
        text.count("num_experts_per_tok", "top_k_experts", "moe_topk"),
        text.count("moe_latent_size", "hidden_size"),
        text.count(*sizes),
        act,
        limit=text.has("swiglu_limit") and act == "silu",
        bias=family == "gpt_oss",
    )
    if found.top_k > count:
        raise text.wrong("num_experts_per_tok", f"at most {count}", str(found.top_k))
    return found


def required_experts(text: Fields, family: str, name: str) -> Experts:
    """As `experts`, of a family that has them; `name` is how it counts them."""
    found = experts(text, family)
    if found is None:
        raise text.wrong(name, "a number", "nothing")
    return found


def attention(text: Fields, **more: int) -> Attention:
    """Grouped-query attention by its usual names."""
    heads = text.count("num_attention_heads")
    head = text.count("head_dim", default=1)
    size = whole(heads, head, text.count("hidden_size"), text.has("head_dim"))
    kv = text.count("num_key_value_heads", default=heads)
    if heads % kv:
        raise text.wrong("num_key_value_heads", f"a divisor of {heads} heads", str(kv))
    return Attention(heads, kv, size, **more)  # type: ignore[arg-type]


def normed(mixer: Attention) -> Attention:
    """The same with a norm of each head's queries and keys."""
    return replace(mixer, norms=mixer.head)


def dense(at: str, hidden: int, size: int, gated: bool = True) -> Iterator[Module]:
    """A feed-forward part."""
    for name in ("gate_proj", "up_proj") if gated else ("up_proj",):
        yield Module(f"{at}.{name}", size, hidden)
    yield Module(f"{at}.down_proj", hidden, size)


def routed(at: str, found: Experts) -> Iterator[Module]:
    """The experts, each name once for all of them."""
    size, hidden, bias = found.intermediate, found.hidden, found.bias
    for name in ("gate_proj", "up_proj") if found.gated else ("up_proj",):
        yield Module(f"{at}.{name}", size, hidden, found.count, bias)
    yield Module(f"{at}.down_proj", hidden, size, found.count, bias)


def norms(at: str, hidden: int, *names: str) -> Iterator[Module]:
    """Norms of the hidden size; the usual two if none is named."""
    for name in names or ("input_layernorm", "post_attention_layernorm"):
        yield Module(f"{at}.{name}", hidden)
