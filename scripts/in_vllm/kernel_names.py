# SPDX-License-Identifier: Apache-2.0
"""Names of FlashInfer and of b12x that recording compilations stands on."""

from __future__ import annotations

import importlib
from typing import Any

import kernel_weights
from kernel_key import Gone

SM12X = "flashinfer.fused_moe.cute_dsl.blackwell_sm12x"
ROUTES = "b12x.moe._shared.kernels.w4a16.route_pack"
DRIVER = "cutlass.base_dsl.runtime.cuda"
# What the series calls, and what is relied on here besides.
NAMES = {
    "flashinfer": ("mm_fp4",),
    "flashinfer.fused_moe": ("B12xMoEWrapper",),
    "flashinfer.cute_dsl.utils": ("convert_sf_to_mma_layout",),
    SM12X: ("allocate_sm120_moe_workspace",),
    f"{SM12X}.moe_dispatch": (
        "select_sm120_moe_backend",
        "clear_sm120_moe_caches",
        "compiled_direct_micro_accepts_block_dim",
        "_DIRECT_MICRO_LAUNCH_CACHE",
        "_DIRECT_MICRO_KERNEL_CACHE",
    ),
    f"{SM12X}.triton_compact": ("compact_topk_ids", "_compact_topk_ids_kernel"),
    "flashinfer.gemm.gemm_base": (
        "_B12X_MM_FP4_KERNEL_CACHE",
        "AutoTuner",
        "get_compute_capability",
        "get_cutlass_fp4_gemm_module",
    ),
    "b12x.moe.fused_moe": ("is_supported", "plan_weights", "plan", "bind", "run"),
    "b12x._lib.gating": ("get_compute_capability",),
    "b12x._lib.compiler": ("clear_compile_cache",),
    ROUTES: ("launch_triton",),
    kernel_weights.PREPARE: kernel_weights.NAMES,
    DRIVER: ("get_device_attribute",),
}


def module(name: str) -> Any:
    """A module that has all that is asked of it.

    Raises:
        Gone: One of its names went, or all of it.
    """
    try:
        found = importlib.import_module(name)
    except ImportError as e:
        raise Gone(f"{name}: {e}") from e
    for wanted in NAMES[name]:
        if not hasattr(found, wanted):
            raise Gone(f"{name}.{wanted}")
    return found
