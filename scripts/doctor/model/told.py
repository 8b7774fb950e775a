# SPDX-License-Identifier: Apache-2.0
"""An assessment as sections for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.doctor.model.assess import Assessment, Row, too_large, unloaded
from scripts.doctor.model.known import Known
from scripts.doctor.model.layers import Kind
from scripts.doctor.model.memory import gib
from scripts.doctor.model.nearest import Other
from scripts.doctor.model.roofline import roofline
from scripts.doctor.model.serve import Flag, lines
from scripts.doctor.remark import Level, Remark, fault, note
from scripts.selection.report import short


@dataclass(frozen=True)
class Answer:
    """All that `make doctor MODEL=` says."""

    known: Known
    found: Assessment
    flags: Sequence[Flag]
    others: Sequence[Other]
    folder: Path
    source: str
    """Where the choices are from, for a person."""
    more: Sequence[Remark] = ()

    @property
    def remarks(self) -> list[Remark]:
        """Everything that is wrong, and what is worth knowing."""
        found = self.found
        # Sections of findings come last.
        way = "see what would fit, above" if self.others else _OTHER
        other = f"{way}; or another quantization of the model"
        said = [
            *(fault(f"it cannot run: {stop}", other) for stop in found.stops),
            *([] if found.fits or found.stops else [too_large(found, way)]),
            *([] if found.fits or self.others else [fault(_NOTHING, _OTHER)]),
            *found.remarks,
            *self.more,
        ]
        if draft := unloaded(found.rows):
            said.append(draft)
        tower = sum(r.nbytes for r in found.rows if r.kind is Kind.VISION)
        if tower and not found.stops:
            said.append(
                note(
                    f"{gib(tower)} a GPU are the vision tower's; what images take at "
                    "work is not counted",
                    "--language-model-only does without, for text alone",
                )
            )
        if found.wanted.gpu.unconfirmed:
            listed = ", ".join(found.wanted.gpu.unconfirmed)
            said.append(
                note(
                    f"of the {found.wanted.gpu.name} no source confirms the {listed}",
                    "see what nvidia-smi says",
                )
            )
        return said

    @property
    def ok(self) -> bool:
        faulty = any(r.level is Level.FAULT for r in self.remarks)
        return self.found.fits and not faulty


_NOTHING = "nothing that was tried would fit"
_OTHER = "GPU= names another, COUNT= and TP= more of them"


@dataclass(frozen=True)
class Section:
    """A heading, and below it a table, whose first row is its head, or lines."""

    title: str
    table: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = ()
    code: Sequence[str] = ()


def sections(answer: Answer) -> Iterator[Section]:
    """The answer, for a person."""
    found = answer.found
    wanted = found.wanted
    gpus = (
        f"{wanted.count} x {wanted.gpu.name}" if wanted.count > 1 else wanted.gpu.name
    )
    verdict = "fits" if found.fits else "does not fit"
    if found.fits and answer.known.model.unregistered:
        verdict = "fits, if vLLM loads it"
    if found.fits and not answer.ok:
        verdict = "fits, and has faults"
    if found.stops:
        verdict = "cannot run"
    name = answer.folder.resolve().name
    shared = f", shared by {wanted.ranks}" if wanted.ranks > 1 else ""
    yield Section(f"{name} on {gpus}{shared}: {verdict}", lines=list(_verdict(found)))
    yield Section(
        "Layers, on each GPU",
        [
            ("kind", "format", "matrices", "bytes", "runs on", "stock vLLM", "since"),
            *(_row(row) for row in found.rows),
        ],
        [answer.source, *_refused(found)],
    )
    if found.stops:
        yield Section("Memory, KV cache, decoding: not counted, as it cannot run")
    else:
        yield Section("Memory of each GPU", list(_memory(found)))
        yield Section("KV cache", lines=list(_cache(found)))
        yield Section("Decoding one sequence, upper bound", lines=list(_bound(found)))
    if answer.others:
        yield Section(
            "What would fit",
            [
                ("with", "KV cache", "ask for it"),
                *(
                    (o.what, f"{o.found.tokens:,} tokens", f"make doctor ... {o.give}")
                    for o in answer.others
                ),
            ],
        )
    if found.fits:
        yield Section(
            "To type, with this repository's wheel",
            [("flag", "why"), *((f"{f.name} {f.value}", f.why) for f in answer.flags)],
            code=lines(answer.folder, list(answer.flags), found),
        )
    yield Section(
        "Findings" if answer.remarks else "Findings: none",
        lines=[
            text
            for remark in answer.remarks
            for text in (
                f"{remark.level.value}: {remark.what}",
                f"  fix: {remark.fix}",
            )
        ],
    )


def _verdict(found: Assessment) -> Iterator[str]:
    yield from found.stops
    wanted = found.wanted
    yield (
        f"asked: {found.context:,} tokens a sequence, {wanted.tokens:,} a step, up to "
        f"{wanted.seqs:,} sequences, KV cache {found.kv}"
    )
    if found.fits:
        yield (
            f"{found.tokens:,} tokens fit: {found.sequences:.1f} sequences of "
            f"{found.context:,} at once"
        )


def _row(row: Row) -> tuple[str, ...]:
    padding = f", {gib(row.padding)} of it padding" if row.padding >= 5 << 20 else ""
    loaded = "" if row.loaded else ", if loaded"
    held = gib(row.nbytes) + padding + loaded if row.shared else "not shared"
    return (
        row.kind.value,
        row.form.value,
        str(row.count),
        held,
        short(row.choice.patched),
        short(row.choice.stock),
        row.choice.why,
    )


def _refused(found: Assessment) -> Iterator[str]:
    for row in (row for row in found.rows if row.shared):
        for each in row.choice.refused:
            yield f"{row.kind.value}, passed over: {each}"
        if row.choice.stock_stops:
            yield f"{row.kind.value}: stock vLLM stops, as {row.choice.stock_stops}"


def _memory(found: Assessment) -> Iterator[tuple[str, ...]]:
    yield "for", "bytes", "known by", "what it is"
    for item in found.budget.items:
        how = "predicted" if item.exact else "estimate"
        yield item.name, gib(item.nbytes), how, item.how
    share = f"{found.budget.utilization:.0%} of {gib(found.budget.total)} are vLLM's"
    system = "the system's" if found.wanted.gpu.unified else "left alone"
    yield system, gib(found.budget.system), "setting", share
    left = max(0, found.budget.left)
    yield "left for the KV cache", gib(left), "", "what the estimates leave"


def _cache(found: Assessment) -> Iterator[str]:
    cache = found.cache
    if not cache.groups:
        yield "no layer keeps one"
        return
    yield (
        f"{cache.token:,} bytes a token, {gib(cache.state)} a sequence whatever its "
        f"length; blocks of {cache.block} tokens, {found.blocks:,} of them"
    )
    yield (
        f"{found.tokens:,} tokens, as vLLM's log counts them; {found.sequences:.2f} "
        f"sequences of {found.context:,}"
    )


def _bound(found: Assessment) -> Iterator[str]:
    bound = roofline(found)
    yield (
        f"{bound.empty:.0f} tokens a second with an empty cache, {bound.full:.0f} at "
        f"{found.context:,} tokens: {gib(bound.weights)} of weights and up to "
        f"{gib(bound.cache)} of cache a token, over "
        f"{found.wanted.gpu.bandwidth / 1e9:,.0f} GB/s"
    )
    yield "an upper bound: no kernel reaches the bandwidth, and nothing else is counted"
