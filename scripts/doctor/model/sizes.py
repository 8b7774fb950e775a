# SPDX-License-Identifier: Apache-2.0
"""Bytes that a rank holds of each matrix once vLLM has prepared it for its kernel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from scripts.doctor.model.formats import (
    Format,
    block_scale_padding,
    matrix_bytes,
)
from scripts.doctor.model.layers import (
    Kind,
    Matrix,
    Split,
    down_of,
    pattern,
    split_of,
)
from scripts.doctor.model.mixers import Mixer, Module, divisors
from scripts.kernels.workspace import padded_intermediate, up

_WORDS = 64
"""vLLM's DEFAULT_VOCAB_PADDING_SIZE."""
_GEMM = 32
"""What rows and columns are multiples of: vLLM's pad_nvfp4_weight_for_cutlass."""
_SCALARS = 16
"""Bytes of the FP32 scales of a quantized matrix."""
SM12X = "FLASHINFER_CUTEDSL_SM12X"
"""The backend whose layout pads the experts' intermediate size."""
_BLOCKS = {
    **dict.fromkeys((Format.NVFP4, Format.NVFP4_A16), 16),
    Format.MXFP8: 32,
    Format.FP8_BLOCK: 128,
}
"""Inputs, and of FP8 outputs too, that share a scale."""
_SHOWN = 3
_SWIZZLED = ("FLASHINFER", "CUTLASS", "FlashInfer", "Cutlass")


@dataclass(frozen=True)
class Held:
    """What a rank holds of one matrix.

    Attributes:
        nbytes: All of it.
        padding: Bytes thereof that no checkpoint has.
        rows, cols: Of the rank's share; of the experts: its intermediate size and what
            they read.
    """

    nbytes: int
    padding: int
    rows: int
    cols: int


class Indivisible(Exception):
    """What vLLM would not load on so many ranks.

    Attributes:
        what: `64 attention heads`.
        way: What vLLM cannot do with it: text before and behind `what`.
    """

    def __init__(self, what: str, way: tuple[str, str]) -> None:
        super().__init__(f"vLLM cannot {way[0]} {what}{way[1]}")
        self.what = what
        self.way = way


def reasons(errors: Iterable[Indivisible]) -> list[str]:
    """One text for each thing that vLLM cannot do, whatever it cannot do it with."""
    ways: dict[tuple[str, str], dict[str, None]] = {}
    for error in errors:
        ways.setdefault(error.way, {})[error.what] = None
    found = []
    for (verb, end), these in ways.items():
        listed = ", ".join(list(these)[:_SHOWN])
        more = len(these) - _SHOWN
        also = f" and {more} more sizes" if more > 0 else ""
        found.append(f"vLLM cannot {verb} {listed}{also}{end}")
    return found


def check(mixers: tuple[Mixer | None, ...], ranks: int) -> None:
    """See that the ranks can share the heads.

    Raises:
        Indivisible: They cannot.
    """
    for mixer in dict.fromkeys(m for m in mixers if m is not None):
        for name, count in divisors(mixer):
            if count % ranks:
                raise _shared(f"{count} {name}", ranks)


def held(matrix: Matrix, ranks: int, kv_head: int, backend: str) -> Held:
    """What a rank holds of a matrix.

    Args:
        matrix: The whole of it.
        ranks: Tensor-parallel size.
        kv_head: Rows of one key head, for `Split.HEADS`.
        backend: What runs it, by the name that selection gives.

    Raises:
        Indivisible: vLLM could not share it.
    """
    if matrix.kind is Kind.EXPERTS or matrix.parts[0].experts > 1:
        return _experts(matrix, ranks, backend)
    shares = [
        share(part, ranks, kv_head, _split(matrix, part)) for part in matrix.parts
    ]
    _whole_blocks(matrix, shares, ranks)
    rows = sum(each.rows for each in shares)
    cols = shares[0].cols
    bias = sum(2 * each.rows for each in shares if each.bias)
    plain = matrix_bytes(matrix.form, rows, cols)
    padding = 0
    if matrix.split is Split.WORDS:
        words = sum(part.rows for part in matrix.parts)
        padding = plain - plain * words // (rows * ranks)
    if matrix.form in (Format.NVFP4, Format.NVFP4_A16):
        plain += _SCALARS
        if backend.startswith(_SWIZZLED):
            padding += block_scale_padding(rows, cols)
            more = up(rows, _GEMM) * up(cols, _GEMM) - rows * cols
            padding += more // 2
            plain += block_scale_padding(rows, cols) + more // 2
    return Held(plain + bias, padding, rows, cols)


