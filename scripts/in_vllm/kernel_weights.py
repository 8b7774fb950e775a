# SPDX-License-Identifier: Apache-2.0
"""Weights of experts, laid out for one expert in place of all of them.

To lay out all of them takes longer on a CPU than all else that vLLM does until it is
known which kernels are reached. The weights here are all alike and never read; only
their sizes matter, and these are what vLLM and b12x themselves make of one expert.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch

PREPARE = "b12x.moe._shared.kernels.w4a16.prepare"
NAMES = ("_repack_weight", "_permute_nvfp4_scales")
"""What is wrapped there; the recorder says if one went."""


def shorten() -> None:
    """Wrap what goes through all experts in vLLM."""
    import vllm.model_executor.layers.quantization.utils.b12x_moe as w4a16
    import vllm.model_executor.layers.quantization.utils.flashinfer_fp4_moe as w4a4

    swizzle = w4a4.swizzle_blockscale

    def swizzled(scale: torch.Tensor) -> torch.Tensor:
        first = swizzle(scale[:1])
        return first.expand(len(scale), *first.shape[1:]).contiguous()

    w4a4.swizzle_blockscale = w4a16.swizzle_blockscale = swizzled


def shorten_b12x() -> None:
    """The same in b12x, which must be there."""
    import vllm.model_executor.layers.fused_moe.b12x as native

    prepare = importlib.import_module(PREPARE)
    repack, permute = (getattr(prepare, name) for name in NAMES)

    def repacked(weight: torch.Tensor, **sizes: Any) -> torch.Tensor:
        first = repack(weight[:1], **sizes)
        return weight.view(torch.int32).view(len(weight), *first.shape[1:])

    def permuted(
        scales: torch.Tensor, global_scales: torch.Tensor, **sizes: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        first, factors = permute(scales[:1], global_scales, **sizes)
        return first.expand(len(scales), *first.shape[1:]).contiguous(), factors

    for name, short in zip(NAMES, (repacked, permuted), strict=True):
        setattr(prepare, name, short)
    # The weights are zero, without a sign.
    native._canonicalize_fp4_zero_signs_ = lambda packed: None
