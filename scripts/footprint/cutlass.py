# SPDX-License-Identifier: Apache-2.0
"""Scratch that FlashInfer's CUTLASS MoE certainly allocates: a lower bound."""

from __future__ import annotations

from scripts.footprint.models import Model

BACKEND = "FLASHINFER_CUTLASS"
"""vLLM's name of it, as an answer starts."""
READ_IN = "0.7.4"
"""Release of FlashInfer whose source `at_least` follows; 0.7.2.post1 has the same."""
_BF16 = 2
_SCALED = 16
"""Values of one block scale, which is a byte."""


def at_least(model: Model, intermediate: int, tokens: int) -> int:
    """Bytes of three buffers that one call allocates, NVFP4 W4A4 on SM12x.

    Source: FlashInfer 0.7.4, ``csrc/fused_moe/cutlass_backend``.
    ``FusedMoeRunner::getWorkspaceInfo`` (``flashinfer_cutlass_fused_moe_binding.cu``)
    allocates the workspace of each call that brings none, and vLLM 0.33.0's
    ``FlashInferExperts.apply`` brings none, nor splits a call. Its size is
    ``getWorkspaceDeviceBufferSizes`` (``cutlass_fused_moe_kernels.cuh``), with P =
    tokens * top_k rows, hidden size H, intermediate size I of a rank:

    - ``overlapped_gemm1_gemm2_inputs``: the larger of the second GEMM's BF16 output
      [P, H] and its FP4 input [P, I / 2]; the permuted FP4 input [P, H / 2] fits in.
    - ``overlapped_gemm1_gemm2_outputs``: the larger of the first GEMM's BF16 output,
      [P, 2 * I] if gated, else [P, I], and the second's [P, H]. The second's is in
      both sizes, with a fused finalize, too.
    - ``fp4_act_scale``: an FP8 scale for 16 values of the wider GEMM's input.

    Left out: padding of rows and scales, index maps, and the workspaces of the GEMMs
    and of their tuning. All of it only adds to what is counted.

    Args:
        model: Whose experts they are.
        intermediate: Size of one rank, before padding.
        tokens: Those of the largest call.
    """
    pairs = tokens * model.top_k
    second = model.hidden * _BF16
    first = intermediate * _BF16 * (2 if model.gated else 1)
    inputs = max(second, intermediate // 2)
    outputs = max(first, second)
    scales = max(model.hidden, intermediate) // _SCALED
    return pairs * (inputs + outputs + scales)