def _whole_blocks(matrix: Matrix, shares: list[Module], ranks: int) -> None:
    """See that no rank gets a part of a block.

    FP8's blocks have rows too, which matter where ranks or parts of one matrix meet:
    vLLM's `validate_fp8_block_shape`.

    Raises:
        Indivisible: One does.
    """
    for n, each in enumerate(shares):
        split = _split(matrix, each)
        sizes = [(each.cols, "inputs")]
        if matrix.form is Format.FP8_BLOCK:
            sizes = sizes if split is Split.COLUMNS and ranks > 1 else []
            cut = split in (Split.ROWS, Split.HEADS) and ranks > 1
            if cut or n < len(shares) - 1:
                sizes.append((each.rows, "outputs"))
        for size, what in sizes:
            _in_blocks(matrix.form, size, f"{what} of {pattern(each.name)}", ranks)


def _in_blocks(form: Format, size: int, what: str, ranks: int) -> None:
    if size % _BLOCKS.get(form, 1):
        where = "" if ranks == 1 else f" on each of {ranks} ranks"
        why = f"{form.value} has one scale for {_BLOCKS[form]} of them"
        raise Indivisible(f"{size} {what}", ("load", f"{where}: {why}"))


def _split(matrix: Matrix, part: Module) -> Split:
    return split_of(part.name) if len(matrix.parts) > 1 else matrix.split


def share(part: Module, ranks: int, kv_head: int, split: Split) -> Module:
    """One rank's part of a module.

    Raises:
        Indivisible: vLLM could not share it.
    """
    match split:
        case Split.ALL:
            return part
        case Split.WORDS:
            words = up(part.rows, _WORDS)
            return replace(part, rows=_over(words, ranks, part, "words"))
        case Split.COLUMNS:
            return replace(part, cols=_over(part.cols, ranks, part, "inputs"))
        case Split.HEADS:
            heads = max(1, part.rows // kv_head)
            if heads % ranks and ranks % heads:
                raise _shared(f"{heads} key heads", ranks)
            return replace(part, rows=max(1, heads // ranks) * kv_head)
        case Split.ROWS:
            return replace(part, rows=_over(part.rows, ranks, part, "outputs"))


def _over(size: int, ranks: int, part: Module, what: str) -> int:
    if size % ranks:
        raise _shared(f"{size} {what} of {pattern(part.name)}", ranks)
    return size // ranks


def _shared(what: str, ranks: int) -> Indivisible:
    return Indivisible(what, ("share", f" over {ranks} ranks"))


def _experts(matrix: Matrix, ranks: int, backend: str) -> Held:
    first = matrix.parts[0]
    down = next(filter(down_of, matrix.parts))
    up_rows = sum(p.rows for p in matrix.parts if p is not down)
    hidden, size = down.rows, down.cols
    gates = max(1, up_rows // size)
    own = _over(size, ranks, down, "inputs")
    count, form = first.experts, matrix.form
    _in_blocks(form, own, f"inputs of {pattern(down.name)}", ranks)
    bias = 2 * (gates * own + hidden) * count if first.bias else 0
    plain = count * (
        matrix_bytes(form, gates * own, hidden) + matrix_bytes(form, hidden, own)
    )
    if form not in (Format.NVFP4, Format.NVFP4_A16):
        return Held(plain + bias, 0, own, hidden)
    padded = padded_intermediate(own) if backend.startswith(SM12X) else own
    nbytes = count * (
        matrix_bytes(form, gates * padded, hidden) + matrix_bytes(form, hidden, padded)
    )
    if backend.startswith(_SWIZZLED):
        nbytes += count * (
            block_scale_padding(gates * padded, hidden)
            + block_scale_padding(hidden, padded)
        )
    # Of each expert two scales of weights, and two of activations.
    scalars = 4 * count * 2 * (gates + 1)
    return Held(nbytes + scalars + bias, nbytes - plain, own, hidden)
