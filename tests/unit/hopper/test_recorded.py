# SPDX-License-Identifier: Apache-2.0
"""The repository's records of the real kernels say what README says of them."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts import ROOT
from scripts.base.errors import Finding
from scripts.cli import app
from scripts.hopper import claims, complete, judge, record
from scripts.in_vllm import hopper_models
from scripts.upstream import lock

RECORDS = record.recorded()
REQUIRED = lock.load(lock.PATH).companions["flashinfer-python"]
SECTION = claims.section()
CONTRACT = " ".join(
    (ROOT / "tests/on_cpu/in_vllm/contract/CONTRACT.md")
    .read_text(encoding="utf-8")
    .split()
)


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_no_bound_is_broken(found: record.Record) -> None:
    assert judge.broken(found) == []


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_every_case_is_there(found: record.Record) -> None:
    assert complete.missing(found, whole=record.release(found) == REQUIRED) == []


def test_both_releases_are_there() -> None:
    assert [record.release(one) for one in RECORDS] == ["0.7.2.post1", "0.7.4"]


def test_readme_says_what_the_records_say() -> None:
    assert claims.contradicted(RECORDS, REQUIRED, SECTION) == []


def test_another_figure_in_readme_is_seen() -> None:
    """Of every sentence, each figure."""
    said = [*claims.sentences(RECORDS)]
    places = [(one, m) for one in said for m in re.finditer(r"[0-9.]*[0-9]", one)]
    assert len(places) > 10
    for one, at in places:
        for figure in ("987", f"1{at[0]}"):
            other = SECTION.replace(
                one, f"{one[: at.start()]}{figure}{one[at.end() :]}"
            )
            found = claims.contradicted(RECORDS, REQUIRED, other)
            assert f"README does not say: {one}" in found


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("| 0.17 / 0.37 / 1.8 |", "| 0.17 / 0.40 / 1.8 |"),
        ("| 0.17 / 0.37 / 1.8 |", "| 0.17 / 0.37 / 1.9 |"),
        ("| 0.16 / 0.16 / 0.16 |", "| 0.16 / 0.17 / 0.16 |"),
        ("0.05 / 0.01 / 0.003 |", "0.05 / 0.02 / 0.003 |"),
        ("0.05 / 0.01 / 0.003 |", "0.5 / 0.1 / 0.03 |"),
        ("the real kernel, 64 tokens", "the real kernel, 8192 tokens"),
    ],
)
def test_another_figure_in_the_error_table_is_seen(right: str, wrong: str) -> None:
    assert right in SECTION
    other = SECTION.replace(right, wrong)
    found = claims.contradicted(RECORDS, REQUIRED, other)
    assert found and all("README's error table has" in line for line in found)


def test_a_record_that_breaks_a_bound_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever only asks for the records."""
    worse = deepcopy(RECORDS)
    rows = worse[-1]["parts"]["regimes"]["rows"]
    columns = worse[-1]["parts"]["regimes"]["columns"]
    rows[0][columns.index("kernel-reference")] = 0.3
    monkeypatch.setattr(record, "recorded", lambda **_: worse)
    done = CliRunner().invoke(app, ["hopper", "--recorded"])
    assert done.exit_code == 1
    assert "contradicted: flashinfer-python 0.7.4: regimes: kernel-ref" in done.stderr
    monkeypatch.setattr(record, "recorded", lambda **_: RECORDS)
    assert CliRunner().invoke(app, ["hopper", "--recorded"]).exit_code == 0


def test_a_race_that_is_in_no_triage_is_seen() -> None:
    worse = deepcopy(RECORDS)
    rows = worse[-1]["parts"]["sanitizer"]["rows"]
    row = next(r for r in rows if r[:2] == ["racecheck", "static"])
    row[2:4] = 1, 0
    found = claims.contradicted(worse, REQUIRED, SECTION)
    assert len(found) == 1 and "a report that nobody has looked into" in found[0]


