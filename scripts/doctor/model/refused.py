# SPDX-License-Identifier: Apache-2.0
"""Experts that a MoE backend does not take for their shape, with its reason.

That of the series is `_unsupported_reason` of the patch that brings it, in its words;
tests/series/cpu/test_doctor_choice.py holds both of these to vLLM's own code.
"""

from __future__ import annotations

from scripts.doctor.model.blocks import Experts
from scripts.kernels import workspace


def refusal(found: Experts, size: int, tokens: int) -> str:
    """Why the series' MoE backend does not take these experts; empty if it does.

    Args:
        found: The experts of the whole model.
        size: Intermediate size of a rank.
        tokens: Largest call.
    """
    if found.bias:
        return "expert biases"
    if found.limit and found.activation != "swigluoai":
        return f"a SwiGLU limit with the {found.activation} activation"
    if found.hidden % 128:
        return f"hidden size {found.hidden}, which is no multiple of 128"
    if size % 16 or not size:
        return (
            f"intermediate size {size} per rank, which is no multiple of 16 "
            "(use another tensor parallel size)"
        )
    if not workspace.most_tokens(shape(found, size), tokens):
        return (
            f"{found.count} experts with hidden size {found.hidden}, as its workspace "
            "would exceed 2^31 elements"
        )
    return ""


def shape(found: Experts, size: int) -> workspace.Shape:
    """Of one rank with that intermediate size, padded as the weights are."""
    padded = workspace.padded_intermediate(size)
    gated = found.gated
    return workspace.Shape(found.count, found.top_k, found.hidden, padded, gated)


def stock_refusal(stock: str, found: Experts, size: int) -> str:
    """prepare_nvfp4_moe_layer_for_fi_or_cutlass pads no gated rows: it raises."""
    if stock.startswith("FLASHINFER_CUTLASS") and found.gated and (2 * size) % 128:
        return (
            f"{2 * size} rows of gate and up a rank are no multiple of 128, which "
            "FLASHINFER_CUTLASS does not pad (use another tensor parallel size)"
        )
    return ""
