# SPDX-License-Identifier: Apache-2.0
"""How fast one sequence could be decoded at most, by the bytes that a token reads."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.doctor.model.assess import Assessment


@dataclass(frozen=True)
class Roofline:
    """An upper bound: memory alone, at its full bandwidth, nothing else counted.

    Attributes:
        weights: Bytes that a rank reads of its weights for a token of one sequence.
        cache: Bytes of the KV cache, states and windows among them, that it reads
            beside them at the asked context.
        empty, full: Tokens a second, at most, at a context of 0 and at the asked one.
    """

    weights: int
    cache: int
    empty: float
    full: float


def roofline(found: Assessment) -> Roofline:
    """The upper bound of decoding with one sequence."""
    weights = sum(row.read for row in found.rows)
    states, cache = found.cache.near, found.cache.token * found.context
    empty = weights + states
    bandwidth = found.wanted.gpu.bandwidth
    return Roofline(
        weights,
        states + cache,
        bandwidth / empty if empty else 0.0,
        bandwidth / (empty + cache) if empty else 0.0,
    )
