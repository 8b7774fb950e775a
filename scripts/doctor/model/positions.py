# SPDX-License-Identifier: Apache-2.0
"""How long a sequence may be, and the tables that vLLM makes for its positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.doctor.model.fields import Fields
from scripts.doctor.model.mixers import Attention, Latent, Mixer

_DEFAULT = 32768
"""Of the configuration classes that have one; published files all say it."""
_NAMES = (
    *("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
    *("max_target_positions", "max_sequence_length", "max_seq_length", "seq_len"),
)
_SCALED = (
    *("su", "longrope", "llama3", "yarn", "deepseek_yarn"),
    "deepseek_llama_scaling",
)
"""Kinds of rotary embedding whose factor is in the length already."""


def longest(text: Fields) -> int:
    """Tokens of the longest sequence that vLLM takes: `_get_and_verify_max_len`."""
    if text.data.get("model_max_length"):
        found = text.count("model_max_length")
    else:
        named = [name for name in _NAMES if text.data.get(name) is not None]
        found = min((text.count(name) for name in named), default=_DEFAULT)
    factor = 1.0
    for each in _ropes(text):
        kind = each.text("rope_type") or each.text("type")
        if kind not in _SCALED:
            factor = each.number("factor", factor)
    if "gemma3" not in text.text("model_type"):
        found = max(1, int(found * factor))
    return found


def _ropes(text: Fields) -> Iterator[Fields]:
    """The rotary embeddings' parameters; of kinds of layers, each."""
    for name in ("rope_parameters", "rope_scaling"):
        if (found := text.inner(name)) is not None:
            names = [n for n, each in found.data.items() if isinstance(each, dict)]
            kinds = [found.inner(each) for each in names]
            yield from (k for k in kinds if k is not None)
            yield found
            return


def tables(text: Fields, mixers: Sequence[Mixer | None]) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each table of cosines and sines."""
    # vLLM's Nemotron-H has no rotary embedding.
    if text.text("model_type") == "nemotron_h":
        return ()
    inner = text.inner("rope_parameters")
    where = inner if inner and inner.has("partial_rotary_factor") else text
    share = where.number("partial_rotary_factor", 1.0)
    if share > 1:
        raise where.wrong("partial_rotary_factor", "at most 1", str(share))
    heads = {m.head for m in mixers if isinstance(m, Attention)}
    sizes = {int(head * share) for head in heads}
    sizes |= {m.rope for m in mixers if isinstance(m, Latent)}
    return tuple((longest(text), size) for size in sorted(sizes))
