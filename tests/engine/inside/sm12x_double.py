# SPDX-License-Identifier: Apache-2.0
"""A vLLM plugin that lets a CPU engine choose and run the kernels of SM12x.

The engine is the real one and its platform stays the real ``CpuPlatform``: attention,
sampler, KV cache, scheduler and worker know of nothing else. What is doubled is this,
and nothing more:

* ``VIEWED`` modules, those that choose NVFP4 kernels, see a platform that is the real
  one but for three answers: its kind is CUDA, its capability is 12.0 or 12.1, and its
  name is that of a double. The choice for BF16 experts sees it too, and is offered
  the CPU's kernels all the same.
* ``torch.cuda`` answers FlashInfer's questions at import (``platform_double``), and
  ``torch.version.cuda`` is 13.0; the six ``_C`` operations that only say what a device
  can do answer for it.
* FlashInfer's kernels: ``B12xMoEWrapper`` is the PyTorch double of its contract, and
  ``mm_fp4`` and vLLM's ``scaled_fp4_quant`` are those of ``linear_double``. All other
  Python of FlashInfer is its own, the workspace allocator and the dispatch included.

vLLM loads the plugin in each of its processes, by the entry point that the tree's
metadata names. ``SM12X_ENGINE_CAPABILITY`` says which device; unset, nothing is done.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import platform_double

# They ask the platform what the NVFP4 layers may run on; patches 0002 to 0023.
VIEWED = (
    "vllm.utils.flashinfer",
    "vllm.utils.b12x",
    "vllm.utils.sm12x",  # not upstream
    "vllm.utils.sm12x_ranks",  # not upstream
    "vllm.model_executor.kernels.linear",
    "vllm.model_executor.kernels.linear.nvfp4.b12x",
    "vllm.model_executor.kernels.linear.nvfp4.flashinfer",
    "vllm.model_executor.kernels.linear.nvfp4.humming",
    "vllm.model_executor.kernels.linear.nvfp4.pytorch",
    "vllm.model_executor.layers.fused_moe.b12x",
    "vllm.model_executor.layers.fused_moe.oracle.nvfp4",
    "vllm.model_executor.layers.fused_moe.experts.cutlass_moe",
    "vllm.model_executor.layers.fused_moe.experts.flashinfer_b12x_moe",
    "vllm.model_executor.layers.fused_moe.experts.flashinfer_cutedsl_batched_moe",
    "vllm.model_executor.layers.fused_moe.experts.flashinfer_cutedsl_moe",
    "vllm.model_executor.layers.fused_moe.experts.flashinfer_cutedsl_sm12x_moe",
    "vllm.model_executor.layers.fused_moe.experts.flashinfer_cutlass_moe",
    "vllm.model_executor.layers.fused_moe.experts.marlin_moe",
    "vllm.model_executor.layers.fused_moe.experts.trtllm_nvfp4_moe",
    "vllm.model_executor.layers.quantization.utils.marlin_utils_fp4",
    "vllm.model_executor.layers.quantization.utils.nvfp4_utils",
    "vllm.model_executor.warmup.b12x_warmup",
)
# Not upstream's; the same plugin serves both trees.
_OURS = (
    "vllm.utils.sm12x",
    "vllm.utils.sm12x_ranks",
    "vllm.model_executor.layers.fused_moe.experts.flashinfer_cutedsl_sm12x_moe",
)


_device: list[tuple[int, int]] = []
"""The capability that the double has now; empty where it is not installed."""


def install() -> None:
    """What vLLM calls when it loads its plugins; more than once does no harm."""
    named = os.environ.get("SM12X_ENGINE_CAPABILITY")
    if named is None or _device:
        return
    _device[:] = [_parsed(named)]
    platform_double._capability = lambda: _device[0]
    platform_double._stub_torch_cuda()
    view = _view()
    for name in VIEWED:
        if name in _OURS and importlib.util.find_spec(name) is None:
            continue
        importlib.import_module(name).current_platform = view
    _view_unquantized(view)
    platform_double.clear_caches()  # what vLLM's probes answered without the double
    platform_double._stub_capability_ops(type(view))
    _stand_in_for_kernels()


def become(named: str) -> None:
    """Make the double that is installed a device of another capability."""
    _device[:] = [_parsed(named)]
    platform_double.clear_caches()


def _parsed(named: str) -> tuple[int, int]:
    major, minor = map(int, named.split("."))
    return major, minor


def _view() -> Any:
    """The real platform as the viewed modules see it."""
    from vllm.platforms import current_platform
    from vllm.platforms.interface import DeviceCapability, PlatformEnum

    class View(type(current_platform)):
        _enum = PlatformEnum.CUDA
        device_name = "double of an SM12x device"

        @classmethod
        def get_device_capability(cls, device_id: int = 0) -> DeviceCapability:
            return DeviceCapability(*_device[0])

    return View()


def _view_unquantized(view: Any) -> None:
    """Let the choice for BF16 experts see SM12x where it looks at --moe-backend.

    What it may choose from stays the CPU's, which has to run it.
    """
    from vllm.model_executor.layers.fused_moe.oracle import unquantized

    real, backends = unquantized.current_platform, unquantized._get_priority_backends

    def of_the_cpu(*args: Any, **kwargs: Any) -> Any:
        unquantized.current_platform = real
        try:
            return backends(*args, **kwargs)
        finally:
            unquantized.current_platform = view

    unquantized.current_platform = view
    unquantized._get_priority_backends = of_the_cpu


def _stand_in_for_kernels() -> None:
    import flashinfer
    import flashinfer.fused_moe
    import linear_double
    import moe_double

    flashinfer.fused_moe.B12xMoEWrapper = moe_double.Wrapper
    flashinfer.mm_fp4 = linear_double.mm_fp4
    linear_double.register()
