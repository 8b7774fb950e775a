# SPDX-License-Identifier: Apache-2.0
"""What is gone from a record and from its bundle alike, or cannot go together in it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from scripts.checkout import Checkout
from scripts.hopper import claims, record
from scripts.hopper.tables import runs
from scripts.in_vllm import hopper_calls as calls
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_rows
from scripts.in_vllm.hopper_models import models
from scripts.series.identity import here
from scripts.upstream import lock

RECORDS = record.recorded()
REQUIRED = lock.load(lock.PATH).companions["flashinfer-python"]
README = claims.README.read_text(encoding="utf-8")
SERIES = here(Checkout(), cases.TESTS)
QWEN = ("Qwen3-30B-A3B", 1)
MOE, _ = cases.TESTS
Change = Callable[[dict[str, Any]], None]


def without(part: str, gone: Callable[[dict[str, Any]], bool]) -> Change:
    """Rows out of the record, and out of what its bundle was prepared for."""

    def change(found: dict[str, Any]) -> None:
        told = found["parts"][part]
        columns, rows = told["columns"], told["rows"]
        kept = [r for r in rows if not gone(dict(zip(columns, r, strict=True)))]
        assert len(kept) < len(rows)
        told["rows"] = kept
        names = hopper_rows.names(columns, kept, cases.NAMED[part])
        found["bundle"]["rows"][part] = hopper_rows.folded(names)

    return change


def without_tokens(*tokens: int) -> Change:
    return without(
        "models",
        lambda row: (row["model"], row["ranks"]) == QWEN and row["tokens"] in tokens,
    )


def each(part: str, column: str, value: Any, **where: Any) -> Change:
    """Another value in every row with these."""

    def change(found: dict[str, Any]) -> None:
        count = 0
        for run in (one for one in runs(found) if part in one["parts"]):
            columns = run["parts"][part]["columns"]
            for row in run["parts"][part]["rows"]:
                named = dict(zip(columns, row, strict=True))
                if all(named[name] == it for name, it in where.items()):
                    row[columns.index(column)] = value
                    count += 1
        assert count

    return change


def of(*keys: str, value: Any) -> Change:
    def change(found: dict[str, Any]) -> None:
        for key in keys[:-1]:
            found = found[key]
        found[keys[-1]] = value

    return change


def fewer_tests(found: dict[str, Any]) -> None:
    found["bundle"]["tests"]["12.1"][MOE] = 10
    each("seed", "passed", 10, capability="12.1", file=MOE)(found)


def replaced_once(found: dict[str, Any]) -> None:
    counts = found["bundle"]["replaced"]
    counts.update(dict.fromkeys(counts, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_tokens(127, 128, 129), "not where static ends"),
        (without_tokens(766, 767, 768), "not at the cuts of 767 tokens"),
        (without_tokens(2047, 2048, 2049), "not at the cuts of 2048 tokens"),
        (without_tokens(4, 5, 6), "not at the cuts of 5 tokens"),
        (without("linear", lambda r: r["how"] != cases.OWN_CHOICE), "not every tactic"),
        (without("linear", lambda r: r["how"] == "tactic 1"), "not every tactic ran"),
        (of("bundle", "kinds", "sm_121a", value={}), "no kernel of sm_121a"),
        (replaced_once, "replaced less than once in each kernel"),
        (fewer_tests, "other numbers of tests at another capability"),
        (each("seed", "first failure", "FAILED a"), "a failure is told, and none is"),
        (each("w4a16", "class", "MarlinExperts"), "class of this case is B12xExperts"),
        (each("ranks", "kernel", "bogus", tokens=2048), "or it is none"),
        (each("ranks", "kernel", "dynamic", tokens=8), "no kernel takes so many"),
        (each("models", "kernel", "micro", tokens=9), "no kernel takes so many"),
        (each("ranks", "kernel", "dynamic", tokens=2048), "the other dynamic kernel"),
        (each("models", "worst row", 0.14, kernel="static"), "alone would be more"),
        (each("reciprocals", "worst row, 1/x", 0.14, tokens=40), "alone would be more"),
        (each("w4a16", "block", "999"), "block is none of 8, 16"),
        (of("bundle", "replaced", "wgmma", value=3), "wgmma is none that is replaced"),
        (each("ranks_race", "kernels", "69 dense, 46 bogus"), "none that there are"),
        (of("machine", "memory", value="banana"), "memory is 'banana', no MiB"),
        (of("machine", "CUDA of torch", value="12.1"), "and its CUDA 12.1"),
        (
            of("machine", "nvidia-cutlass-dsl", value="4.7.0"),
            "runs of one record have nvidia-cutlass-dsl ['4.7.0', '4.8.0']",
        ),
    ],
)
def test_what_the_record_itself_decides_is_seen(change: Change, said: str) -> None:
    other = deepcopy(RECORDS)
    change(other[-1])
    found = claims.contradicted(other, REQUIRED, README, SERIES)
    assert any(said in line for line in found), found[:3]


def test_the_cuts_that_sizes_decide_are_those_that_ran() -> None:
    """As FlashInfer's functions gave them where the bundle was made."""
    (qwen,) = (model for model in models() if model.name == QWEN[0])
    found = calls.cuts(qwen.experts, qwen.top_k, is_gated=True, static=128)
    assert found == {1, 3, 5, 8, 239, 767, 1535, 2048, 8192}
