# SPDX-License-Identifier: Apache-2.0
"""What lets the tokens of a layer see each other: its matrices, and what it keeps.

Shapes are those of vLLM 0.33.0's model classes; names those of the checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.base.errors import Finding
from scripts.doctor.model.formats import Format

_TOGETHER = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj"), "qkv_proj"),
    **dict.fromkeys(("gate_proj", "up_proj"), "gate_up_proj"),
    **dict.fromkeys(("in_proj_qkv", "in_proj_z"), "in_proj_qkvz"),
    **dict.fromkeys(("in_proj_b", "in_proj_a"), "in_proj_ba"),
    **dict.fromkeys(("q_a_proj", "kv_a_proj_with_mqa"), "fused_qkv_a_proj"),
}


@dataclass(frozen=True)
class Module:
    """One matrix of a checkpoint, whole: not yet spread over ranks.

    Attributes:
        name: Its path there, as `model.layers.0.self_attn.q_proj`.
        rows: Outputs; the length of a vector.
        cols: Inputs; 1 for a vector.
        experts: How many of them there are, one an expert.
        bias: Whether it has a bias of `rows` numbers.
        form: Its format where the checkpoint's description does not decide.
    """

    name: str
    rows: int
    cols: int = 1
    experts: int = 1
    bias: bool = False
    form: Format | None = None


def together(name: str) -> str:
    """The name of the module that vLLM makes of this one, others perhaps with it.

    >>> together("model.layers.0.self_attn.k_proj")
    'model.layers.0.self_attn.qkv_proj'
    """
    parent, dot, last = name.rpartition(".")
    return f"{parent}{dot}{_TOGETHER.get(last, last)}"


@dataclass(frozen=True)
class Attention:
    """Grouped-query attention.

    Attributes:
        window: Tokens that it sees; 0 is all.
        gate: Whether q_proj has the output's gate too.
        shares: Whether it reads another layer's cache and keeps none.
    """

    heads: int
    kv_heads: int
    head: int
    window: int = 0
    gate: bool = False
    bias: bool = False
    out_bias: bool = False
    norms: int = 0
    """Length of q_norm and k_norm, 0 for none; -1: as long as the projections."""
    shares: bool = False
    sinks: bool = False

    def modules(self, at: str, hidden: int) -> Iterator[Module]:
        q, kv = self.heads * self.head, self.kv_heads * self.head
        yield Module(f"{at}.q_proj", q * (1 + self.gate), hidden, bias=self.bias)
        if not self.shares:
            yield Module(f"{at}.k_proj", kv, hidden, bias=self.bias)
            yield Module(f"{at}.v_proj", kv, hidden, bias=self.bias)
        yield Module(f"{at}.o_proj", hidden, q, bias=self.out_bias)
        if self.norms:
            yield Module(f"{at}.q_norm", q if self.norms < 0 else self.norms)
            yield Module(f"{at}.k_norm", kv if self.norms < 0 else self.norms)
        if self.sinks:
            yield Module(f"{at}.sinks", self.heads)


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention.

    Attributes:
        q_rank: Of the queries' compression, 0 for none.
        rank: Of the keys' and values'.
        nope, rope, value: Sizes of a head.
        index: Heads and their size of a sparse-attention indexer, or None.
    """

    heads: int
    q_rank: int
    rank: int
    nope: int
    rope: int
    value: int
    index: tuple[int, int] | None = None

    def modules(self, at: str, hidden: int) -> Iterator[Module]:
        q = self.heads * (self.nope + self.rope)
        if self.q_rank:
            yield Module(f"{at}.q_a_proj", self.q_rank, hidden)
            yield Module(f"{at}.q_a_layernorm", self.q_rank)
            yield Module(f"{at}.q_b_proj", q, self.q_rank)
        else:
            yield Module(f"{at}.q_proj", q, hidden)
        yield Module(f"{at}.kv_a_proj_with_mqa", self.rank + self.rope, hidden)
        yield Module(f"{at}.kv_a_layernorm", self.rank)
        kv = self.heads * (self.nope + self.value)
        yield Module(f"{at}.kv_b_proj", kv, self.rank)
        yield Module(f"{at}.o_proj", hidden, self.heads * self.value)
        if self.index:
            heads, size = self.index
            yield Module(f"{at}.indexer.wq_b", heads * size, self.q_rank)
            yield Module(f"{at}.indexer.wk", size, hidden)
            yield Module(f"{at}.indexer.k_norm", 2 * size)
            yield Module(f"{at}.indexer.weights_proj", heads, hidden)


