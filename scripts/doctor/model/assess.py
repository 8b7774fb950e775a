# SPDX-License-Identifier: Apache-2.0
"""One model on so many of one GPU: put together from all the other modules here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scripts.doctor.model import choose, memory, refused, sizes
from scripts.doctor.model.blocks import Experts
from scripts.doctor.model.choose import Choice
from scripts.doctor.model.families import Model
from scripts.doctor.model.formats import Format
from scripts.doctor.model.gpus import Gpu
from scripts.doctor.model.known import Known
from scripts.doctor.model.kv import Cache, cache
from scripts.doctor.model.layers import (
    Kind,
    Matrix,
    Split,
    pattern,
)
from scripts.doctor.model.memory import Budget, Step
from scripts.doctor.model.mixers import Attention, Latent
from scripts.doctor.remark import Remark, fault, note
from scripts.kernels import workspace
from scripts.selection.table import Table


@dataclass(frozen=True)
class Wanted:
    """What is asked for; None is vLLM's own default.

    Attributes:
        count: GPUs that there are.
        ranks: Of them that share the model, as --tensor-parallel-size.
        kv: `auto`, `fp8` or `nvfp4`.
    """

    gpu: Gpu
    count: int
    ranks: int
    context: int | None = None
    seqs: int | None = None
    tokens: int | None = None
    kv: str = "auto"


@dataclass(frozen=True)
class Row:
    """Matrices of one kind and format, on one rank.

    Attributes:
        count: Matrices; of experts, layers.
        nbytes, padding: Of all of them.
        read: Bytes that one token of one sequence reads of them.
        names: Paths, the layer's number left out.
        loaded: Whether vLLM loads them without a further flag.
        shapes: Rows and columns that a rank has of them, each once.
        shared: Whether the ranks can share all of them; else its bytes are not known.
    """

    kind: Kind
    form: Format
    count: int
    nbytes: int
    padding: int
    read: int
    names: tuple[str, ...]
    choice: Choice
    loaded: bool = True
    shapes: tuple[tuple[int, int], ...] = ()
    shared: bool = True


@dataclass(frozen=True)
class Assessment:
    """The answer to one `Wanted`, its defaults filled in."""

    wanted: Wanted
    kv: str
    rows: tuple[Row, ...]
    budget: Budget
    cache: Cache
    remarks: tuple[Remark, ...]
    stops: tuple[str, ...]
    """Why it cannot run, whatever memory there is."""

    @property
    def context(self) -> int:
        assert self.wanted.context is not None
        return self.wanted.context

    @property
    def blocks(self) -> int:
        return self.cache.blocks(self.budget.left)

    @property
    def sequences(self) -> float:
        """Sequences of `context` tokens that fit at once."""
        return self.cache.sequences(self.budget.left)

    @property
    def tokens(self) -> int:
        """Tokens that fit, as vLLM's log counts them."""
        return int(self.sequences * self.context)

    @property
    def fits(self) -> bool:
        return not self.stops and self.sequences >= 1

    @property
    def weights(self) -> int:
        return sum(row.nbytes for row in self.rows if row.loaded)


_NOTHING = sizes.Held(0, 0, 0, 0)
"""Of what the ranks cannot share."""


def assess(it: Known, wanted: Wanted, table: Table) -> Assessment:
    """What that checkpoint is on those GPUs."""
    wanted = _filled(it, wanted)
    assert wanted.tokens is not None and wanted.context is not None
    assert wanted.seqs is not None
    whole: list[sizes.Indivisible] = []
    try:
        sizes.check(it.model.mixers, wanted.ranks)
    except sizes.Indivisible as error:
        whole.append(error)
    rows = _rows(it, wanted, table, whole)
    stops = sizes.reasons(whole)
    stops += [stop for row in rows if (stop := stop_of(row))]
    # A checkpoint's own wish is taken unless another is named.
    kind = it.kv if wanted.kv == "auto" and it.kv else wanted.kv
    mixers = it.model.mixers
    stops += _no_cache(it, kind)
    keeps = cache(mixers, wanted.ranks, kind, wanted.context, wanted.tokens)
    weights = sum(row.nbytes for row in rows if row.loaded)
    buffers = sum(2 * words * size for words, size in it.model.rotary)
    step = _step(it, wanted, rows)
    padding = sum(row.padding for row in rows if row.loaded)
    budget = memory.budget(wanted.gpu, wanted.ranks, weights, padding, buffers, step)
    return Assessment(
        wanted, kind, rows, budget, keeps, it.remarks, tuple(dict.fromkeys(stops))
    )


def _filled(it: Known, wanted: Wanted) -> Wanted:
    """With vLLM's defaults for `vllm serve`: EngineArgs.get_batch_defaults."""
    large = wanted.gpu.memory >= 70 << 30 and not wanted.gpu.unified
    context = wanted.context or it.model.context
    seqs = wanted.seqs or (1024 if large else 256)
    tokens = wanted.tokens or min(8192 if large else 2048, seqs * context)
    return replace(wanted, context=context, seqs=min(seqs, tokens), tokens=tokens)


def _no_cache(it: Known, kind: str) -> list[str]:
    heads = {m.head for m in it.model.mixers if isinstance(m, Attention)}
    if kind != "nvfp4":
        return []
    if any(isinstance(m, Latent) for m in it.model.mixers):
        return ["an NVFP4 KV cache of latent attention is not for SM12x"]
    if 64 in heads:
        return ["FlashInfer misreads an NVFP4 KV cache of heads of 64, says vLLM"]
    return []


