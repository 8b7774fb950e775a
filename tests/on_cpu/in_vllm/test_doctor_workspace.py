# SPDX-License-Identifier: Apache-2.0
"""Sizes that the doctor knows without FlashInfer, held to FlashInfer's allocator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from doctor_code import workspace
from hypothesis import given, settings
from hypothesis import strategies as st

# Of models; then what pads, what is one tile, and what FlashInfer cannot index.
SHAPES = [
    (128, 8, 2048, 768, True),
    (256, 8, 2048, 512, True),
    (512, 10, 2048, 512, True),
    (512, 10, 2560, 640, True),
    (128, 6, 2688, 1856, False),
    (160, 8, 5120, 1536, True),
    (384, 8, 7168, 2048, True),
    (512, 22, 1024, 2688, False),
    (8, 2, 256, 96, True),
    (256, 8, 7168, 2048, True),
]


def key(shape: Any, tokens: int) -> Any:
    from vllm.model_executor.layers.fused_moe import (
        flashinfer_cutedsl_sm12x_workspace as m,
    )

    return m.SM12xMoEWorkspaceKey(
        num_experts=shape.experts,
        top_k=shape.top_k,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        max_num_tokens=tokens,
        activation="silu" if shape.gated else "relu2",
        device=torch.device("meta"),
    )


def storages(scratches: list[Any]) -> int:
    """Bytes of all storages; on the meta device they have no address."""
    found = {}
    for scratch in scratches:
        for value in vars(scratch).values():
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                found[storage._cdata] = storage.nbytes()
    return sum(found.values())


def held(shape: Any, tokens: int) -> int:
    """What the series has FlashInfer allocate."""
    from vllm.model_executor.layers.fused_moe import (
        flashinfer_cutedsl_sm12x_workspace as m,
    )

    made = m.SM12xMoEWorkspace(key(shape, tokens))
    return storages([made.static, *made.dynamic.values()])


def same(shape: Any, tokens: int) -> None:
    asked = key(shape, tokens)
    assert workspace.static_tokens(shape, tokens) == asked.static_tokens()
    assert workspace.dynamic_tokens(shape, tokens) == asked.dynamic_tokens()
    assert workspace.nbytes(shape, tokens) == held(shape, tokens)


@pytest.mark.parametrize("tokens", [1, 256, 2048, 8192])
@pytest.mark.parametrize("numbers", SHAPES, ids=str)
def test_of_models(worker: None, numbers: tuple[Any, ...], tokens: int) -> None:
    from vllm.model_executor.layers.fused_moe import (
        flashinfer_cutedsl_sm12x_dispatch as m,
    )

    experts, top_k, hidden, size, gated = numbers
    padded = m.pad_sm12x_moe_intermediate_size(experts, hidden, size)
    assert workspace.padded_intermediate(size) == padded
    same(workspace.Shape(experts, top_k, hidden, padded, gated), tokens)


@settings(deadline=None, max_examples=150)
@given(
    st.builds(
        SimpleNamespace,
        experts=st.integers(1, 600),
        top_k=st.integers(1, 40),
        hidden=st.integers(1, 64).map(lambda n: 128 * n),
        size=st.integers(1, 300).map(lambda n: 16 * n),
        gated=st.booleans(),
        tokens=st.integers(1, 20000),
    )
)
def test_of_any_shape(worker: None, it: Any) -> None:
    from vllm.model_executor.layers.fused_moe import (
        flashinfer_cutedsl_sm12x_dispatch as d,
    )
    from vllm.model_executor.layers.fused_moe import (
        flashinfer_cutedsl_sm12x_workspace as m,
    )

    top_k = min(it.top_k, it.experts)
    size = d.pad_sm12x_moe_intermediate_size(it.experts, it.hidden, it.size)
    assert workspace.padded_intermediate(it.size) == size
    shape = workspace.Shape(it.experts, top_k, it.hidden, size, it.gated)
    most = m.max_sm12x_moe_tokens(key(shape, it.tokens))
    assert workspace.most_tokens(shape, it.tokens) == most
    if most:
        same(shape, most)
