# SPDX-License-Identifier: Apache-2.0
"""What FP8 block-scaled MoE runs on on SM12x, which the series leaves to upstream."""

from __future__ import annotations

import pytest
import torch
from conftest import DOUBLE, Become

SM12X = [(12, 0), (12, 1)]


@pytest.fixture
def deep_gemm(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> bool:
    """Whether vLLM finds DeepGEMM, as its wheel has it; the platform says yes to it."""
    import vllm.utils.deep_gemm as utils

    monkeypatch.setattr(utils, "has_deep_gemm", lambda: request.param)
    # vllm/platforms/cuda.py imports compiled code.
    yes = classmethod(lambda cls: cls.is_device_capability_family(120))
    monkeypatch.setattr(type(DOUBLE), "support_deep_gemm", yes)
    return bool(request.param)


@pytest.mark.parametrize("deep_gemm", [True, False], indirect=True)
@pytest.mark.parametrize("capability", SM12X, ids=str)
def test_deep_gemm_is_selected_where_it_is_there(
    capability: tuple[int, int], become: Become, deep_gemm: bool
) -> None:
    import vllm.model_executor.layers.fused_moe.config as moe
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.model_executor.layers.fused_moe.activation import MoEActivation
    from vllm.model_executor.layers.fused_moe.oracle.fp8 import select_fp8_moe_backend
    from vllm.model_executor.layers.quantization.utils import quant_utils as keys

    become(capability)
    config = moe.FusedMoEConfig(
        num_experts=128,
        experts_per_token=8,
        hidden_dim=2048,
        intermediate_size=768,
        num_local_experts=128,
        num_logical_experts=128,
        activation=MoEActivation.SILU,
        device="cpu",
        routing_method=moe.RoutingMethodType.Renormalize,
        moe_parallel_config=moe.FusedMoEParallelConfig.make_no_parallel(),
        in_dtype=torch.bfloat16,
        moe_backend="auto",
    )
    with set_current_vllm_config(VllmConfig()):
        chosen, cls = select_fp8_moe_backend(
            config, keys.kFp8Static128BlockSym, keys.kFp8Dynamic128Sym
        )
    assert cls is not None
    told = chosen.value, cls.__name__
    if deep_gemm:
        assert told == ("DEEPGEMM", "TritonOrDeepGemmExperts")
    else:
        assert told == ("TRITON", "TritonExperts")


@pytest.mark.parametrize("sigma", [0.05, 0.003])
def test_scales_of_powers_of_two_cost_what_fp8_cost_before(
    worker: None, sigma: float
) -> None:
    """DeepGEMM's default on SM12x rounds a checkpoint's codes a second time."""
    from vllm.model_executor.layers.quantization.utils.fp8_utils import (
        requant_weight_ue8m0_inplace,
    )

    torch.manual_seed(0)
    weight = torch.randn(512, 512) * sigma
    blocks = weight.view(4, 128, 4, 128)
    scale = blocks.abs().amax((1, 3)) / 448
    codes = (blocks / scale[:, None, :, None]).view(512, 512).to(torch.float8_e4m3fn)

    def full() -> torch.Tensor:
        parts = codes.float().view(4, 128, 4, 128) * scale[:, None, :, None]
        return parts.view(512, 512)

    before = full()
    once = float((before - weight).norm() / weight.norm())
    requant_weight_ue8m0_inplace(codes, scale)
    assert torch.equal(scale, torch.exp2(scale.log2().round()))
    again = float((full() - before).norm() / before.norm())
    assert 0.02 < once < 0.03
    assert 0.02 < again < 0.035
