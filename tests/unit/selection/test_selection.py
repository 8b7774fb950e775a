# SPDX-License-Identifier: Apache-2.0
"""The selection matrix: folding, the record, and what holds the series to it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import ROOT
from scripts.base.errors import Finding
from scripts.selection import main, report, table
from scripts.selection.ask import Answer, Question
from scripts.selection.cases import (
    AUTO,
    CAPABILITIES,
    FEATURES,
    OURS,
    USUAL,
    WORLDS,
    Case,
    all_cases,
    named_backends,
)
from scripts.selection.matrix import Matrix
from scripts.selection.table import SAME, UNKNOWN, Outcome, key

BACKENDS: dict[str, tuple[str, ...]] = {
    "MoE": (AUTO, "marlin"),
    "linear": (AUTO, "cutlass"),
}
CASES = tuple(all_cases(BACKENDS))


def matrix(*odd: int) -> Matrix:
    """Every case alike, but those at these places."""
    cells = [key(case, world) for world, case in product(WORLDS, CASES)]
    found = dict.fromkeys(cells, Outcome("MARLIN (MarlinExperts)", SAME))
    for at in odd:
        found[cells[at % len(cells)]] = Outcome("OURS (A)", "THEIRS (B)", f"no {at}")
    return Matrix(found, BACKENDS)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "recorded.tsv"
    monkeypatch.setattr(table, "RECORDED", path)
    monkeypatch.setattr(main, "ROOT", tmp_path)
    return path


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_folding_loses_nothing(odd: list[int]) -> None:
    found = matrix(*odd)
    text = table.render(found.table, BACKENDS, ["head"])
    assert table.parse(text) == (found.table, BACKENDS)


def test_a_record_is_read_once_and_nobody_changes_it(record: Path) -> None:
    record.write_text(table.render(matrix().table, BACKENDS, []), encoding="utf-8")
    first, again = main.recorded(), main.recorded()
    assert first.table is again.table
    with pytest.raises(TypeError):
        first.table[next(iter(first.table))] = Outcome("A", "B")  # type: ignore[index]
    first.backends.clear()
    record.write_text(table.render(matrix(3).table, BACKENDS, []), encoding="utf-8")
    assert main.recorded() == matrix(3)


def test_equal_answers_are_one_row_a_kind() -> None:
    rows = table.fold(matrix().table)
    assert len(rows) == 4
    for box, _ in rows:
        assert set(table.cells(box, BACKENDS)[2:]) == {"*"}


def test_a_case_in_two_rows_is_refused() -> None:
    text = table.render(matrix().table, BACKENDS, [])
    again = text + text.splitlines()[-1] + "\n"
    with pytest.raises(Finding, match="stands in two rows"):
        table.parse(again)


def test_a_row_that_is_none_is_refused() -> None:
    text = table.render(matrix().table, BACKENDS, [])
    with pytest.raises(Finding, match="a row is not one"):
        table.parse(text + "MoE\tW4A4\t*\n")


def test_a_changed_answer_is_found(record: Path) -> None:
    main.update(matrix())
    main.hold(matrix())
    at = next(
        i for i, c in enumerate(CASES) if c.capability == "12.1" and c.backend == AUTO
    )
    with pytest.raises(Finding, match="1 answers are not those") as raised:
        main.hold(matrix(at))
    assert "found Outcome(fork='OURS (A)'" in str(raised.value)
    assert "make matrix UPDATE=1" in str(raised.value)
    assert main.update(matrix(at)).endswith("recorded.tsv: 1 cases changed")
    main.hold(matrix(at))


@pytest.mark.parametrize("capability", [c for c in CAPABILITIES if c not in OURS])
def test_a_change_off_sm12x_is_found_even_if_recorded(
    record: Path, capability: str
) -> None:
    at = next(i for i, c in enumerate(CASES) if c.capability == capability)
    main.update(matrix(at))
    with pytest.raises(Finding, match="changes 1 selections off SM12x"):
        main.hold(matrix(at))


def test_no_record_names_the_command(record: Path) -> None:
    with pytest.raises(Finding, match="make matrix UPDATE=1"):
        main.hold(matrix())


def test_names_that_upstream_lacks_are_no_change() -> None:
    case = Case("MoE", "W4A4", "9.0", "flashinfer_cutedsl_sm12x", "plain", "all")
    found = table.outcome(case, Answer("refused: ValueError", "x"), None)
    assert found.upstream == UNKNOWN
    assert table.elsewhere_changed({key(case, USUAL): found}) == []


def test_outcome_has_the_reason_on_sm12x_alone() -> None:
    said = "NVFP4 W4A4 MoE on SM121: X. Passed over: FLASHINFER_CUTEDSL_SM12X: of EP"
    case = Case("MoE", "W4A4", "12.1", AUTO, "EP", "all")
    answer = Answer("X (Y)", said)
    assert table.outcome(case, answer, answer) == Outcome("X (Y)", SAME, "of EP")
    elsewhere = replace(case, capability="10.0")
    assert table.outcome(elsewhere, answer, answer).why == ""


def test_cases_are_all_combinations_once() -> None:
    assert len(set(CASES)) == len(CASES)
    moe, linear = len(FEATURES["MoE"]), len(FEATURES["linear"])
    assert len(CASES) == 2 * len(CAPABILITIES) * 2 * 4 * (moe + linear)


def test_fields_have_no_capability_without_a_gpu() -> None:
    case = Case("MoE", "W4A4", "no GPU", AUTO, "plain", "none")
    assert case.fields() == ["MoE", "W4A4", None, AUTO, "plain", "none"]


def test_names_of_backends_are_read_from_the_code(tmp_path: Path) -> None:
    code = tmp_path / "vllm/config/kernel.py"
    code.parent.mkdir(parents=True)
    code.write_text(
        'MoEBackend = Literal["auto", "a"]\nLinearBackend = Literal[\n    "auto",\n]\n'
    )
    assert named_backends(tmp_path) == {"MoE": ("auto", "a"), "linear": ("auto",)}
    code.write_text('MoEBackend = Literal["auto", "a"]\n')
    with pytest.raises(Finding, match="LinearBackend"):
        named_backends(tmp_path)


def test_key_follows_every_input() -> None:
    one = Question(Path("a"), "id", USUAL, CASES)
    assert one.key() == replace(one, tree=Path("b")).key()
    others = (
        replace(one, tree_id="other"),
        replace(one, world=WORLDS[0]),
        replace(one, cases=CASES[1:]),
    )
    assert len({one.key(), *(o.key() for o in others)}) == 4


# The repository's table


def test_the_record_is_whole() -> None:
    found = main.recorded()
    cases = set(all_cases(found.backends))
    assert found.table.keys() == {key(c, w) for c, w in product(cases, WORLDS)}
    assert table.elsewhere_changed(found.table) == []
    assert table.RECORDED.is_relative_to(ROOT)


def test_the_short_form_says_what_a_newcomer_asks() -> None:
    text = main.short(main.recorded())
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    for capability, device in (("12.0", "RTX PRO 6000"), ("12.1", "DGX Spark")):
        assert device in rows[capability]
        assert "FLASHINFER_CUTEDSL_SM12X" in rows[capability]
    assert "VLLM_SM12X_AUTO_SELECT=none" in text
    assert "expert parallelism" in text


def test_the_switch_gives_upstream_s_selection_back() -> None:
    found = main.recorded().table
    off = [o for k, o in found.items() if k.backend == AUTO and k.switch == "none"]
    assert len(off) == len(WORLDS) * 2 * len(CAPABILITIES) * 10  # features
    assert {o.upstream for o in off} == {SAME}


def test_json_has_every_row() -> None:
    found = main.recorded()
    rows = json.loads(main.as_json(found))
    assert len(rows) == len(table.fold(found.table))
    assert all(tuple(row) == table.COLUMNS for row in rows)
    assert report.columns([["a"], ["bb"]]) == ["a", "bb"]
