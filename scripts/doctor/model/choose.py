# SPDX-License-Identifier: Apache-2.0
"""What runs a kind of matrix: by the patched vLLM and by stock, as recorded, and why.

Recorded is `records/selection.tsv`, which asks for one shape; what is refused
by shape is added by `refused`.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.doctor.model.blocks import Experts
from scripts.doctor.model.formats import Format
from scripts.doctor.model.layers import Kind
from scripts.doctor.model.refused import by_padding, refusal, stock_refusal
from scripts.doctor.model.sizes import SM12X
from scripts.selection.cases import PLAIN
from scripts.selection.report import default, short
from scripts.selection.table import SAME, Table

_LIMIT = "SwiGLU limit"


@dataclass(frozen=True)
class Choice:
    """What runs a kind of matrix.

    Attributes:
        patched, stock: Backend and class, as selection names them.
        why: Why that, in a person's words.
        refused: What was passed over, with its reason.
        stops: Why the patched vLLM cannot run it; empty if it can.
        stock_stops: The same of stock.
    """

    patched: str
    stock: str
    why: str
    refused: tuple[str, ...] = ()
    stops: str = ""
    stock_stops: str = ""


def of_matrix(
    table: Table, kind: Kind, form: Format, capability: str, experts: bool = False
) -> Choice:
    """What runs a matrix that is no mixture of experts, or experts not in NVFP4."""
    if form.scheme is None or kind is Kind.EXPERTS:
        if not form.quantized:
            runs = "Triton experts" if experts else "cuBLAS"
            runs = {Kind.EMBEDDING: "lookup", Kind.SMALL: "no GEMM"}.get(kind, runs)
            return Choice(runs, runs, "not quantized; the series changes NVFP4 alone")
        unknown = f"vLLM's own for {form.value}"
        return Choice(unknown, unknown, "not recorded; the series changes NVFP4 alone")
    found = default(table, "linear", form.scheme, capability)
    stock = found.fork if found.upstream == SAME else found.upstream
    if found.why:
        first = "FlashInferB12xNvFp4LinearKernel"
        return Choice(found.fork, stock, "as stock", (f"{first}: {found.why}",))
    same = found.fork == stock
    if not same and "b12x_or_cutlass" in found.fork:
        return Choice(
            found.fork, stock, "b12x for few tokens, CUTLASS from M = 256, in one layer"
        )
    return Choice(found.fork, stock, "as stock" if same else "made for SM12x")


def of_experts(
    table: Table,
    found: Experts,
    form: Format,
    capability: str,
    ranks: int,
    tokens: int,
) -> Choice:
    """What runs the routed experts."""
    if form.scheme is None:
        return of_matrix(table, Kind.EXPERTS, form, capability, experts=True)
    feature = _LIMIT if found.limit else PLAIN
    recorded = default(table, "MoE", form.scheme, capability, feature=feature)
    stock = recorded.fork if recorded.upstream == SAME else recorded.upstream
    size = found.intermediate // ranks
    stock_stops = stock_refusal(stock, found, size)
    if not recorded.fork.startswith(SM12X):
        why = f"since {recorded.why}" if recorded.why else "as stock"
        if recorded.fork != stock and not recorded.why:
            why = "keeps BF16 activations, as the checkpoint asks"
        stops = stock_stops if recorded.fork == stock else ""
        return Choice(recorded.fork, stock, why, (), stops, stock_stops)
    reason = refusal(found, size, tokens)
    reason = f"kernel does not support {reason}" if reason else by_padding(found, size)
    if reason:
        refused = (f"{short(recorded.fork)}: {reason}",)
        why = "stock's choice, as the series' own is not for this shape"
        return Choice(stock, stock, why, refused, stock_stops, stock_stops)
    why = "made for SM12x: exact scales, one scratch for all layers"
    return Choice(recorded.fork, stock, why, (), "", stock_stops)