@dataclass(frozen=True)
class Delta:
    """Gated delta net, the linear attention of Qwen3-Next and later.

    Attributes:
        split: Whether in_proj has four parts, as from Qwen3.5 on, and not two.
        state: Bytes of a number of the recurrent state.
    """

    k_heads: int
    v_heads: int
    k_head: int
    v_head: int
    kernel: int
    split: bool
    state: int

    @property
    def conv(self) -> int:
        return 2 * self.k_heads * self.k_head + self.v_heads * self.v_head

    def modules(self, at: str, hidden: int) -> Iterator[Module]:
        value = self.v_heads * self.v_head
        if self.split:
            yield Module(f"{at}.in_proj_qkv", self.conv, hidden)
            yield Module(f"{at}.in_proj_z", value, hidden)
            yield Module(f"{at}.in_proj_b", self.v_heads, hidden)
            yield Module(f"{at}.in_proj_a", self.v_heads, hidden)
        else:
            yield Module(f"{at}.in_proj_qkvz", self.conv + value, hidden)
            yield Module(f"{at}.in_proj_ba", 2 * self.v_heads, hidden)
        yield Module(f"{at}.conv1d", self.conv, self.kernel, form=Format.BF16)
        yield Module(f"{at}.A_log", self.v_heads, form=Format.FP32)
        yield Module(f"{at}.dt_bias", self.v_heads)
        yield Module(f"{at}.norm", self.v_head)
        yield Module(f"{at}.out_proj", hidden, value)

    def state_bytes(self, ranks: int) -> int:
        """Of a sequence in one layer, on one rank: MambaStateShapeCalculator."""
        conv = self.conv // ranks * (self.kernel - 1) * 2
        return conv + self.v_heads // ranks * self.v_head * self.k_head * self.state


@dataclass(frozen=True)
class Mamba:
    """Mamba-2, as in Nemotron-H."""

    heads: int
    head: int
    groups: int
    size: int
    kernel: int
    conv_bias: bool
    state: int
    """Bytes of a number of the state."""

    def conv(self, ranks: int = 1) -> int:
        """Columns of the convolution; groups that ranks cannot share are copied."""
        groups = self.groups if self.groups % ranks == 0 else ranks
        return self.heads * self.head + 2 * groups * self.size

    def modules(self, at: str, hidden: int) -> Iterator[Module]:
        inner = self.heads * self.head
        rows = inner + self.conv() + self.heads
        yield Module(f"{at}.in_proj", rows, hidden)
        bias = self.conv_bias
        conv = self.conv()
        yield Module(f"{at}.conv1d", conv, self.kernel, bias=bias, form=Format.BF16)
        yield Module(f"{at}.A_log", self.heads, form=Format.FP32)
        yield Module(f"{at}.D", self.heads)
        yield Module(f"{at}.dt_bias", self.heads)
        yield Module(f"{at}.norm", inner)
        yield Module(f"{at}.out_proj", hidden, inner)

    def state_bytes(self, ranks: int) -> int:
        """As of `Delta`."""
        conv = self.conv(ranks) // ranks * (self.kernel - 1) * 2
        return conv + self.heads // ranks * self.head * self.size * self.state


Mixer = Attention | Latent | Delta | Mamba
"""What a layer mixes tokens by; None where it has only a feed-forward part."""


def divisors(mixer: Mixer) -> list[tuple[str, int]]:
    """Counts that the number of ranks has to divide, with their names."""
    match mixer:
        case Attention():
            return [("attention heads", mixer.heads)]
        case Latent():
            return [("attention heads", mixer.heads)]
        case Delta():
            return [
                ("linear attention's key heads", mixer.k_heads),
                ("linear attention's value heads", mixer.v_heads),
            ]
        case Mamba():
            # One group is copied to all ranks; several have to be shared.
            groups = [("Mamba groups", mixer.groups)] if mixer.groups > 1 else []
            return [("Mamba heads", mixer.heads), *groups]


def whole(heads: int, size: int, hidden: int, given: bool) -> int:
    """Size of a head: what the file gives, else the hidden size over the heads.

    Raises:
        Finding: It is no whole number.
    """
    if given:
        return size
    if hidden % heads:
        raise Finding(
            "config.json does not say how large an attention head is",
            where="config.json: head_dim",
            expected=f"head_dim, as {heads} heads do not divide {hidden}",
            found="nothing",
            next="take config.json from the checkpoint's publisher again",
        )
    return hidden // heads
