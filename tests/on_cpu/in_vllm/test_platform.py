# SPDX-License-Identifier: Apache-2.0
"""The platform double, and what vLLM's oracle says on it with the backend named."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoint import Format, Shape, make_layers
from conftest import Become
from loading import FORK, UPSTREAM, load_layer

SM12X = [(12, 0), (12, 1)]
OTHERS = [(10, 0), (9, 0), (8, 0)]
SHAPE = Shape(0.02)


@pytest.mark.parametrize("capability", SM12X + OTHERS, ids=str)
def test_double_is_that_device(capability: tuple[int, int], become: Become) -> None:
    import torch
    from vllm import _custom_ops
    from vllm.platforms import current_platform

    become(capability)
    assert current_platform.is_cuda() and not current_platform.is_cpu()
    assert current_platform.get_device_capability() == capability
    assert current_platform.is_device_capability_family(120) == (capability in SM12X)
    assert torch.cuda.get_device_capability() == capability
    number = capability[0] * 10 + capability[1]
    fp4 = _custom_ops.cutlass_scaled_mm_supports_fp4(number)
    assert fp4 == (capability[0] >= 10)


@pytest.mark.parametrize("backend", [FORK, UPSTREAM])
@pytest.mark.parametrize("capability", SM12X, ids=str)
def test_backend_is_taken(
    backend: str,
    capability: tuple[int, int],
    become: Become,
    folder: Path,
    doubles: list[object],
) -> None:
    become(capability)
    layer = make_layers(SHAPE)[0]
    experts = load_layer(folder, SHAPE, layer, Format.MODELOPT, backend)
    kernel = type(experts.quant_method.moe_kernel.fused_experts).__name__
    names = {FORK: "FlashInferCuteDSLSM12xExperts", UPSTREAM: "FlashInferB12xExperts"}
    assert kernel == names[backend]


@pytest.mark.parametrize("capability", OTHERS, ids=str)
def test_backend_is_refused_elsewhere(
    capability: tuple[int, int], become: Become, folder: Path, doubles: list[object]
) -> None:
    become(capability)
    layer = make_layers(SHAPE)[0]
    with pytest.raises(ValueError, match=r"(?i)sm12x.* does not support .*device"):
        load_layer(folder, SHAPE, layer, Format.MODELOPT, FORK)