def _rows(
    it: Known, wanted: Wanted, table: Table, whole: list[sizes.Indivisible]
) -> tuple[Row, ...]:
    found: dict[tuple[Kind, Format], list[tuple[Matrix, int, sizes.Held]]] = {}
    choices: dict[tuple[Kind, Format], Choice] = {}
    for matrix, count in it.alike:
        kind, form = matrix.kind, matrix.form
        if (kind, form) not in choices:
            choices[kind, form] = _choice(it.model, matrix, wanted, table)
        held = it.held(matrix, wanted.ranks, choices[kind, form].patched)
        if isinstance(held, sizes.Indivisible):
            # Of a draft that nobody asked for nothing is loaded.
            whole += [] if kind is Kind.DRAFT else [held]
            held = _NOTHING
        found.setdefault((kind, form), []).append((matrix, count, held))
    return tuple(
        Row(
            kind,
            form,
            sum(n for _, n, _ in parts),
            sum(n * h.nbytes for _, n, h in parts),
            sum(n * h.padding for _, n, h in parts),
            sum(n * _read(it.model, m, h) for m, n, h in parts),
            tuple(dict.fromkeys(pattern(m.name) for m, _, _ in parts)),
            choices[kind, form],
            kind is not Kind.DRAFT,
            tuple(dict.fromkeys((h.rows, h.cols) for _, _, h in parts)),
            all(h is not _NOTHING for _, _, h in parts),
        )
        for (kind, form), parts in sorted(
            found.items(), key=lambda e: (list(Kind).index(e[0][0]), e[0][1].value)
        )
    )


def stop_of(row: Row) -> str:
    """Why the patched vLLM cannot run these matrices; empty if it can.

    Of what the ranks cannot share that is said already.
    """
    if not row.shared or not row.choice.stops:
        return ""
    return f"{row.kind.value} in {row.form.value}: {row.choice.stops}"


def _choice(found: Model, matrix: Matrix, wanted: Wanted, table: Table) -> Choice:
    capability = wanted.gpu.capability
    if matrix.kind is Kind.EXPERTS and found.experts is not None:
        assert wanted.tokens is not None
        return choose.of_experts(
            table, found.experts, matrix.form, capability, wanted.ranks, wanted.tokens
        )
    several = matrix.parts[0].experts > 1
    return choose.of_matrix(table, matrix.kind, matrix.form, capability, several)


def _read(found: Model, matrix: Matrix, held: sizes.Held) -> int:
    """Bytes that the next token of one sequence reads of a matrix."""
    if matrix.kind in (Kind.DRAFT, Kind.VISION):
        return 0
    if matrix.kind is Kind.EMBEDDING and not found.tied:
        return 2 * found.hidden
    if matrix.kind is Kind.EXPERTS and found.experts is not None:
        return held.nbytes * found.experts.top_k // found.experts.count
    return held.nbytes


def _step(it: Known, wanted: Wanted, rows: Sequence[Row]) -> Step:
    assert wanted.tokens is not None and wanted.seqs is not None
    widest = 0
    for matrix, _ in it.alike:
        if matrix.kind in (Kind.EXPERTS, Kind.VISION, Kind.DRAFT, Kind.SMALL):
            continue
        if matrix.split is Split.WORDS:
            continue
        held = it.held(matrix, wanted.ranks, "")
        if isinstance(held, sizes.Held):
            widest = max(widest, held.rows)
    scratch, own = _scratch(it.model.experts, wanted, rows)
    return Step(
        wanted.tokens,
        wanted.seqs,
        it.model.hidden,
        widest,
        it.model.vocabulary,
        scratch,
        own,
    )


def _scratch(
    found: Experts | None, wanted: Wanted, rows: Sequence[Row]
) -> tuple[int, bool]:
    assert wanted.tokens is not None
    chosen = [row.choice.patched for row in rows if row.kind is Kind.EXPERTS]
    if found is None or not chosen:
        return 0, True
    size = found.intermediate // wanted.ranks
    if any(each.startswith(sizes.SM12X) for each in chosen):
        shape = refused.shape(found, size)
        most = workspace.most_tokens(shape, wanted.tokens)
        return workspace.nbytes(shape, most), True
    pairs = wanted.tokens * found.top_k
    return pairs * (2 * found.hidden + 2 * (1 + found.gated) * size + 2 * size), False


def unloaded(rows: Sequence[Row]) -> Remark | None:
    """What is said of a draft that nobody asked for."""
    draft = [row for row in rows if not row.loaded]
    more = sum(row.nbytes for row in draft)
    if not more or not all(row.shared for row in draft):
        return None
    return note(
        f"the MTP head takes {memory.gib(more)} a GPU more, if it is loaded",
        'add --speculative-config \'{"method": "mtp", "num_speculative_tokens": 1}\' '
        "to draft with it",
    )


def too_large(found: Assessment, fix: str) -> Remark:
    """Why it does not fit, and what to do."""
    short = found.cache.page * found.cache.layers * found.cache.of_sequence
    return fault(
        f"it does not fit: {memory.gib(max(0, found.budget.left))} are left for the "
        f"KV cache, of which one sequence of {found.context:,} tokens takes "
        f"{memory.gib(short)}",
        fix,
    )
