# SPDX-License-Identifier: Apache-2.0
"""A record as tables: what ran, on what, of which series, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.hopper import sanitizer
from scripts.hopper.judge import is_same
from scripts.hopper.record import made_on
from scripts.hopper.served import ENGINE
from scripts.hopper.tables import Row, runs, table
from scripts.in_vllm.hopper_cases import (
    ALL_PADDED,
    COLUMNS,
    GRAPH_SIZE,
    MULTIPROCESSORS,
    OWN_CHOICE,
)
from scripts.in_vllm.hopper_models import left_out, models
from scripts.reports import of_series
from scripts.selection.report import columns
from scripts.series.identity import Identity

DOUBLE = "with the GPU's reciprocal"
_FROM_MEMORY = [model.name for model in models() if model.is_from_memory]
_NOT_SHOWN = (
    *(f"{name}'s sizes are partly from memory." for name in _FROM_MEMORY),
    "Of relu2's dynamic kernel FlashInfer makes one, with a tile of 128 rows.",
    "It shows arithmetic, addressing and synchronisation of the device code that "
    "FlashInfer makes for SM12x.",
    "It does not show what ptxas makes of it for sm_120, how the real instruction "
    "rounds inside a sum, or any speed.",
)


def as_text(record: Mapping[str, Any], series: Identity) -> str:
    """Every part as a table.

    Args:
        record: Of one FlashInfer release.
        series: The one that is here.
    """
    lines = [line for run in runs(record) for line in _head(run, record, series)]
    lines += _NOT_SHOWN
    for title, rows in _tables(record):
        lines += _shown(title, rows)
    return "\n".join(lines)


def side_by_side(records: Sequence[Mapping[str, Any]]) -> str:
    """What racecheck says of each kind of kernel, a column a FlashInfer release."""
    rows = sanitizer.races(records)
    return "\n".join(_shown("racecheck by release of FlashInfer", rows))


def _shown(title: str, rows: Sequence[Sequence[Any]]) -> list[str]:
    return ["", title, *columns([list(map(_cell, row)) for row in rows])]


_SHARES = {"models": 0, "sanitizer": 1, "seed": 1}
"""Parts that may be run apart: the column that names what of one a run has."""


def _head(
    run: Mapping[str, Any], record: Mapping[str, Any], series: Identity
) -> list[str]:
    """Of a run what it is of, and of one that is not the record's own what it ran."""
    machine = ", ".join(f"{key} {value}" for key, value in run["machine"].items())
    lines = [of_series(made_on(run), series), machine]
    if run is not record:
        lines = ["", "Run apart:"]
        for name, part in run["parts"].items():
            of = dict.fromkeys(row[_SHARES.get(name, 0)] for row in part["rows"])
            lines.append(f"  {name} of {', '.join(map(str, of))}")
        lines += [of_series(made_on(run), series), machine]
    bundle = run["bundle"]
    kinds = [
        f"{arch}: {sum(each.values())} kernels ("
        + ", ".join(f"{count} {kind}" for kind, count in sorted(each.items()))
        + ")"
        for arch, each in bundle["kinds"].items()
        if each
    ]
    replaced = [f"  {count:>8}  {name}" for name, count in bundle["replaced"].items()]
    count = bundle.get("multiprocessors", MULTIPROCESSORS)
    lines.append(f"made for: multiprocessors {count}, which SM12x GPUs have others of")
    return [*lines, *kinds, "replaced in their PTX, places:", *replaced]


