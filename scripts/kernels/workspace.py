# SPDX-License-Identifier: Apache-2.0
"""What FlashInfer's SM12x MoE kernels ask for: padded sizes and bytes of scratch.

FlashInfer owns all of it, and is asked where it is installed. These are its answers for
a machine without it; tests/on_cpu/in_vllm/test_doctor_workspace.py holds them to the
allocator of the release that the series requires, over many shapes.
"""

from __future__ import annotations

from dataclasses import dataclass

_TILE = 128
_LEAST = 256
_SLOT = 32
_BLOCK = 16
_INDEX = (1 << 31) - 1
_CUTOVER = 1024
_DENSITY, _DENSITY_PADDED, _DENSITY_THREE = 8, 16, 17
_THREE_PAIRS = 1920
_MICRO_TOKENS = 8
_NARROW = ((15, 16), (48, 32), (96, 64))
"""Rows an expert below which a narrower tile of rows is taken."""


@dataclass(frozen=True)
class Shape:
    """The experts of one rank; `intermediate` is padded as the weights are."""

    experts: int
    top_k: int
    hidden: int
    intermediate: int
    gated: bool = True


class TooLarge(ValueError):
    """A plane would have more elements than the kernels can index."""


def padded_intermediate(size: int) -> int:
    """The intermediate size at which FlashInfer reads weights without a copy.

    >>> [padded_intermediate(n) for n in (96, 256, 464, 768)]
    [256, 256, 512, 768]
    """
    return max(_LEAST, up(size, _TILE))


def up(value: int, multiple: int) -> int:
    """Round up.

    >>> up(5, 4), up(8, 4)
    (8, 8)
    """
    return -(-value // multiple) * multiple


def cutover(shape: Shape) -> int:
    """Routed pairs up to which the static kernels run."""
    size = shape.intermediate
    if up(size, _TILE) < _LEAST:
        return _CUTOVER
    rows = _DENSITY_PADDED if size % _TILE else _DENSITY
    three = 256 < size <= 384 and rows * shape.experts >= _THREE_PAIRS
    if shape.gated and shape.top_k > 1 and three:
        rows = _DENSITY_THREE
    return max(_CUTOVER, rows * shape.experts)


def static_tokens(shape: Shape, tokens: int) -> int:
    """The largest call that takes static kernels."""
    return min(tokens, cutover(shape) // shape.top_k)


def tile(shape: Shape, rows: int) -> int:
    """Rows of the dynamic kernel's tile for so many routed rows."""
    if shape.gated:
        for density, width in _NARROW:
            if rows < density * shape.experts:
                return width
    return _TILE


def static_bytes(shape: Shape, tokens: int) -> int:
    """Scratch of the static kernels for calls of so many tokens.

    Raises:
        TooLarge: FlashInfer would refuse it.
    """
    rows, e, k = max(1, tokens * shape.top_k), shape.experts, shape.hidden
    n = up(shape.intermediate, _TILE)
    chunks = -(-rows // _SLOT)
    slots = e + chunks
    scales = up(k // _BLOCK, 4)
    groups = max(1, -(-n // (2 * _TILE)))
    _indexed(slots * _SLOT * (k // 2), slots * _TILE * scales, rows * groups * k)
    words = 3 * slots + 2 * slots * _SLOT + 4 + e + max(e, rows)
    words += e * (1 + chunks) + 8 + 8
    nbytes = 4 * words + slots * _SLOT * (k // 2) + slots * _TILE * scales
    nbytes += 2 * rows * groups * k
    if _takes_direct_micro(k, n, shape):
        slots = min(rows, _MICRO_TOKENS * shape.top_k) + _MICRO_TOKENS * 16
        middle = _MICRO_TOKENS * shape.top_k * -(-(n // 2) // 128) * 128
        nbytes += 4 * (2 * slots + middle)
    return nbytes


def _takes_direct_micro(k: int, n: int, shape: Shape) -> bool:
    return (
        k % 128 == 0 and n % 16 == 0 and up(k, 512) // 512 <= 12 and (shape.top_k <= 32)
    )


def _dynamic(shape: Shape, tokens: int) -> tuple[int, int]:
    """Bytes of what calls share, and of all else, for calls of so many tokens."""
    rows, e, k = max(1, tokens * shape.top_k), shape.experts, shape.hidden
    width = tile(shape, rows)
    tiles = max(1, -(-rows // width) + min(e, rows) - 1)
    padded = tiles * width
    scales = up(padded, _TILE) * up(k // _BLOCK, 4)
    _indexed(padded * (k // 2), scales)
    tasks = tiles * max(1, -(-shape.intermediate // _TILE))
    words = 2 * padded + e + 2 + e + e + 1 + 3 + 2 * tasks
    return padded * (k // 2) + scales, 4 * words


def dynamic_tokens(shape: Shape, tokens: int) -> list[int]:
    """The largest calls for which the tile stays the same, up to `tokens`."""
    last = static_tokens(shape, tokens)
    if last >= tokens:
        return []
    widths = (density for density, _ in _NARROW) if shape.gated else ()
    ends = {-(-density * shape.experts // shape.top_k) - 1 for density in widths}
    return sorted({end for end in ends if last < end < tokens} | {tokens})


def nbytes(shape: Shape, tokens: int) -> int:
    """Scratch that all layers of a configuration share, as the series allocates it.

    Args:
        shape: Of one rank.
        tokens: Largest call, as --max-num-batched-tokens.

    Raises:
        TooLarge: FlashInfer would refuse it; the series splits such calls.
    """
    total = static_bytes(shape, max(1, static_tokens(shape, tokens)))
    parts = [_dynamic(shape, each) for each in dynamic_tokens(shape, tokens)]
    # The activations of all are in the memory of the largest.
    return total + sum(own for _, own in parts) + max((s for s, _ in parts), default=0)


def most_tokens(shape: Shape, tokens: int) -> int:
    """How many tokens a call may have, at most `tokens`; 0 if none."""

    def fits(count: int) -> bool:
        try:
            _dynamic(shape, count)
        except TooLarge:
            return False
        return True

    try:
        static_bytes(shape, max(1, static_tokens(shape, tokens)))
    except TooLarge:
        return 0
    if static_tokens(shape, tokens) == tokens or fits(tokens):
        return tokens
    low, high = 0, tokens
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _indexed(*elements: int) -> None:
    if max(elements) > _INDEX:
        raise TooLarge(f"{max(elements)} elements, of at most {_INDEX}")
