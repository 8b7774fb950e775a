# SPDX-License-Identifier: Apache-2.0
"""The formats that a matrix of a checkpoint can have, and what each of them takes."""

from __future__ import annotations

from enum import Enum

from scripts.kernels.workspace import up


class Format(Enum):
    """The value is what is printed."""

    BF16 = "BF16"
    """As the checkpoint has it where nothing is quantized; FP16 counts as this."""
    FP32 = "FP32"
    NVFP4 = "NVFP4 W4A4"
    """FP4 in blocks of 16 with an E4M3 scale, activations too."""
    NVFP4_A16 = "NVFP4 W4A16"
    """The same weights with BF16 activations."""
    MXFP4 = "MXFP4"
    """FP4 in blocks of 32 with an E8M0 scale."""
    MXFP8 = "MXFP8"
    FP8 = "FP8"
    """E4M3 with a scale a tensor or a row."""
    FP8_BLOCK = "FP8 in blocks"
    """E4M3 with an FP32 scale for 128 x 128."""
    INT4 = "INT4 W4A16"
    OTHER = "not known"

    @property
    def scheme(self) -> str | None:
        """As the recorded selection names it; None for what it has no answers to."""
        return {Format.NVFP4: "W4A4", Format.NVFP4_A16: "W4A16"}.get(self)

    @property
    def quantized(self) -> bool:
        return self not in (Format.BF16, Format.FP32)


def matrix_bytes(form: Format, rows: int, cols: int) -> int:
    """Bytes of a matrix and its block scales, without any padding.

    Args:
        form: Its format.
        rows: Outputs.
        cols: Inputs, of which blocks are made.
    """
    size = rows * cols
    match form:
        case Format.FP32:
            return 4 * size
        case Format.NVFP4 | Format.NVFP4_A16:
            return -(-size // 2) + rows * -(-cols // 16)
        case Format.MXFP4:
            return -(-size // 2) + rows * -(-cols // 32)
        case Format.MXFP8:
            return size + rows * -(-cols // 32)
        case Format.FP8:
            return size + 4
        case Format.FP8_BLOCK:
            return size + 4 * -(-rows // 128) * -(-cols // 128)
        case Format.INT4:
            # Groups of 128 with a 16-bit scale, as most are.
            return -(-size // 2) + 2 * rows * -(-cols // 128)
        case _:
            return 2 * size


def block_scale_padding(rows: int, cols: int) -> int:
    """Bytes that swizzled NVFP4 scales take beyond their own.

    Rows are padded to 128 and blocks to 4: vLLM's `swizzle_blockscale`.
    """
    blocks = -(-cols // 16)
    return up(rows, 128) * up(blocks, 4) - rows * blocks
