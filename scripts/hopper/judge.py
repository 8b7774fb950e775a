# SPDX-License-Identifier: Apache-2.0
"""The bounds that a run of the real kernels has to keep, and which it breaks."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scripts.hopper.known import RACES, REPORTS, SKIPPED
from scripts.hopper.tables import Row, number, runs, short, table
from scripts.in_vllm import hopper_cases as cases

# The double rounds where the kernel does. What is left is the order of the BF16 sums in
# the scatter: two runs of one kernel are about as far apart.
FROM_DOUBLE = 0.01
# Each of n sums rounds by up to 2^-9 of it, in either direction: sqrt(n) of them.
_ROUNDING = 2**-9
_SLICE = 128
"""Columns of the intermediate in one sum of micro and the dynamic kernel."""
# So beyond it a layer may be this many times as far as its own runs are; 1.92 ran.
OWN_SPREAD = 2
# Where it adds in one order, nothing is left.
SAME_BITS = ("static", "direct_micro")
# In layers of real size a few codes, whose quotient is a tie but for a unit of FP32.
AT_TIES = 0.001
# Direct micro divides in another order (CONTRACT.md, 1) and takes other codes at ties:
# tests/on_cpu/in_vllm/contract/test_error.py.
OTHER_CODES = 0.1
# Columns that direct micro takes (0.7.4, moe_dispatch:1568); wider ones are micro's.
DIRECT_MOST = 512
# Of one row, which may be of few values.
WORST_ROW = 0.15
# With 1 / x in the place of rcp.approx, which is a unit of FP32 away: other codes, too.
OTHER_ROW = 0.2
# Of a layer with calibrated scales, tests/on_cpu/in_vllm/test_numbers.py's promise: FP4
# costs about 0.16. Layers of random codes cost the same.
FROM_REFERENCE = 0.2
# The cost of one token scatters, that of many is a mean: kernel and double alike have
# 0.13 to 0.20 at one token and 0.13 to 0.17 from 64 on, of some hundred layers.
_ONE_TOKEN = 0.22
# BF16 activations: what rounding to BF16 costs, and FP32 sums.
W4A16 = 0.01
# A GEMM of exact operands: BF16 rounding of the sum.
LINEAR = 0.003
CAPABILITY = "9.0"
"""Of the GPU: another runs other instructions."""
_RUNS = re.compile(r"(\d+) of (\d+) the same bits")
_TOKENS = re.compile(r"tokens \[\d+(, \d+)*\]")
# Cases of the smallest exact check, both nibbles of each value.
_FEWEST = 64


def broken(record: Mapping[str, Any]) -> list[str]:
    """What speaks against the run, a line each; nothing if all bounds hold."""
    found = [
        f"{name}: {part['failed']}"
        for run in runs(record)
        for name, part in run["parts"].items()
        if part["failed"]
    ]
    for capability in (run["machine"]["capability"] for run in runs(record)):
        if capability != CAPABILITY:
            found.append(f"machine: capability {capability}, not {CAPABILITY}")
    for name, judge in _JUDGES.items():
        for row in table(record, name):
            found += [f"{name}: {why}: {short(row)}" for why in judge(row, record)]
    return found


def _within(value: Any, bound: float) -> bool:
    """Whether it is an error, which is never below zero, and no larger."""
    return 0 <= number(value) <= bound


def _instructions(row: Row, _: Any) -> Iterator[str]:
    planted = str(row["what"]).startswith("planted: ")
    wrong, asked = number(row["wrong"]), number(row["cases"])
    if planted and not 1 <= wrong <= asked:
        yield "no check sees the planted fault"
    if not planted and not (wrong == 0 and asked >= _FEWEST):
        yield "not exact"


def _unless_racy(record: Mapping[str, Any], kernel: Any, bound: float) -> float:
    racy = (record["machine"]["flashinfer-python"], kernel) in RACES
    return WORST_ROW if racy else bound


def _from_double(row: Row) -> float:
    """How far a layer of a real model may be from the double."""
    if row["kernel"] in SAME_BITS:
        return AT_TIES
    own = OWN_SPREAD * number(row.get("runs apart", 1.0))
    return min(_order(row), max(FROM_DOUBLE, own))


def _order(row: Row) -> float:
    """How far sums in another order, and of another number of parts, may be apart."""
    return max(FROM_DOUBLE, _rounding(row))


def _rounding(row: Row) -> float:
    sums = number(row["top-k"]) * -(-number(row["intermediate"]) // _SLICE)
    return _ROUNDING * math.sqrt(sums)


def within_rounding(row: Row) -> bool:
    """Whether a layer is as near to the double as another order of sums may be."""
    return number(row["kernel-double"]) <= _rounding(row)


def _errors_of(row: Row, from_double: float, *left_out: str) -> Iterator[str]:
    cost = _ONE_TOKEN if row.get("tokens") == 1 else FROM_REFERENCE
    for name, bound in (
        ("kernel-reference", cost),
        ("double-reference", cost),
        ("kernel-double", from_double),
        ("worst row", WORST_ROW),
    ):
        if name not in left_out and not _within(row[name], bound):
            yield f"{name} is beyond {bound:.4f}"


def _regimes(row: Row, record: Mapping[str, Any]) -> Iterator[str]:
    yield from _errors_of(row, _unless_racy(record, row["regime"], FROM_DOUBLE))
    if row["regime"] in SAME_BITS:
        if number(row["kernel-double"]) != 0:
            yield "other bits than the double's"
        if not is_same(row):
            yield "other bits in another run"


def _reciprocals(row: Row, _: Any) -> Iterator[str]:
    """With the GPU's own as in the other parts; with 1 / x other codes at ties."""
    small = row["layer"] == cases.SMALL_LAYER
    ties = 0 if small else AT_TIES
    own = ties if row["kernel"] in SAME_BITS else OTHER_CODES
    for name, bound in (
        ("kernel-double", own),
        ("worst row", WORST_ROW),
        ("kernel-double, 1/x", OTHER_CODES),
        ("worst row, 1/x", OTHER_ROW),
    ):
        if not _within(row[name], bound):
            yield f"{name} is beyond {bound}"


