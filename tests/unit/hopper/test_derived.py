# SPDX-License-Identifier: Apache-2.0
"""Rows within every bound that no run of their case can have given are seen."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from scripts.hopper import claims, judge, record
from scripts.hopper.derived import impossible
from scripts.hopper.known import HELD
from scripts.hopper.tables import Record
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models
from tests.unit.hopper.runs import RELEASE, SERIES, at, changed, prepared, result
from tests.unit.hopper.test_ranks import split

MICRO = at("regimes", regime="micro")
STATIC = at("regimes", regime="static")
DYNAMIC = at("models", kernel="dynamic", rows="all")
THIRD = at("models", kernel="dynamic", rows="a third padded")
README = claims.README.read_text(encoding="utf-8")
EXACT = at("reciprocals", kernel="direct_micro")
AT_TIE = at("reciprocals", kernel="static")
DIVIDED = at("reciprocals", layer="Qwen3-VL-235B-A22B", ranks=8)
FAULT = len(cases.INSTRUCTIONS)


def test_what_a_run_says_is_possible() -> None:
    assert impossible(result()) == []
    assert impossible(split()) == []


@pytest.mark.parametrize("found", record.recorded(), ids=record.release)
def test_what_the_records_say_is_possible(found: Record) -> None:
    assert impossible(found) == []


@pytest.mark.parametrize(
    ("part", "row", "column", "value", "said"),
    [
        ("instructions", 0, "cases", 64, "cases of this case is 32768"),
        ("instructions", FAULT, "cases", 4, "cases of this case is 3"),
        ("regimes", MICRO, "kernel-double", 0, "kernel-double is 0"),
        ("regimes", MICRO, "runs apart", 0.0, "runs apart is 0"),
        ("regimes", MICRO, "runs", "100 of 100 the same bits", "the same bits each"),
        ("regimes", MICRO, "runs", "1 of 1 the same bits", "not run 100 times"),
        ("regimes", MICRO, "kernel-reference", 0.0, "kernel-reference is below 0.06"),
        ("regimes", MICRO, "worst row", 0.002, "no row is as bad as all"),
        ("models", DYNAMIC, "hidden", 64, "hidden of this case is 2048"),
        ("models", DYNAMIC, "experts", 127, "experts of this case is 128"),
        ("models", DYNAMIC, "top-k", 1, "top-k of this case is 8"),
        ("models", DYNAMIC, "intermediate", 64, "intermediate of this case is 768"),
        ("models", DYNAMIC, "model", "GPT-9", "no case has this model"),
        ("models", DYNAMIC, "ranks", 3, "no case has this model"),
        ("models", DYNAMIC, "kernel-reference", 0, "kernel-reference is below 0.06"),
        ("models", DYNAMIC, "double-reference", 0, "double-reference is below 0.06"),
        ("models", DYNAMIC, "kernel-double", 0.0, "kernel-double is 0"),
        ("models", DYNAMIC, "runs apart", 0.0, "runs apart is 0"),
        ("models", THIRD, "kernel-double", 0.0, "kernel-double is 0"),
        ("models", DYNAMIC, "tokens", 64, "not at and beside the cuts"),
        ("models", DYNAMIC, "kernel", "dynamic_gated", "the other dynamic kernel"),
        ("models", THIRD, "tokens", 64, "other rows are not at the same"),
        ("regimes", STATIC, "runs apart", 0.001, "runs apart does not go with"),
        ("reciprocals", EXACT, "kernel-double, 1/x", 0.001, "changes what is divided"),
        ("reciprocals", AT_TIE, "worst row, 1/x", 0.012, "no row is as bad as all"),
        (
            "reciprocals",
            DIVIDED,
            "intermediate",
            64,
            "intermediate of this case is 192",
        ),
        ("errors", 0, "fork", 0.0, "fork is below 0.06"),
        ("errors", 0, "fork", 0.161, "fork, (0.05, 1): formats differ: [0.16, 0.161]"),
        ("errors", 0, "upstream's flashinfer_b12x", 0.0, "flashinfer_b12x is below"),
        ("graphs", 0, "largest error", 0.0, "largest error is below 0.06"),
        ("linear", 0, "error", 0.0, "error is below 0.0008"),
        ("linear", 0, "elements", 1, "elements of this case is 5120"),
        (
            "linear",
            0,
            "rounded otherwise",
            9,
            "rounded otherwise is not within 0 and 5",
        ),
        ("linear", 0, "runs", "1 of 1 the same bits", "not run 100 times"),
        ("w4a16", 0, "kernel-reference", 0.0, "kernel-reference is below 0.0008"),
        ("w4a16", 0, "intermediate", 64, "intermediate of this case is 768"),
        ("w4a16", 0, "runs", "0 of 0 the same bits", "not run 100 times"),
        ("sanitizer", 0, "launches", 0, "launches of this case is 9"),
        ("sanitizer", 0, "launches", 8, "launches of this case is 9"),
    ],
)
def test_what_no_run_can_give_is_named(
    part: str, row: int, column: str, value: Any, said: str
) -> None:
    found = changed(part, row, column, value)
    assert any(line.startswith(part) and said in line for line in impossible(found))
    why = record.refused(found, SERIES, RELEASE)
    assert any(line.startswith(part) and said in line for line in why)


@pytest.mark.parametrize(
    ("part", "column", "value", "said"),
    [
        ("ranks", "TP 2 to TP 1", 0.0, "the whole to the bit"),
        ("ranks", "to the reference", 0.0, "to the reference is below"),
        ("ranks", "of a rank", 64, "of a rank of this case is 128"),
        ("ranks", "top-k", 1, "top-k of this case is 4"),
        ("ranks_race", "launches", 92, "launches of this case is 115"),
        ("ranks_race", "kernels", "115 static", "kernels are not 115 launches, 69 of"),
        ("ranks_race", "kernels", "69 dense", "kernels are not 115 launches, 69 of"),
    ],
)
def test_what_no_two_gpus_can_give_is_named(
    part: str, column: str, value: Any, said: str
) -> None:
    found = split()
    found["parts"][part]["rows"][0][cases.COLUMNS[part].index(column)] = value
    assert any(line.startswith(part) and said in line for line in impossible(found))


def test_an_error_that_is_not_like_that_of_other_tokens_is_seen() -> None:
    found = result()
    fork = cases.COLUMNS["errors"].index("fork")
    for row in found["parts"]["errors"]["rows"]:
        row[fork] = 0.1 if row[1:3] == [0.01, 8] else row[fork]
    assert impossible(found) == [
        "errors: fork, (0.01, 8): {0.1} is not like 64 tokens' 0.16"
    ]


def test_tactics_of_one_product_that_differ_are_seen() -> None:
    found = result()
    row = [*found["parts"]["linear"]["rows"][0]]
    columns = cases.COLUMNS["linear"]
    row[columns.index("how")], row[columns.index("runs")] = (
        "tactic 0",
        "1 of 1 the same bits",
    )
    found["parts"]["linear"]["rows"].append(row)
    assert impossible(found) == []
    row[columns.index("rounded otherwise")] = 1
    [line] = impossible(found)
    assert line.startswith("linear: tactics of (1, 5120, 2048) differ")


def test_a_release_keeps_the_models_that_it_has_to_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though its bundle says that it was prepared without them."""
    release, names = next(iter(HELD.items()))
    monkeypatch.setattr(judge, "REPORTS", {})
    found = result()
    found["machine"]["flashinfer-python"] = release
    assert record.refused(found, SERIES, "another") == []
    rows = found["parts"]["models"]["rows"]
    found["parts"]["models"]["rows"] = [r for r in rows if r[0] not in names]
    found["bundle"]["models"] = [
        m.name for m in hopper_models.models() if m.name not in names
    ]
    found["bundle"]["rows"] = prepared(found["parts"])
    assert record.refused(found, SERIES, "another") == [
        f"models: the bundle has no {name}" for name in names
    ]


def test_a_record_that_is_gone_is_named() -> None:
    records = record.recorded()
    of = {record.release(one): one for one in records}
    for gone in of:
        left = [one for release, one in of.items() if release != gone]
        required = record.release(records[-1])
        found = claims.contradicted(deepcopy(left), required, README, SERIES)
        assert f"flashinfer-python {gone}: no record" in found
