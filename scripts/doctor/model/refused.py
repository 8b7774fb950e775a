# SPDX-License-Identifier: Apache-2.0
"""Experts that a MoE backend does not take for their shape, with its reason.

Those of the series are `_unsupported_reason` and `_sm12x_weights_factor` of its
patches, in their words; tests/on_cpu/in_vllm/test_doctor_choice.py holds this to them.
"""

from __future__ import annotations

from scripts.doctor.model.blocks import Experts
from scripts.kernels import workspace

_MOST = 1.10
_ROWS = 128


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


def by_padding(found: Experts, size: int) -> str:
    """Why the series' MoE backend is not taken by itself, though it could run.

    Padding is not to make the weights a tenth larger than those of the backend after
    it, if that one takes the size at all.
    """
    padded = workspace.padded_intermediate(size)
    factor = 1.0
    if not found.gated:
        factor = padded / workspace.up(size, _ROWS)
    elif not 2 * size % _ROWS:
        factor = padded / size
    if factor <= _MOST:
        return ""
    return (
        f"padding makes its weights {factor:.2f} times those of FLASHINFER_CUTLASS "
        "(take it by moe_backend=flashinfer_cutedsl_sm12x, or another tensor parallel "
        "size)"
    )


def shape(found: Experts, size: int) -> workspace.Shape:
    """Of one rank with that intermediate size, padded as the weights are."""
    padded = workspace.padded_intermediate(size)
    gated = found.gated
    return workspace.Shape(found.count, found.top_k, found.hidden, padded, gated)


def stock_refusal(stock: str, found: Experts, size: int) -> str:
    """prepare_nvfp4_moe_layer_for_fi_or_cutlass pads no gated rows: it raises."""
    if stock.startswith("FLASHINFER_CUTLASS") and found.gated and 2 * size % _ROWS:
        return (
            f"{2 * size} rows of gate and up a rank are no multiple of 128, which "
            "FLASHINFER_CUTLASS does not pad (use another tensor parallel size)"
        )
    return ""