def test_the_race_is_in_one_release_and_not_in_the_other() -> None:
    errors = {
        record.release(one): row["errors"]
        for one in RECORDS
        for row in judge.table(one, "sanitizer")
        if (row["tool"], row["kind"]) == ("racecheck", "micro")
    }
    assert errors["0.7.2.post1"] > 0 and errors["0.7.4"] == 0


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_where_bits_repeat_and_where_not(found: record.Record) -> None:
    for row in judge.table(found, "regimes"):
        same = row["runs"].startswith("100 of 100")
        assert same == (row["regime"] in judge.SAME_BITS), row
        assert (row["kernel-double"] == 0) == same


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (("parts", "ranks"), "ranks: it was not run"),
        (("parts", "ranks_race"), "ranks_race: it was not run"),
        (("parts", "seed"), "seed: it was not run"),
        (("machine", "driver"), "machine: driver is None"),
        (("bundle", "rows"), "bundle: it does not say which rows"),
    ],
)
def test_what_a_record_lacks_is_seen(where: tuple[str, str], said: str) -> None:
    other = deepcopy(RECORDS)
    del other[-1][where[0]][where[1]]
    found = claims.contradicted(other, REQUIRED, SECTION)
    assert any(line.startswith(f"flashinfer-python 0.7.4: {said}") for line in found)


def test_a_day_that_is_none_is_seen() -> None:
    other = deepcopy(RECORDS)
    other[0]["machine"]["date"] = "2099-13-77"
    [line] = claims.contradicted(other, REQUIRED, SECTION)
    assert "date is '2099-13-77', no day" in line


def test_a_readme_without_the_section_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# Another\n", encoding="utf-8")
    monkeypatch.setattr(claims, "README", readme)
    with pytest.raises(Finding, match="no section on the kernels"):
        claims.section()


def test_the_contract_says_of_direct_micro_how_far_it_ran() -> None:
    rows = judge.table(RECORDS[-1], "models")
    direct = [row for row in rows if row["kernel"] == "direct_micro"]
    pairs = max(row["tokens"] * row["top-k"] for row in direct)
    size = max(row["intermediate"] for row in direct)
    assert f"ran, up to {pairs} pairs and I of {size}" in CONTRACT


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_the_contract_says_that_the_cutover_ran(found: record.Record) -> None:
    assert "ran: the last token of static and the first of dynamic" in CONTRACT
    tokens: dict[tuple[str, int], dict[str, set[int]]] = {}
    for row in judge.table(found, "models"):
        kind = row["kernel"].removesuffix("_gated")
        layer = tokens.setdefault((row["model"], row["ranks"]), {})
        layer.setdefault(kind, set()).add(row["tokens"])
    few = {model.name for model in hopper_models.models() if model.few}
    for (model, _), kernels in tokens.items():
        if model not in few:
            assert max(kernels["static"]) + 1 == min(kernels["dynamic"])


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("NVIDIA H200", "NVIDIA H100", "README names NVIDIA H100, the records NVIDIA"),
        ("on FlashInfer 0.7.4", "on FlashInfer 0.7.5", "README names 0.7.5, the rec"),
        ("GLM-4.6", "GLM-4.9", "README names GLM-4.9, the records "),
        ("FlashInfer's SM12x", "On 2026-01-01 SM12x", "README names 2026-01-01, the"),
    ],
)
def test_a_name_of_readme_that_is_in_no_record_is_seen(
    right: str, wrong: str, said: str
) -> None:
    assert right in SECTION and [*claims.strangers(RECORDS, SECTION)] == []
    found = claims.strangers(RECORDS, SECTION.replace(right, wrong))
    assert any(line.startswith(said) for line in found)


def test_readmes_words_are_those_of_the_records() -> None:
    facts = claims.facts(RECORDS)
    assert len(facts) > 8
    assert {words for words, holds in facts.items() if holds != (words in SECTION)} == (
        set()
    )


@pytest.mark.parametrize(
    ("part", "where", "values", "words"),
    [
        ("sanitizer", ("memcheck", "static"), {"errors": 1}, "memcheck and initcheck"),
        ("sanitizer", ("racecheck", "micro"), {"errors": 1}, "hazards in the micro"),
        ("ranks_race", ("racecheck",), {"warnings": 1}, "racecheck reports nothing"),
        ("engine", ("eager",), {"what came of it": "tokens [1]"}, "with the same to"),
    ],
)
def test_words_that_the_records_do_not_say_are_known(
    part: str, where: tuple[str, ...], values: dict[str, object], words: str
) -> None:
    worse = deepcopy(RECORDS)
    told = worse[-1]["parts"][part]
    row = next(r for r in told["rows"] if tuple(r[: len(where)]) == where)
    for column, value in values.items():
        row[told["columns"].index(column)] = value
    changed = {
        text
        for text, holds in claims.facts(worse).items()
        if holds != claims.facts(RECORDS)[text]
    }
    assert len(changed) == 1 and next(iter(changed)).startswith(words)
    assert next(iter(changed)) in SECTION
