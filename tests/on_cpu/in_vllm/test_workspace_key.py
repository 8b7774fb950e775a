# SPDX-License-Identifier: Apache-2.0
"""A field left out of the class's workspace key: two configurations share one.

Most are refused by the wrapper, which the double copies from FlashInfer. Two are not:

- ``activation``: gated ones have the same scratch, so sharing among them does no harm.
  An activation without a gate has another tile in a small dynamic workspace, which
  nothing checks; so the activation is in the key.
- ``device``: there is one device here. FlashInfer compares the type of the output's
  device, not its number, so a workspace of another GPU would be taken.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from checkpoint import Format, Shape, make_layers
from conftest import Doubles
from contract.b12x_double import allocate_workspace
from loading import FORK, check, inputs, load_layer

SHAPE = Shape(0.02, experts=4, hidden=256, intermediate=256, top_k=2)
# The second configuration, its capacity, and what the wrapper says to it.
REFUSED = {
    "num_experts": (replace(SHAPE, experts=5), 64, "state_E"),
    "top_k": (replace(SHAPE, top_k=3), 64, "num_topk"),
    "hidden_size": (replace(SHAPE, hidden=384), 64, "shared_output"),
    "intermediate_size": (replace(SHAPE, intermediate=512), 64, "'n'"),
    "max_num_tokens": (SHAPE, 128, "shared_output"),
}
SILENT = ("activation", "device")


def drop(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make keys equal that differ in this field alone."""
    from vllm.model_executor.layers.fused_moe import (
        flashinfer_cutedsl_sm12x_workspace as m,
    )

    cls = m.SM12xMoEWorkspaceKey
    left = [field.name for field in fields(cls) if field.name != name]
    assert {*left, name} == {*REFUSED, *SILENT}, "the key has other fields"

    def values(key: object) -> tuple[object, ...]:
        return tuple(getattr(key, field) for field in left)

    monkeypatch.setattr(cls, "__hash__", lambda key: hash(values(key)))
    monkeypatch.setattr(cls, "__eq__", lambda a, b: values(a) == values(b))


def two(folder: Path, doubles: Doubles, shape: Shape, tokens: int) -> None:
    """Run SHAPE and then the other, both alive."""
    alive = []
    for number, (each, most) in enumerate(((SHAPE, 64), (shape, tokens))):
        layer = make_layers(each)[0]
        where = folder / f"{number}"
        experts = load_layer(where, each, layer, Format.MODELOPT, FORK, max_tokens=most)
        alive.append(experts)
        check(experts, each, layer, inputs(each, 33), doubles, 0.25)


@pytest.mark.parametrize("name", REFUSED)
def test_a_dropped_field_is_refused(
    name: str, folder: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, tokens, found = REFUSED[name]
    two(folder / "whole", doubles, shape, tokens)  # with the whole key it is right
    drop(monkeypatch, name)
    with pytest.raises(ValueError, match=found):
        two(folder / "dropped", doubles, shape, tokens)


def test_gated_activations_may_share(
    folder: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(SHAPE, activation="gelu_tanh")
    drop(monkeypatch, "activation")
    two(folder, doubles, other, 64)
    first, second = (double.calls[-1].workspace for double in doubles)
    assert first is second


def test_an_activation_without_a_gate_has_another_tile() -> None:
    size = {"state_E": 16, "weight_E": 16, "k": 256, "n": 256, "num_topk": 2}
    size |= {"device": "cpu", "routed_rows": 1200, "backend": "dynamic"}
    gated, plain = (
        allocate_workspace(**size, activation=name) for name in ("silu", "relu2")
    )
    assert gated.tile_m < plain.tile_m
    assert gated.max_rows < plain.max_rows