def is_same(row: Row) -> bool:
    """Whether all runs of the row gave the same."""
    found = _RUNS.fullmatch(str(row["runs"]))
    return found is not None and found[1] == found[2] == str(cases.RUNS)


def _models(row: Row, record: Mapping[str, Any]) -> Iterator[str]:
    if str(row["kernel"]).startswith("refused"):
        yield "refused"
    elif row["rows"] == cases.ALL_PADDED:
        if row["kernel-reference"] != "0 not zero":
            yield "padded rows are not zero"
    elif row["kernel-reference"] == "not finite":
        yield "not finite"
    else:
        # The reference is asked where all rows are real.
        whole = row["rows"] == cases.WHOLE
        none = () if whole else ("kernel-reference", "double-reference")
        yield from _errors_of(
            row, _unless_racy(record, row["kernel"], _from_double(row)), *none
        )
        most = 0 if row["kernel"] in SAME_BITS else WORST_ROW
        if not _within(row.get("runs apart", 0), most):
            yield f"runs of it are more than {most} apart"


def _errors(row: Row, _: Any) -> Iterator[str]:
    if not _within(row["fork"], FROM_REFERENCE):
        yield f"the fork's error is beyond {FROM_REFERENCE}"
    if not _within(row["upstream's flashinfer_b12x"], sys.float_info.max):
        yield "upstream's error is no number"


def _graphs(row: Row, _: Any) -> Iterator[str]:
    if not _within(row["largest error"], FROM_REFERENCE):
        yield f"an error is beyond {FROM_REFERENCE}"
    if not row["layers"] == row["layers like eager to the bit"] == cases.LAYERS:
        yield f"not {cases.LAYERS} layers, or some have other bits than eager"


def _linear(row: Row, _: Any) -> Iterator[str]:
    if not _within(row["error"], LINEAR):
        yield f"the error is beyond {LINEAR}"
    if row["more than one step"] != 0:
        yield "elements are further from the exact product than rounding explains"


def _w4a16(row: Row, _: Any) -> Iterator[str]:
    if not _within(row["kernel-reference"], W4A16):
        yield f"the error is beyond {W4A16}"
    if not _within(row["worst row"], WORST_ROW):
        yield f"worst row is beyond {WORST_ROW}"


def _seed(row: Row, record: Mapping[str, Any]) -> Iterator[str]:
    allowed = SKIPPED.get((row["file"], row["capability"]), 0)
    passed, skipped = number(row["passed"]), number(row["skipped"])
    if row["failed"] != 0 or skipped != allowed or not passed > 0:
        yield "tests failed or were skipped"
    if row["first failure"] and row["failed"] == 0:
        yield "a failure is told, and none is counted"
    told = record["bundle"].get("tests", {}).get(row["capability"], {})
    want = told.get(row["file"], passed + skipped)
    if passed + skipped != want:
        yield f"the file has {want} tests"


def _sanitizer(row: Row, record: Mapping[str, Any]) -> Iterator[str]:
    release = record["machine"]["flashinfer-python"]
    known = REPORTS.get((release, row["tool"], row["kind"]))
    ended = row["launches"] != ""
    if ended and (row["errors"], row["warnings"]) == (0, 0):
        if row["first report"]:
            yield "a report, and no error is counted"
        if known is not None and known.counts:
            yield "the report that was looked into is not there"
    elif known is None or not known.explains(row):
        yield (
            "a report that nobody has looked into"
            if ended
            else "it did not come to its end"
        )


def _engine(row: Row, record: Mapping[str, Any]) -> Iterator[str]:
    said = str(row["what came of it"])
    if not _TOKENS.fullmatch(said):
        yield "it gave no tokens"
    elif said != table(record, "engine")[0]["what came of it"]:
        yield "other tokens than in the first row"


def _ranks(row: Row, _: Any) -> Iterator[str]:
    order = _order(row)
    wide = number(row["intermediate"]) > DIRECT_MOST
    other = row["kernel"] == "direct_micro" and wide
    bounds = {"TP 2 to TP 1": OTHER_CODES if other else order, "replay to eager": order}
    for name, bound in bounds.items():
        if not _within(row[name], bound):
            yield f"{name} is beyond {bound:.4f}"
    if row["kernel"] in SAME_BITS and row["replay to eager"]:
        yield "a replay has other bits"
    if row["bits on the ranks"] != "the same":
        yield "the ranks have different sums"
    exact = LINEAR * 2 if row["kernel"] == "dense" else FROM_REFERENCE
    if not _within(row["to the reference"], exact):
        yield f"to the reference is beyond {exact}"


_JUDGES: dict[str, Callable[[Row, Any], Iterator[str]]] = {
    "instructions": _instructions,
    "regimes": _regimes,
    "reciprocals": _reciprocals,
    "models": _models,
    "errors": _errors,
    "graphs": _graphs,
    "linear": _linear,
    "w4a16": _w4a16,
    "seed": _seed,
    "sanitizer": _sanitizer,
    "engine": _engine,
    "ranks": _ranks,
    "ranks_race": _sanitizer,
}
