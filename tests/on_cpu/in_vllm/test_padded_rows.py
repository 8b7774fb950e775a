# SPDX-License-Identifier: Apache-2.0
"""Rows that vLLM pads a batch with, whose expert ids are -1, in every regime."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from checkpoint import Format, Shape, make_layers, reference
from conftest import Doubles
from loading import FORK, error, inputs, load_layer, run

BOUND = 0.25
# Sizes with which, and numbers of tokens at which, FlashInfer takes each kernel.
REGIMES = {
    "direct_micro": (Shape(0.02, intermediate=256, top_k=2), 8),
    "micro": (Shape(0.02, experts=8, intermediate=256, top_k=4), 8),
    "static": (Shape(0.02, experts=8, intermediate=256, top_k=4), 64),
    "dynamic_gated": (Shape(0.02, experts=8, intermediate=256, top_k=4), 320),
    "dynamic": (Shape(0.02, experts=8, intermediate=640, top_k=4), 320),
}


@pytest.mark.parametrize("regime", REGIMES)
def test_padded_rows_are_zero_and_change_no_other(
    regime: str, folder: Path, doubles: Doubles
) -> None:
    shape, tokens = REGIMES[regime]
    layer = make_layers(shape)[0]
    experts = load_layer(folder, shape, layer, Format.MODELOPT, FORK)
    x, weights, ids = inputs(shape, tokens)
    whole = run(experts, x, weights, ids)
    assert doubles[-1].calls[-1].regime == regime
    for live in (0, 1, tokens // 2, tokens - 1):
        padded = ids.clone()
        padded[live:] = -1
        out = run(experts, x, weights, padded)
        call = doubles[-1].calls[-1]
        assert call.regime == regime
        assert torch.equal(call.args["token_selected_experts"].cpu().long(), padded)
        assert not out[live:].any(), "a padded row is not zero"
        assert torch.equal(out[:live], whole[:live]), "a padded row changes another"
        if live:
            given = x[:live], weights[:live], ids[:live]
            assert error(out[:live], reference(layer, *given)) <= BOUND


@pytest.mark.parametrize("regime", REGIMES)
def test_a_route_left_out_adds_nothing(
    regime: str, folder: Path, doubles: Doubles
) -> None:
    """As for a row of which another rank has an expert."""
    shape, tokens = REGIMES[regime]
    layer = make_layers(shape)[0]
    experts = load_layer(folder, shape, layer, Format.MODELOPT, FORK)
    x, weights, ids = inputs(shape, tokens)
    ids[:, 0] = -1
    out = run(experts, x, weights, ids)
    assert doubles[-1].calls[-1].regime == regime
    want = reference(layer, x, weights, ids)
    assert want.norm() > 0
    assert error(out, want) <= BOUND
