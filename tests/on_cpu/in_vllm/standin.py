# SPDX-License-Identifier: Apache-2.0
"""Put something in the place of FlashInfer's B12xMoEWrapper, as vLLM reaches it."""

from __future__ import annotations

import functools
import inspect


@functools.cache
def real_wrapper() -> type:
    """FlashInfer's own B12xMoEWrapper, whatever stands in its place now."""
    import flashinfer.fused_moe

    return flashinfer.fused_moe.B12xMoEWrapper


def forget_lazy_imports() -> None:
    """Let the lazy wrappers of vllm.utils.flashinfer look their names up again."""
    import vllm.utils.flashinfer as lazy

    for value in vars(lazy).values():
        found = getattr(value, "__closure__", None) and inspect.getclosurevars(value)
        if found and "_get_impl" in found.nonlocals:
            found.nonlocals["_get_impl"].cache_clear()


def replace_wrapper(wrapper: type) -> None:
    """Let every way by which vLLM reaches B12xMoEWrapper lead to ``wrapper``."""
    import flashinfer.fused_moe

    real_wrapper()
    flashinfer.fused_moe.B12xMoEWrapper = wrapper
    forget_lazy_imports()
