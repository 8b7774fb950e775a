# SPDX-License-Identifier: Apache-2.0
"""A CUDA platform that a CPU process can stand on, for vLLM 0.33.0.

vLLM asks ``vllm.platforms.current_platform`` who it runs on. The real CUDA platform
imports compiled code, and a double that says CUDA while vLLM imports sends the imports
into compiled code as well. So ``install`` puts a double there that says "unspecified"
first; ``become`` makes it an NVIDIA device of one capability and forgets what vLLM has
cached about the last one. Tensors stay on the CPU: ``device_type`` is "cpu".
"""

from __future__ import annotations

import functools
import operator
import sys
from types import SimpleNamespace
from typing import Any

import torch

# Answers of a real device, as nvidia-smi and deviceQuery give them.
_SMS = {(12, 0): 188, (12, 1): 48, (10, 0): 148, (9, 0): 132, (8, 0): 108}
# Of a device whose number nothing here depends on.
_OTHER_SMS = 100
# Operations of _C that only say what a device can do, and from which capability on.
_CAPABILITY_OPS = {
    "cutlass_scaled_mm_supports_fp4": 100,
    "cutlass_scaled_mm_supports_fp8": 89,
    "cutlass_scaled_mm_supports_block_fp8": 90,
    "cutlass_group_gemm_supported": 90,
    "mxfp4_experts_quant_supported": 100,
    "cutlass_sparse_scaled_mm_supported": 90,
}
# Modules whose cached answers depend on the device.
_CACHES = ("vllm.utils.flashinfer", "vllm.utils.b12x", "vllm.utils.deep_gemm")


def install() -> Any:
    """Stand in for the platform; call it before anything of vLLM is imported.

    Returns:
        The double, which is ``current_platform`` in all of vLLM from here on.
    """
    if "vllm.platforms" in sys.modules:
        raise RuntimeError("vLLM is imported already; the platform is bound")
    _stub_torch_cuda()
    import vllm.platforms
    from vllm.platforms.interface import DeviceCapability, Platform, PlatformEnum

    class PlatformDouble(Platform):
        _enum = PlatformEnum.UNSPECIFIED
        device_name = "cuda"
        device_type = "cpu"
        dispatch_key = "CPU"
        dist_backend = "gloo"
        simple_compile_backend = "eager"
        capability: tuple[int, int] | None = (12, 0)

        @classmethod
        def get_device_capability(cls, device_id: int = 0) -> DeviceCapability | None:
            return DeviceCapability(*cls.capability) if cls.capability else None

        @classmethod
        def get_device_name(cls, device_id: int = 0) -> str:
            if cls.capability is None:
                return "double of no device"
            return "double of an SM{}{} device".format(*cls.capability)

        @classmethod
        def get_device_total_memory(cls, device_id: int = 0) -> int:
            return 96 << 30

        @classmethod
        def num_compute_units(cls, device_id: int = 0) -> int:
            return _SMS.get(cls.capability, _OTHER_SMS)

        @classmethod
        def is_pin_memory_available(cls) -> bool:
            return False

        @classmethod
        def supports_fp8(cls) -> bool:
            return cls.capability is not None and cls.capability >= (8, 9)

        @classmethod
        def inference_mode(cls) -> Any:
            return torch.no_grad()

        @classmethod
        def get_attn_backend_cls(cls, *args: Any, **kwargs: Any) -> str:
            # Attention is built with the model and never run.
            return "vllm.v1.attention.backends.triton_attn.TritonAttentionBackend"

    double = PlatformDouble()
    vllm.platforms._current_platform = double
    import vllm._custom_ops

    _stub_capability_ops(PlatformDouble)
    return double


def become(double: Any, capability: tuple[int, int] | None) -> None:
    """Make the double an NVIDIA device of this capability, and forget the last one.

    None makes it a machine without a GPU.
    """
    from vllm.platforms.interface import PlatformEnum

    cls = type(double)
    cls._enum = PlatformEnum.CPU if capability is None else PlatformEnum.CUDA
    cls.capability = capability
    clear_caches()


def clear_caches() -> None:
    """Forget what vLLM's device and FlashInfer probes have answered."""
    for name in _CACHES:
        module = sys.modules.get(name)
        for value in list(vars(module).values()) if module else ():
            if isinstance(value, functools._lru_cache_wrapper):
                value.cache_clear()


def _stub_torch_cuda() -> None:
    """What FlashInfer asks of torch.cuda when it is imported, and ``Tensor.cuda``."""

    def properties(*_: Any) -> SimpleNamespace:
        major, minor = _capability()
        return SimpleNamespace(
            major=major,
            minor=minor,
            multi_processor_count=_SMS.get((major, minor), _OTHER_SMS),
            name="double",
            total_memory=96 << 30,
            shared_memory_per_block_optin=101376,
            L2_cache_size=128 << 20,
            warp_size=32,
        )

    torch.cuda.get_device_properties = properties
    torch.cuda.get_device_capability = lambda *_: _capability()
    torch.cuda.current_device = lambda: 0
    torch.version.cuda = "13.0"  # FlashInfer refuses an older one
    torch.Tensor.cuda = lambda self, *_, **__: self
    torch.accelerator.empty_cache = lambda: None
    torch.accelerator.max_memory_allocated = lambda *_: 0


def _capability() -> tuple[int, int]:
    platforms = sys.modules.get("vllm.platforms")
    double = getattr(platforms, "_current_platform", None)
    return getattr(double, "capability", None) or (12, 0)


def _stub_capability_ops(platform: Any) -> None:
    library = torch.library.Library("_C", "FRAGMENT")
    for name, least in _CAPABILITY_OPS.items():
        if not hasattr(torch.ops._C, name):
            library.define(f"{name}(int capability) -> bool")
            library.impl(
                name, functools.partial(operator.le, least), "CompositeExplicitAutograd"
            )
    platform.library = library  # it undefines them when it is collected
