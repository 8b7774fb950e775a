# SPDX-License-Identifier: Apache-2.0
"""What a row has to say because of its case: sizes, counts, and what cannot be 0.

The bounds of judge.py say how large an error may be. Here is what no run of these cases
can have given, as an error of 0 where values were rounded to FP4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.hopper.cuts import of_layers
from scripts.hopper.judge import SAME_BITS
from scripts.hopper.tables import Row, number, short, table
from scripts.in_vllm import hopper_calls as calls
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models as layers

# FP4 weights and activations cost 0.12 to 0.2 of the output's norm in every layer that
# was run, BF16 sums of exact products 0.0016 and more: half of that is no measurement.
_FP4, _BF16 = 0.06, 0.0008
_LAST_DIGITS = 2e-5
"""Of two figures with five of them."""
_ALIKE = 0.2
"""How far a layer's error at some tokens may be from that at 64; 0.15 of it ran."""
_ONE_ROW = 1.5
"""How many times a mean row's norm the worst one's may be; 1.29 of it ran."""
_ROUNDED_OTHERWISE = 1e-3
"""Of a GEMM's elements: those whose exact sum is a tie of BF16 but for FP32's error."""

_BY_NAME = {model.name: model for model in layers.models()}


def impossible(record: Mapping[str, Any]) -> list[str]:
    """Rows that no run of their case can give, a line each."""
    found = []
    for name, judge in _ROWS.items():
        for row in table(record, name):
            found += [f"{name}: {why}: {short(row)}" for why in judge(row)]
    for name, whole in _PARTS.items():
        if rows := table(record, name):
            found += [f"{name}: {why}" for why in whole(rows)]
    return found


def _is(row: Row, **want: Any) -> Iterator[str]:
    for name, value in want.items():
        if row[column := name.replace("_", " ").replace("top k", "top-k")] != value:
            yield f"{column} of this case is {value}"


def _least(row: Row, least: float, *names: str) -> Iterator[str]:
    for name in names:
        if not number(row[name]) >= least:
            yield f"{name} is below {least}, which rounding alone costs"


def _spread(row: Row, kernel: Any) -> Iterator[str]:
    """Of a kernel that adds BF16 numbers in any order, two or more a row."""
    yield from _worst(row)
    if kernel not in SAME_BITS:
        for name in ("kernel-double", "runs apart"):
            if not number(row[name]) > 0:
                yield f"{name} is 0, though sums were made in any order"


def _worst(row: Row, end: str = "") -> Iterator[str]:
    """One row against all: their norms are alike, so it cannot be all of them alone."""
    worst, all_of = number(row[f"worst row{end}"]), number(row[f"kernel-double{end}"])
    if not worst >= all_of:
        yield "no row is as bad as all together"
    if not worst <= _ONE_ROW * (all_of + _LAST_DIGITS) * math.sqrt(row["tokens"]):
        yield f"worst row{end} alone would be more than kernel-double{end}"


def _costs(row: Row) -> Iterator[str]:
    """Kernel and double are as far from the reference as they are near each other."""
    own, double = number(row["kernel-reference"]), number(row["double-reference"])
    yield from _least(row, _FP4, "kernel-reference", "double-reference")
    if not abs(own - double) <= number(row["kernel-double"]) + _LAST_DIGITS:
        yield "kernel and double differ less than their errors do"


def _of_runs(row: Row, runs: int = cases.RUNS) -> Iterator[str]:
    found = re.fullmatch(r"(\d+) of (\d+) the same bits", str(row["runs"]))
    if not found or int(found[1]) > runs or int(found[2]) != runs:
        yield f"it was not run {runs} times"


def _instructions(row: Row) -> Iterator[str]:
    checks = [n for n in cases.INSTRUCTIONS if n[0] == row["instruction"]]
    each = cases.INSTRUCTIONS.get((row["instruction"], row["what"]), len(checks))
    yield from _is(row, cases=each)


def _regimes(row: Row) -> Iterator[str]:
    yield from _costs(row)
    yield from _spread(row, row["regime"])
    yield from _of_runs(row)
    same = row["runs"].startswith(f"{cases.RUNS} ")
    if same and row["regime"] not in SAME_BITS:
        yield "the same bits each time, though sums were made in any order"
    if same != (row["runs apart"] == 0):
        yield "runs apart does not go with the runs of the same bits"