def as_data(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a report: tables, and what has to be known of them."""
    return {
        "machine": record["machine"],
        "notes": [
            *(
                f"Patched tree {run['bundle']['tree']}, {run['machine']['date']}."
                for run in runs(record)
            ),
            *_NOT_SHOWN,
        ],
        "tables": [
            {
                "title": title,
                "columns": [*rows[0]],
                "rows": [[*row] for row in rows[1:]],
            }
            for title, rows in _tables(record)
        ],
    }


def _tables(record: Mapping[str, Any]) -> Iterator[tuple[str, list[Sequence[Any]]]]:
    """Titles and rows of the parts that ran, each with its column names first."""
    for title, part in _PARTS.items():
        if rows := part(record):
            yield title, rows


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _as_it_is(name: str) -> Callable[[Mapping[str, Any]], list[Sequence[Any]]]:
    def rows(record: Mapping[str, Any]) -> list[Sequence[Any]]:
        rows = [list(row.values()) for row in table(record, name)]
        return [COLUMNS[name], *rows] if rows else []

    return rows


def grouped(
    rows: Iterable[Row], by: Sequence[str], worst: Sequence[str], count: str
) -> list[Sequence[Any]]:
    """One line for each value of ``by``: the span of ``count``, the largest figures."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    lines: list[Sequence[Any]] = [[*by, count, "cases", *worst]]
    for key, members in groups.items():
        span = sorted({row[count] for row in members})
        told = f"{span[0]} to {span[-1]}" if len(span) > 1 else span[0]
        largest = []
        for name in worst:
            figures = [r[name] for r in members if isinstance(r[name], (int, float))]
            largest.append(max(figures) if figures else "")
        lines.append([*key, told, len(members), *largest])
    return lines if len(lines) > 1 else []


def _regimes(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    figures = ("kernel-reference", "double-reference", "kernel-double", "worst row")
    return grouped(
        table(record, "regimes"), ("regime", "tile", "activation"), figures, "tokens"
    )


def _reciprocals(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    figures = ("kernel-double", "worst row", "kernel-double, 1/x", "worst row, 1/x")
    by = ("layer", "ranks", "intermediate", "kernel")
    return grouped(table(record, "reciprocals"), by, figures, "tokens")


def _determinism(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    rows = [
        row | {"other bits": int(not is_same(row))} for row in table(record, "regimes")
    ]
    lines = grouped(rows, ("regime",), ("other bits", "runs apart"), "tokens")
    linear, w4a16 = table(record, "linear"), table(record, "w4a16")
    own = [row | {"tokens": row["M"]} for row in linear if row["how"] == OWN_CHOICE]
    for name, of in (("GEMM, its own choice", own), ("W4A16 MoE", w4a16)):
        more = [
            row | {"regime": name, "other bits": int(not is_same(row))} for row in of
        ]
        lines += grouped(more, ("regime",), ("other bits",), "tokens")[1:]
    return [
        [*line[:3], "some runs" if line[3] else "never", *(line[4:] or [""])]
        if number
        else line
        for number, line in enumerate(lines)
    ]


def _models(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    figures = ["kernel-reference", "double-reference", "kernel-double", "worst row"]
    rows = [row for row in table(record, "models") if row["rows"] != ALL_PADDED]
    # How far runs of the kernel itself are apart, where a record has it.
    figures += ["runs apart"] if any("runs apart" in row for row in rows) else []
    return grouped(
        rows, ("model", "ranks", "intermediate", "kernel"), figures, "tokens"
    )


def _padded(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    rows = [row for row in table(record, "models") if row["rows"] == ALL_PADDED]
    lines = grouped(rows, ("kernel", "kernel-reference"), (), "tokens")
    return [["kernel", "of the output", *lines[0][2:]], *lines[1:]] if lines else []


def _left_out(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    asked = {name for run in runs(record) for name in run["bundle"]["models"]}
    lines = [[*line] for line in left_out()]
    if not table(record, "models"):
        return []
    others = [
        [model.name, "all", "this bundle was prepared without it"]
        for model in models()
        if model.name not in asked
    ]
    gone = {name for name, *_ in others}
    kept = [line for line in lines if line[0] not in gone]
    return [["model", "not run", "why"], *kept, *others]


def _linear(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    figures = ("rounded otherwise", "more than one step", "error")
    return grouped(table(record, "linear"), ("tile",), figures, "M")


def _w4a16(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    rows = table(record, "w4a16")
    figures = ("kernel-reference", "worst row")
    return grouped(rows, ("model", "class", "block", "runs"), figures, "tokens")


def _served(record: Mapping[str, Any]) -> list[Sequence[Any]]:
    if not table(record, "engine"):
        return []
    head = ["part", "with the real kernels", "the rest stops at", "why"]
    return [head, *([one.part, one.runs, one.stops, one.why] for one in ENGINE)]


_PARTS: dict[str, Callable[[Mapping[str, Any]], list[Sequence[Any]]]] = {
    "The replaced instructions against exact arithmetic": _as_it_is("instructions"),
    "The series' own tests by pytest": _as_it_is("seed"),
    "Errors through vLLM's loader, relative norms, two layers": _as_it_is("errors"),
    f"NVFP4 MoE kernels against reference and double ({DOUBLE})": _regimes,
    "The double with the GPU's reciprocal and with 1 / x, of the same calls": (
        _reciprocals
    ),
    "Runs of the same input, 100 each": _determinism,
    f"Layers of models, against reference and double ({DOUBLE})": _models,
    "Layers of models that are not run": _left_out,
    "All rows padded (ids of -1)": _padded,
    f"CUDA graphs of 48 layers, H = I = {GRAPH_SIZE}, on one workspace": _as_it_is(
        "graphs"
    ),
    "The b12x NVFP4 GEMM against FP64, the largest of the cases": _linear,
    "The native b12x W4A16 MoE": _w4a16,
    "compute-sanitizer": sanitizer.reports,
    "Layers split over two GPUs, in a CUDA graph with NCCL's all-reduce": _as_it_is(
        "ranks"
    ),
    "racecheck on both ranks": _as_it_is("ranks_race"),
    "vLLM's engine": _as_it_is("engine"),
    "Of make engine": _served,
}
