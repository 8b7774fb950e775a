# SPDX-License-Identifier: Apache-2.0
"""The NVFP4 GEMM of FlashInfer 0.7.2.post1 and vLLM's quantiser, in PyTorch.

``mm_fp4`` (flashinfer/gemm/gemm_base.py) takes packed FP4 and swizzled E4M3 scales and
gives ``alpha * (a * sf_a) @ (b * sf_b)``; ``scaled_fp4_quant`` (csrc/quantization/fp4)
makes the first from BF16. Both accumulate in FP32 and round where the kernels round.
"""

from __future__ import annotations

from typing import Any

import torch
from contract.b12x_numerics import (
    BLOCK,
    round_e2m1,
    round_e4m3,
    round_up,
    unpack_e2m1,
)

CALLS: list[tuple[int, str]] = []
"""Rows and backend of each GEMM of this process."""


def swizzle(scale: torch.Tensor) -> torch.Tensor:
    """Plain block scales [M, K/16] in tiles of 128 by 4, padded to them."""
    rows, cols = round_up(scale.shape[0], 128), round_up(scale.shape[1], 4)
    padded = scale.new_zeros(rows, cols)
    padded[: scale.shape[0], : scale.shape[1]] = scale
    tiles = padded.view(rows // 128, 4, 32, cols // 4, 4)
    return tiles.permute(0, 3, 2, 1, 4).reshape(rows, cols)


def unswizzle(scale: torch.Tensor, rows: int, cols: int) -> torch.Tensor:
    """The inverse of ``swizzle``, as float32 [rows, cols]."""
    tall, wide = round_up(rows, 128), round_up(cols, 4)
    tiles = scale.view(torch.float8_e4m3fn).reshape(tall // 128, wide // 4, 32, 4, 4)
    plain = tiles.permute(0, 3, 2, 1, 4).reshape(tall, wide)
    return plain[:rows, :cols].float()


def values(packed: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Packed FP4 [R, K/2] with swizzled scales as float32 [R, K]."""
    plain = unswizzle(scale, packed.shape[0], packed.shape[1] * 2 // BLOCK)
    return unpack_e2m1(packed) * plain.repeat_interleave(BLOCK, -1)


def mm_fp4(
    a: torch.Tensor,
    b: torch.Tensor,
    a_descale: torch.Tensor,
    b_descale: torch.Tensor,
    alpha: torch.Tensor | None = None,
    out_dtype: torch.dtype = torch.bfloat16,
    out: torch.Tensor | None = None,
    block_size: int = 16,
    use_8x4_sf_layout: bool = False,
    backend: str = "auto",
    use_nvfp4: bool = True,
    **_: Any,
) -> torch.Tensor:
    """FlashInfer's ``mm_fp4``: a [M, K/2], b [K/2, N] column-major, both uint8.

    Raises:
        NotImplementedError: Other formats than NVFP4 in 128x4 tiles.
    """
    if block_size != BLOCK or use_8x4_sf_layout or not use_nvfp4 or out is not None:
        raise NotImplementedError("the double covers NVFP4 in 128x4 tiles only")
    CALLS.append((a.shape[0], backend))
    full = values(a.view(torch.uint8), a_descale)
    full = full @ values(b.t().view(torch.uint8), b_descale.t()).t()
    return (full if alpha is None else full * alpha.float()).to(out_dtype)


def quantise(x: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """BF16 [M, K] as packed FP4 [M, K/2] and plain E4M3 scales [M, K/16].

    ``scale`` is the inverse of the calibrated one: block scale = amax / 6 * scale.
    """
    blocks = x.float().unflatten(-1, (-1, BLOCK))
    block_scale = round_e4m3(blocks.abs().amax(-1) * (1 / 6.0) * scale.float())
    inverse = torch.where(block_scale == 0, 0.0, scale.float() / block_scale)
    value = round_e2m1(blocks * inverse.unsqueeze(-1)).flatten(-2)
    mag = value.abs()
    codes = torch.where(mag < 2, mag * 2, torch.where(mag < 4, mag + 2, mag / 2 + 4))
    codes = codes.to(torch.uint8) | (torch.signbit(value).to(torch.uint8) << 3)
    packed = codes[..., 0::2] | codes[..., 1::2] << 4
    return packed, block_scale.to(torch.float8_e4m3fn)


_LIBRARY: list[torch.library.Library] = []


def register() -> None:
    """Give the two operations a CPU kernel, where vLLM calls them by name.

    vLLM's own body of ``vllm::flashinfer_mm_fp4`` runs, which chooses b12x or CUTLASS
    by M (patch 0017) and calls FlashInfer's function.
    """
    import vllm.utils.flashinfer as lazy

    if "cpu" not in lazy.flashinfer_mm_fp4._backend_fns:
        lazy.flashinfer_mm_fp4.register_kernel("cpu")(lazy.flashinfer_mm_fp4._init_fn)
    if hasattr(torch.ops._C, "scaled_fp4_quant"):
        library = torch.library.Library("_C", "IMPL")
    else:
        library = torch.library.Library("_C", "FRAGMENT")
        library.define(
            "scaled_fp4_quant.out(Tensor input, Tensor input_scale, bool "
            "is_sf_swizzled_layout, *, Tensor(a!) output, Tensor(b!) output_scale) -> "
            "(Tensor(a!), Tensor(b!))"
        )
    library.impl("scaled_fp4_quant.out", _scaled_fp4_quant_out, "CPU")
    _LIBRARY.append(library)  # it undefines them when it is collected


def _scaled_fp4_quant_out(
    x: torch.Tensor,
    scale: torch.Tensor,
    swizzled: bool,
    *,
    output: torch.Tensor,
    output_scale: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    packed, block_scale = quantise(x, scale)
    output.zero_()[:, : packed.shape[1]] = packed
    laid = swizzle(block_scale.view(torch.uint8)) if swizzled else block_scale
    flat = output_scale.view(torch.uint8)
    flat.zero_()
    flat[: laid.shape[0], : laid.shape[1]] = laid.view(torch.uint8)
    return output, output_scale
