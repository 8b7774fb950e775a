# SPDX-License-Identifier: Apache-2.0
"""CONTRACT.md says of what ran what the records say."""

from __future__ import annotations

import re

import pytest

from scripts import ROOT
from scripts.hopper import record
from scripts.hopper.tables import Record, table
from scripts.hopper.wording import up
from scripts.in_vllm import hopper_models
from scripts.upstream import lock

RECORDS = record.recorded()
REQUIRED = lock.load(lock.PATH).companions["flashinfer-python"]
CONTRACT_TEXT = (ROOT / "tests/on_cpu/in_vllm/contract/CONTRACT.md").read_text("utf-8")
CONTRACT = " ".join(CONTRACT_TEXT.split())


def test_the_contract_says_of_direct_micro_how_far_it_ran() -> None:
    rows = table(RECORDS[-1], "models")
    direct = [row for row in rows if row["kernel"] == "direct_micro"]
    pairs = max(row["tokens"] * row["top-k"] for row in direct)
    size = max(row["intermediate"] for row in direct)
    assert f"ran, up to {pairs} pairs and I of {size}" in CONTRACT


def test_the_contract_says_of_how_many_experts_ran() -> None:
    rows = table(RECORDS[-1], "models")
    most = max(row["experts"] for row in rows)
    kernels = {row["kernel"] for row in rows if row["experts"] == most}
    assert f"ran: E of {most} in every regime of {REQUIRED}" in CONTRACT
    assert kernels == {row["kernel"] for row in rows}


def test_the_contract_says_of_each_line_that_did_not_run_why() -> None:
    """A mark of what was read, alone, says nothing of a run."""
    alone = re.findall(r"(?:\. R| \| R \|)$", CONTRACT_TEXT, re.M)
    assert alone == [] and "host** code" in CONTRACT


NOT_RUN = (
    "gs = 0 or scale = 0 gives zeros (this sentence: R, not run)",
    "SILU with a limit is not possible (this sentence: R, not run)",
    "disp:1424 vs act:115 | R; not run without the limit; with it ran |",
    "(no check: stat:1405, gated:3012). R; not run, it is out of bounds",
    "K = 2880 (gpt-oss) is out. R; not run: the backend refuses it",
    "not run: what hangs, two launches at once on one workspace and an unzeroed one",
    'Where a line has no "ran" it says why: **host** code, in which a kernel has no '
    "part, or not run (section 9)",
    "beside what sections 0 to 8 call not run: the direct-micro probe's answer",
)
HOST = (
    "A multiple of 128 from 256 on has no copy. R, M, host",
    "K % 128 and I % 16 are checked. R, M, host",
    "the fold is then made again in each call, at its address. R, host",
    "the class should refuse or clear it. R, host",
    "no routing weight on the input. R, host (no such argument)",
)


@pytest.mark.parametrize(
    ("mark", "held"), [("not run", NOT_RUN), (", host", HOST)], ids=["not-run", "host"]
)
def test_what_did_not_run_is_what_the_contract_says(
    mark: str, held: tuple[str, ...]
) -> None:
    """Who makes "ran" of one says here what ran it: no record does yet."""
    assert [words for words in held if words not in CONTRACT] == []
    assert CONTRACT.count(mark) == sum(words.count(mark) for words in held)


def test_the_contract_says_how_the_double_ran() -> None:
    assert "Where the double agreed, it had the GPU's own reciprocal" in CONTRACT
    rows = [r for r in table(RECORDS[-1], "reciprocals") if r["kernel"] == "static"]
    worst = max(row["worst row, 1/x"] for row in rows)
    assert f"with 1 / x a row is up to {up(worst)} from static's" in CONTRACT


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_the_contract_says_that_the_cutover_ran(found: Record) -> None:
    assert "ran: the last token of static and the first of dynamic" in CONTRACT
    tokens: dict[tuple[str, int], dict[str, set[int]]] = {}
    for row in table(found, "models"):
        kind = row["kernel"].removesuffix("_gated")
        layer = tokens.setdefault((row["model"], row["ranks"]), {})
        layer.setdefault(kind, set()).add(row["tokens"])
    few = {model.name for model in hopper_models.models() if model.few}
    for (model, _), kernels in tokens.items():
        if model not in few:
            assert max(kernels["static"]) + 1 == min(kernels["dynamic"])
