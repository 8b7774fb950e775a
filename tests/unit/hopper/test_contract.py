# SPDX-License-Identifier: Apache-2.0
"""CONTRACT.md says of what ran what the records say."""

from __future__ import annotations

import re

import pytest

from scripts import ROOT
from scripts.hopper import record
from scripts.hopper.results import Record
from scripts.hopper.tables import table
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
