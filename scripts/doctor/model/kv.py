# SPDX-License-Identifier: Apache-2.0
"""How many tokens fit: pages and groups of the KV cache as vLLM 0.33.0 makes them.

`kv_cache_planning._get_kv_cache_groups_uniform_page_size`, `_align_hybrid_block_size`
and `get_max_concurrency_for_kv_cache_config`; tests/on_cpu/in_vllm/test_doctor_kv.py
holds this to them. Prefix caching is on, as it is by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.doctor.model.mixers import Attention, Delta, Latent, Mamba, Mixer

BLOCK = 16
"""Tokens of a block, vLLM's default."""
_NUMBER = {"auto": 2, "fp8": 1}
_GRID, _HEAD = 64, 128
"""FLASHINFER_GDN_CHECKPOINT_ALIGNMENT, and the key heads that its kernel is for."""


@dataclass(frozen=True)
class Group:
    """Layers that share a block table.

    Attributes:
        blocks: That one sequence takes of it at most.
        what: `full`, `window` or `state`.
    """

    layers: int
    blocks: int
    what: str


@dataclass(frozen=True)
class Cache:
    """The KV cache of one rank.

    Attributes:
        page: Bytes of a block in one layer.
        block: Tokens of a block of full attention.
        layers: Of a group, which a block is allocated for.
        groups: All of them.
        token: Bytes that one token takes in all layers that keep every token.
        state: Bytes that a sequence takes whatever its length.
        near: Bytes that a token reads of windows and states at most.
    """

    page: int
    block: int
    layers: int
    groups: tuple[Group, ...]
    token: int
    state: int
    near: int = 0

    def blocks(self, nbytes: int) -> int:
        """How many blocks there are in so many bytes."""
        return max(0, nbytes) // (self.page * self.layers) if self.layers else 0

    @property
    def of_sequence(self) -> int:
        """Blocks that the longest sequence takes."""
        return sum(group.blocks for group in self.groups)

    def sequences(self, nbytes: int) -> float:
        """How many sequences of the asked length fit at once."""
        return self.blocks(nbytes) / self.of_sequence if self.groups else 0.0


def token_bytes(mixer: Mixer, ranks: int, kv: str) -> int:
    """Bytes that a token takes in one layer, on one rank; 0 where it keeps a state."""
    if isinstance(mixer, Latent):
        size = mixer.rank + mixer.rope
        return size * _NUMBER.get(kv, 1)
    if not isinstance(mixer, Attention) or mixer.shares:
        return 0
    heads = max(1, mixer.kv_heads // ranks)
    if kv == "nvfp4":
        # FP4 numbers and an FP8 scale for 16 of them: nvfp4_kv_cache_full_dim.
        return 2 * heads * (mixer.head // 2 + mixer.head // 16)
    return 2 * heads * mixer.head * _NUMBER[kv]


def cache(
    mixers: Sequence[Mixer | None], ranks: int, kv: str, context: int, tokens: int
) -> Cache:
    """The KV cache of a model.

    Args:
        mixers: Of each layer.
        ranks: Tensor-parallel size.
        kv: `auto`, `fp8` or `nvfp4`.
        context: --max-model-len.
        tokens: --max-num-batched-tokens.
    """
    states = [m.state_bytes(ranks) for m in mixers if isinstance(m, Delta | Mamba)]
    own = [(m, token_bytes(m, ranks, kv)) for m in mixers if m is not None]
    attention = [(m, size) for m, size in own if size]
    largest = max((size for _, size in attention), default=0)
    block = BLOCK
    inside = _checkpoints_inside(mixers)
    if states and largest:
        # A page of attention is made as large as a state.
        grid = _GRID if inside else BLOCK
        block = grid * -(-max(states) // (grid * largest))
    page = max(block * largest, max(states, default=0))
    kinds: dict[tuple[str, int, int], int] = {}
    for mixer, size in attention:
        window = getattr(mixer, "window", 0)
        what = "window" if window else "full"
        # Where a page of another layer is larger, a block has more tokens.
        longer = page // (block * size) * block if page % (block * size) == 0 else block
        kinds[what, window, longer] = kinds.get((what, window, longer), 0) + 1
    if states:
        kinds["state", 0, 0] = len(states)
    if not kinds:
        return Cache(page, block, 0, (), 0, 0)
    fewest, most = min(kinds.values()), max(kinds.values())
    layers = most if most < 1.5 * fewest else fewest
    # In flight are the tokens of two steps, since scheduling is asynchronous.
    held = {key: _blocks(key, context, 2 * tokens, inside) for key in kinds}
    groups = tuple(
        Group(layers, held[key], key[0])
        for key, count in kinds.items()
        for _ in range(-(-count // layers))
    )
    every = sum(size for m, size in attention if not getattr(m, "window", 0))
    fixed = sum(g.blocks for g in groups if g.what != "full") * page * layers
    near = sum(states) + sum(
        size * min(context, window)
        for m, size in attention
        if (window := getattr(m, "window", 0))
    )
    return Cache(page, block, layers, groups, every, fixed, near)


def _blocks(
    key: tuple[str, int, int], context: int, in_flight: int, inside: bool
) -> int:
    what, window, block = key
    if what == "full":
        return -(-context // block)
    if what == "window":
        return -(-min(window - 1 + in_flight, context) // block) + 1
    # The running state and the one before, and a checkpoint inside a prefill.
    return 2 + inside


def _checkpoints_inside(mixers: Sequence[Mixer | None]) -> bool:
    """Whether FlashInfer's delta net runs prefills, which exports states from inside.

    vLLM's `_resolve_gdn_prefill_backend` takes it on SM12x with CUDA 13 for key heads
    of 128.
    """
    states = [m for m in mixers if isinstance(m, Delta | Mamba)]
    return bool(states) and all(
        isinstance(m, Delta) and m.k_head == _HEAD for m in states
    )