def _reciprocals(row: Row) -> Iterator[str]:
    model = _BY_NAME.get(row["layer"])
    if model is not None:
        yield from _is(row, intermediate=model.intermediate // row["ranks"])
    for end in ("", ", 1/x"):
        yield from _worst(row, end)
    if (
        row["kernel"] == "direct_micro"
        and row["kernel-double"] != row["kernel-double, 1/x"]
    ):
        yield "the reciprocal changes what is divided"


def _models(row: Row) -> Iterator[str]:
    model = _BY_NAME.get(row["model"])
    if model is None or row["ranks"] not in model.ranks:
        yield "no case has this model with so many ranks"
        return
    size = model.intermediate // row["ranks"]
    yield from _is(row, experts=model.experts, top_k=model.top_k, intermediate=size)
    yield from _is(row, hidden=model.hidden)
    if row["kernel"] not in calls.kernels(row["tokens"], model.top_k):
        yield "no kernel takes so many tokens, or it is none"
    if row["rows"] == cases.WHOLE:
        yield from _costs(row)
    yield from _dynamic(row, model, size)
    if row["rows"] == cases.TO_ONE:
        yield from _worst(row)
    elif row["rows"] != cases.ALL_PADDED:
        yield from _spread(row, row["kernel"])


def _dynamic(row: Row, model: layers.Model, size: int) -> Iterator[str]:
    """Which of the two takes a call, by the sizes of a rank's share."""
    is_gated = model.activation != "relu2_no_mul"
    tile = calls.tile_of(row["tokens"] * model.top_k, model.experts, is_gated)
    gated = calls.takes_gated(tile, is_gated, size, model.top_k)
    if row["kernel"] == ("dynamic" if gated else "dynamic_gated"):
        yield "the other dynamic kernel takes this case"


def _errors(row: Row) -> Iterator[str]:
    return _least(row, _FP4, "fork", "upstream's flashinfer_b12x")


def _formats(rows: Sequence[Row]) -> Iterator[str]:
    """A checkpoint's values are the same in each format, and tokens alike."""
    for name in ("fork", "upstream's flashinfer_b12x"):
        found: dict[tuple[Any, ...], set[Any]] = {}
        for row in rows:
            found.setdefault((row["sigma"], row["tokens"]), set()).add(row[name])
        for case, values in found.items():
            (at_64, *_) = found.get((case[0], 64), values)
            if len(values) > 1:
                yield f"{name}, {case}: formats differ: {sorted(values)}"
            elif not all(abs(v / at_64 - 1) <= _ALIKE for v in values):
                yield f"{name}, {case}: {values} is not like 64 tokens' {at_64}"


def _graphs(row: Row) -> Iterator[str]:
    return _least(row, _FP4, "largest error")


def _linear(row: Row) -> Iterator[str]:
    yield from _is(row, elements=row["M"] * row["N"])
    yield from _least(row, _BF16, "error")
    yield from _of_runs(row, cases.RUNS if row["how"] == cases.OWN_CHOICE else 1)
    most = row["elements"] * _ROUNDED_OTHERWISE
    if not 0 <= number(row["rounded otherwise"]) <= most:
        yield f"rounded otherwise is not within 0 and {most:.0f}"


def _tactics(rows: Iterable[Row]) -> Iterator[str]:
    """Every tactic adds the same exact products in FP32."""
    found: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    tiles: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        figures = row["rounded otherwise"], row["error"]
        shape = row["M"], row["N"], row["K"]
        found.setdefault(shape, set()).add(figures)
        tiles.setdefault(shape, {})[row["how"]] = row["tile"]
    for shape, different in found.items():
        if len(different) > 1:
            yield f"tactics of {shape} differ: {sorted(different)}"
        own = tiles[shape].pop(cases.OWN_CHOICE, "none")
        if own not in tiles[shape].values() or {*tiles[shape]} != {
            f"tactic {n}" for n in range(len(tiles[shape]))
        }:
            yield f"of {shape} not every tactic ran, or not that of the own choice"


def _w4a16(row: Row) -> Iterator[str]:
    model = _BY_NAME.get(row["model"])
    size = model.intermediate if model else None
    yield from _is(row, intermediate=size, **{"class": cases.W4A16_CLASS})
    if row["block"] not in cases.W4A16_BLOCKS:
        yield f"block is none of {', '.join(cases.W4A16_BLOCKS[1:])}"
    yield from _least(row, _BF16, "kernel-reference")
    yield from _of_runs(row)
    if not number(row["worst row"]) >= number(row["kernel-reference"]):
        yield "no row is as bad as all together"


def _sanitizer(row: Row) -> Iterator[str]:
    if row["launches"] != "" and row["kind"] in cases.KINDS:
        yield from _is(row, launches=calls.launches(row["kind"]))


def _ranks(row: Row) -> Iterator[str]:
    dense = row["kernel"] == "dense"
    if row["kernel"] not in calls.kernels(row["tokens"], row["top-k"]) and not dense:
        yield "no kernel takes so many tokens, or it is none"
    yield from _least(row, _BF16 if dense else _FP4, "to the reference")
    if not number(row["TP 2 to TP 1"]) > 0:
        yield "two sums of halves are the whole to the bit"
    sizes = {model.name: model for model in layers.SPLIT}
    linear = {f"linear, {n} x {k}": k for n, k in layers.SPLIT_LINEAR}
    if (k := linear.get(row["layer"])) is not None:
        yield from _is(row, kernel="dense", top_k=1, intermediate=k, of_a_rank=k // 2)
    elif (model := sizes.get(row["layer"])) is not None:
        size = model.intermediate
        yield from _is(row, top_k=model.top_k, intermediate=size, of_a_rank=size // 2)
        yield from _dynamic(row, model, size // 2)


def _ranks_race(row: Row) -> Iterator[str]:
    told = {name: int(n) for n, name in re.findall(r"(\d+) (\w+)", row["kernels"])}
    if not {*told} <= {"dense", *calls.REGIMES}:
        yield "kernels are none that there are"
    counts = [len(tokens) for tokens in layers.SPLIT_CHECKED.values()]
    dense = len(layers.SPLIT_TOKENS) * calls.SPLIT_LAUNCHES
    want = dense + sum(counts) * calls.SPLIT_LAUNCHES
    yield from _is(row, launches=want)
    if told.get("dense") != dense or sum(told.values()) != want:
        yield f"kernels are not {want} launches, {dense} of them of dense"


_ROWS: dict[str, Callable[[Row], Iterator[str]]] = {
    "instructions": _instructions,
    "regimes": _regimes,
    "reciprocals": _reciprocals,
    "models": _models,
    "errors": _errors,
    "graphs": _graphs,
    "linear": _linear,
    "w4a16": _w4a16,
    "sanitizer": _sanitizer,
    "ranks": _ranks,
    "ranks_race": _ranks_race,
}
_PARTS: dict[str, Callable[[list[dict[str, Any]]], Iterator[str]]] = {
    "models": of_layers,
    "errors": _formats,
    "linear": _tactics,
}
