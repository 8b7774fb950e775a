# SPDX-License-Identifier: Apache-2.0
"""The small calls of ``make hopper``: cases of each kernel, launches under a tool.

No import but of the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A size, and a number of tokens that takes one kernel of it."""

    experts: int
    hidden: int
    intermediate: int
    top_k: int
    tokens: int
    max_tokens: int
    direct: bool = True

    def kernel(self, is_gated: bool) -> tuple[str, int | None]:
        """Which one takes it, and of the dynamic ones the rows of the tile.

        As FlashInfer's moe_dispatch chooses, whose wrapper has one tile for all calls.
        """
        pairs = self.tokens * self.top_k
        if self.tokens <= _MICRO_TOKENS:
            return ("direct_micro" if self.direct else "micro"), None
        if pairs <= _STATIC_PAIRS:
            return "static", None
        tile = tile_of(self.max_tokens * self.top_k, self.experts, is_gated)
        branches = takes_gated(tile, is_gated, self.intermediate, self.top_k)
        return ("dynamic_gated" if branches else "dynamic"), tile


_MICRO_TOKENS, _STATIC_PAIRS = 8, 1024
_TILES = {15: 16, 48: 32, 96: 64}
"""Rows of an expert, on the mean, below which a tile has so many."""


def tile_of(pairs: int, experts: int, is_gated: bool) -> int:
    """Rows of the dynamic kernel's tile (moe_dispatch._select_dynamic_tile_m)."""
    sizes = (size for rows, size in _TILES.items() if pairs < rows * experts)
    return next(sizes, 128) if is_gated else 128


_LAST_PAIRS = (31, 40)
"""Of one way of the micro kernels and of micro, in each release that ran."""
_LONGER_SLICES = 2048
"""Tokens from which on the gated kernel has them."""


def cuts(experts: int, top_k: int, is_gated: bool, static: int) -> set[int]:
    """Numbers of tokens of a layer after which sizes alone say another way is taken.

    Args:
        experts: Of the layer.
        top_k: Of a token.
        is_gated: Whether its activation is.
        static: The most that the static kernel takes.
    """
    tiles = {(rows * experts - 1) // top_k for rows in _TILES} if is_gated else set()
    dynamic = {n for n in (*tiles, _LONGER_SLICES, _MOST) if static < n}
    pairs = {max(1, last // top_k) for last in _LAST_PAIRS}
    return {1, _MICRO_TOKENS} | pairs | {min(n, _MOST) for n in dynamic}


_MOST = 8192
REGIMES = ("micro", "direct_micro", "static", "dynamic", "dynamic_gated")


def kernels(tokens: int, top_k: int) -> tuple[str, ...]:
    """Which of them may take a call of that many tokens."""
    found = [*(REGIMES[:2] if tokens <= _MICRO_TOKENS else ()), "static"]
    return (*found, *(REGIMES[3:] if tokens * top_k > _STATIC_PAIRS else ()))


def takes_gated(tile: int, is_gated: bool, intermediate: int, top_k: int) -> bool:
    """Whether the dynamic kernel is the gated one (moe_dynamic_kernel)."""
    return is_gated and tile == 128 and intermediate <= 512 and top_k <= 16


_SMALL = (16, 512, 256, 4)
_WIDE = (16, 512, 640, 4)
_MANY = (128, 256, 256, 8)
CASES = (
    Case(*_SMALL, 1, 2048),
    Case(*_SMALL, 4, 2048),
    Case(*_SMALL, 1, 2048, direct=False),
    Case(*_SMALL, 4, 2048, direct=False),
    Case(*_SMALL, 8, 2048, direct=False),
    Case(*_SMALL, 40, 2048),
    Case(*_SMALL, 256, 2048),
    Case(*_SMALL, 512, 2048),
    Case(*_SMALL, 2048, 2048),
    Case(*_SMALL, 4096, 4096),
    Case(*_WIDE, 512, 2048),
    Case(*_MANY, 150, 200),
    Case(*_MANY, 300, 512),
    Case(*_MANY, 600, 1024),
)
"""Of the part regimes: each activation and kind of scales has all of them."""


def divided() -> list[Case]:
    """Those of the part reciprocals: of the kernels that have no tile to choose."""
    return [case for case in CASES if case.kernel(is_gated=True)[1] is None]


_LEAST = 257
"""Tokens that take the dynamic kernel with 4 experts for each."""
KINDS = {
    "micro": [Case(*_SMALL, tokens, 2048, direct=False) for tokens in (1, 4, 8)],
    "direct micro": [Case(*_SMALL, tokens, 2048) for tokens in (1, 4)],
    "static": [Case(*_SMALL, 40, 2048)],
    "dynamic": [Case(4, 256, 640, 4, _LEAST, 512)],
    # 96 rows an expert are the fewest for a tile of 128, which it is made for alone.
    "dynamic gated": [Case(2, 256, 256, 2, 96, 512)],
}
"""Calls of the MoE kernels that compute-sanitizer looks at; relu2 has the same."""
W4A16 = (1, 40)
DENSE = (9, 65)
"""Tokens of the calls of the other two kinds."""
_TIMES = 3
"""Of each call of a kernel that is quick under a tool."""


def times(kind: str) -> int:
    """How often each call of a MoE kernel is made."""
    return 1 if kind.startswith("dynamic") else _TIMES


def launches(kind: str) -> int:
    """Of the kernel, by which compute-sanitizer sees it come to its end."""
    if kind in ("w4a16", "dense"):
        return len({"w4a16": W4A16, "dense": DENSE}[kind])
    return times(kind) * len(KINDS[kind.removesuffix(" relu2")])


REPLAYS = 20
"""Of the graph in which a rank runs its share of a layer."""
SPLIT_LAUNCHES = 1 + 2 + REPLAYS
"""Of the whole layer one, of a rank's share two before its graph's replays."""
