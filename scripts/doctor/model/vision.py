# SPDX-License-Identifier: Apache-2.0
"""The vision tower of a multimodal model, as far as config.json gives it."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.doctor.model.fields import Fields
from scripts.doctor.model.formats import Format
from scripts.doctor.model.mixers import Module

_DEPTH = 500


def vision(config: Fields) -> Iterator[Module]:
    """Blocks of a plain vision transformer; its small parts are left out.

    The published checkpoints leave it unquantized.
    """
    tower = config.inner("vision_config")
    if tower is None:
        return
    size = tower.count("hidden_size", "vt_hidden_size", default=0, least=0)
    depth = tower.count(
        "depth", "num_hidden_layers", "vt_num_hidden_layers", default=0, least=0
    )
    inner = tower.count(
        "intermediate_size", "vt_intermediate_size", default=4 * size, least=0
    )
    if not size or not 0 < depth <= _DEPTH:
        return
    bf16 = Format.BF16
    for n in range(depth):
        at = f"model.visual.blocks.{n}"
        yield Module(f"{at}.attn.qkv", 3 * size, size, bias=True, form=bf16)
        yield Module(f"{at}.attn.proj", size, size, bias=True, form=bf16)
        yield Module(f"{at}.mlp.linear_fc1", inner, size, bias=True, form=bf16)
        yield Module(f"{at}.mlp.linear_fc2", size, inner, bias=True, form=bf16)
    out = tower.count("out_hidden_size", default=size)
    merged = size * tower.count("spatial_merge_size", default=2) ** 2
    at = "model.visual.merger"
    yield Module(f"{at}.linear_fc1", merged, merged, bias=True, form=bf16)
    yield Module(f"{at}.linear_fc2", out, merged, bias=True, form=bf16)
