# SPDX-License-Identifier: Apache-2.0
"""Machines where something is not as it should be, and checkpoints of mixed precision.

Few questions each, beside the whole table of the six usual worlds: what is selected by
itself, and what becomes of the backends that a user names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from scripts import RECORDS
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.selection.ask import RELEASES, Answer, Question, ask_all
from scripts.selection.cases import (
    AUTO,
    ONLY_OURS,
    OURS,
    PLAIN,
    TROUBLES,
    USUAL,
    Case,
    World,
)
from scripts.selection.matrix import Trees
from scripts.selection.report import columns, short

RECORDED = RECORDS / "worlds.tsv"
WORLDS = (
    *(World("present", "present", trouble) for trouble in TROUBLES),
    *(World(release, "present") for release in RELEASES),
)
MIXED = ("BF16", "FP8", "WNA16", "MXFP4", "MXFP8")
"""MoE layers beside NVFP4 ones, which have other backends."""
_NAMED = {
    ("MoE", "W4A4"): ("flashinfer_cutedsl_sm12x", "flashinfer_b12x"),
    ("MoE", "W4A16"): ("b12x",),
    ("linear", "W4A4"): ("flashinfer_b12x",),
}


class Row(NamedTuple):
    """One question and both trees' answers, as they are recorded."""

    world: str
    layer: str
    scheme: str
    backend: str
    capability: str
    fork: str
    upstream: str
    why: str
    """What the fork says where it is not its first choice, or refuses."""


def questions() -> Iterator[tuple[World, tuple[Case, ...]]]:
    """What each world is asked."""
    usual = tuple(
        Case(layer, scheme, capability, backend, PLAIN, "all")
        for (layer, scheme), named in _NAMED.items()
        for backend in (AUTO, *named)
        for capability in OURS
    )
    for world in WORLDS:
        yield world, usual
    yield (
        USUAL,
        tuple(
            Case("MoE", scheme, capability, backend, PLAIN, "all")
            for scheme in MIXED
            for backend in (AUTO, *_NAMED["MoE", "W4A4"])
            for capability in OURS
        ),
    )


def ask(both: Trees) -> tuple[Row, ...]:
    """Put them to both trees.

    Raises:
        Finding: vLLM cannot be asked.
        Unusable: The CPU environment cannot be made.
    """
    asked = list(questions())
    known = [
        (world, tuple(c for c in cases if c.backend not in ONLY_OURS))
        for world, cases in asked
    ]
    told = ask_all(
        [Question(both.fork.path, both.fork.id, *each) for each in asked]
        + [Question(both.upstream.path, both.upstream.id, *each) for each in known]
    )
    rows: list[Row] = []
    for number, (world, cases) in enumerate(asked):
        theirs = dict(zip(known[number][1], told[len(asked) + number], strict=True))
        for case, answer in zip(cases, told[number], strict=True):
            rows.append(_row(world, case, answer, theirs.get(case)))
    return tuple(rows)


def _row(world: World, case: Case, fork: Answer, upstream: Answer | None) -> Row:
    mixed = case.scheme in MIXED
    why = fork.said if fork.refused else fork.why_not(case.first_choice)
    return Row(
        "mixed checkpoint" if mixed else str(world),
        *(case.layer, case.scheme, case.backend, case.capability),
        fork.chosen,
        "unknown value" if upstream is None else upstream.chosen,
        "" if mixed and not fork.refused else " ".join(why.split()),
    )


def worse(rows: Iterable[Row]) -> list[Row]:
    """Where nothing is named, and the fork refuses what upstream does not."""
    return [
        row
        for row in rows
        if row.backend == AUTO
        and row.fork.startswith("refused")
        and not row.upstream.startswith("refused")
    ]


def hold(rows: Sequence[Row]) -> None:
    """Raise unless the answers are the recorded ones, and none is worse.

    Raises:
        Finding: They are not; the first of them are named.
    """
    if bad := worse(rows):
        raise Finding(
            "where nothing is named, the fork refuses what upstream runs",
            found="\n".join("  ".join(row) for row in bad[:12]),
            next="fix the patch that selects it",
        )
    if changed := sorted(set(rows) ^ set(recorded())):
        raise Finding(
            f"{len(changed)} answers of other worlds are not those of the record",
            where=RECORDED.name,
            found="\n".join("  ".join(row) for row in changed[:12]),
            next="fix the series, or record what it does now: make matrix UPDATE=1",
        )


def recorded() -> tuple[Row, ...]:
    """The repository's rows.

    Raises:
        Finding: They cannot be read.
    """
    try:
        text = RECORDED.read_text(encoding="utf-8")
        head, *rows = csv.reader(io.StringIO(text), delimiter="\t")
        if head != list(Row._fields):
            raise ValueError(f"columns {head}")
        return tuple(Row(*row) for row in rows)
    except (OSError, ValueError, TypeError) as e:
        raise Finding(
            "there is no record of other worlds",
            where=str(RECORDED),
            found=str(e),
            next="make matrix UPDATE=1",
        ) from e


def update(rows: Sequence[Row]) -> None:
    """Write them into the repository."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerows([Row._fields, *rows])
    write(RECORDED, text.getvalue().encode())


_FIRST = {
    "B12X": "b12x compiles here; its wheel brings compilers for CUDA 12 and 13",
    "FlashInferB12x": "ahead with few rows; FlashInfer asks for CUDA 12.9 at least",
}
"""Why what automatic selection takes in place of upstream's runs in such a world."""


def _since(row: Row) -> str:
    if row.why or row.backend != AUTO or row.fork == row.upstream:
        return row.why
    return next((why for name, why in _FIRST.items() if row.fork.startswith(name)), "")


def shown(rows: Sequence[Row]) -> list[str]:
    """Lines for a person: capabilities that answer alike are one."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        told = (
            *(row.world, row.layer, row.scheme, row.backend),
            *(short(row.fork), short(row.upstream), _since(row)[:160]),
        )
        alike.setdefault(told, []).append(row.capability)
    head = ("where", "layer", "", "named", "on", "fork", "upstream", "since")
    body = [(*told[:4], ", ".join(on), *told[4:]) for told, on in alike.items()]
    return columns([head, *body])
