# SPDX-License-Identifier: Apache-2.0
"""What the doctor says that is refused by shape, held to vLLM's own code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint import Format, Shape
from conftest import Doubles
from doctor_code import Experts, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import make_layer

TOKENS = 8192


def moe_config(found: Experts, size: int) -> Any:
    from vllm.model_executor.layers.fused_moe import config as moe
    from vllm.model_executor.layers.fused_moe.activation import MoEActivation

    return moe.FusedMoEConfig(
        num_experts=found.count,
        experts_per_token=found.top_k,
        hidden_dim=found.hidden,
        intermediate_size=size,
        num_local_experts=found.count,
        num_logical_experts=found.count,
        activation=MoEActivation(found.activation),
        device="cpu",
        routing_method=moe.RoutingMethodType.Renormalize,
        moe_parallel_config=moe.FusedMoEParallelConfig.make_no_parallel(),
        in_dtype=torch.bfloat16,
        has_bias=found.bias,
        max_num_tokens=TOKENS,
        swiglu_limit=7.0 if found.limit or found.activation == "swigluoai" else None,
    )


SHAPES = st.builds(
    Experts,
    count=st.integers(1, 600),
    top_k=st.just(1),
    hidden=st.integers(1, 160).map(lambda n: 64 * n),
    intermediate=st.integers(1, 300).map(lambda n: 8 * n),
    activation=st.sampled_from(["silu", "gelu_tanh", "relu2_no_mul", "swigluoai"]),
    limit=st.booleans(),
    bias=st.booleans(),
)


@settings(deadline=None, max_examples=150)
@given(SHAPES, st.integers(1, 10))
def test_the_series_refuses_the_same(worker: None, found: Any, top_k: int) -> None:
    from vllm.model_executor.layers.fused_moe.experts import (
        flashinfer_cutedsl_sm12x_moe as m,
    )
    from vllm.model_executor.layers.quantization.utils.quant_utils import kNvfp4Dynamic

    found = replace(found, top_k=min(top_k, found.count))
    if found.limit and found.activation != "silu":
        found = replace(found, limit=False)
    size = found.intermediate
    config = moe_config(found, size)
    reason = m._unsupported_reason(config, kNvfp4Dynamic)
    assert refused.refusal(found, size, TOKENS) == (reason or "")


@pytest.mark.parametrize("activation", ["silu", "relu2_no_mul"])
def test_padding_is_too_much_for_the_same(worker: None, activation: str) -> None:
    from vllm.model_executor.layers.fused_moe.oracle import nvfp4

    for size in range(16, 2049, 16):
        found = Experts(8, 2, 256, size, activation)
        factor, refuses = nvfp4._sm12x_weights_factor(moe_config(found, size))
        said = refused.by_padding(found, size)
        larger = factor > nvfp4._MAX_SM12X_WEIGHTS and not refuses
        assert bool(said) == larger, size
        assert not said or f" {factor:.2f} times" in said


@pytest.mark.parametrize("size", [64, 96, 128, 352])
@pytest.mark.parametrize("activation", ["silu", "relu2_no_mul"])
def test_stock_stops_the_same(
    size: int, activation: str, folder: Path, doubles: Doubles
) -> None:
    found = Experts(4, 2, 256, size, activation)
    shape = Shape(0.02, 4, 256, size, 2, activation)
    experts = make_layer(
        folder, shape, Format.MODELOPT, "flashinfer_cutlass", max_tokens=64
    )
    stopped = ""
    try:
        experts.quant_method.process_weights_after_loading(experts)
    except NotImplementedError as error:
        stopped = str(error)
    said = refused.stock_refusal("FLASHINFER_CUTLASS (x)", found, size)
    assert bool(said) == bool(stopped)
