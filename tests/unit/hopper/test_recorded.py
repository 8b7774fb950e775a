# SPDX-License-Identifier: Apache-2.0
"""The repository's records of the real kernels say what README says of them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts import ROOT
from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.cli import app
from scripts.hopper import (
    claims,
    complete,
    judge,
    known,
    record,
    render,
    sanitizer,
    section,
)
from scripts.hopper.tables import Record, table
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_rows
from scripts.series.identity import Identity, here
from scripts.upstream import lock

RECORDS = record.recorded()
_PICKLED = pickle.dumps(RECORDS)
REQUIRED = lock.load(lock.PATH).companions["flashinfer-python"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERIES = here(Checkout(), cases.TESTS)


def copies() -> Any:
    """Records to be changed; several times faster than deepcopy."""
    return pickle.loads(_PICKLED)


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_no_bound_is_broken(found: Record) -> None:
    assert judge.broken(found) == []


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_every_case_is_there(found: Record) -> None:
    assert complete.missing(found, whole=record.release(found) == REQUIRED) == []


def test_both_releases_are_there() -> None:
    assert [record.release(one) for one in RECORDS] == ["0.7.2.post1", "0.7.4"]


def test_readme_says_what_the_records_say() -> None:
    assert claims.contradicted(RECORDS, REQUIRED, README, SERIES) == []


def test_nothing_of_readmes_section_can_be_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every line of it: gone, another, or one more after it."""
    text = section.section(RECORDS, SERIES)
    monkeypatch.setattr(claims, "section", lambda *_: text)  # made once
    start = README.index(section.HEAD)
    lines = README[start:].partition("\n## ")[0].splitlines()
    row = next(n for n in README.splitlines() if n.startswith(section.ERRORS))
    assert len(lines) > 30
    for line in filter(None, [*lines[1:], row]):
        figure = re.sub(r"\d", lambda m: str((int(m[0]) + 1) % 10), line, count=1)
        for other in ("", line.replace(" ", " not ", 1), f"{line}\nMore.", figure):
            if other != line and not (line == row and "More." in other):
                readme = README.replace(f"\n{line}\n", f"\n{other}\n", 1)
                try:
                    assert claims.written(readme, RECORDS, SERIES) != readme, other
                except Finding as e:
                    assert "README has 0 times" in str(e)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Not so: micro and dynamic", "So too: micro and dynamic"),
        ("It does not prove ptxas", "It proves ptxas"),
        ("ran on an NVIDIA H200", "ran on an RTX 5090"),
    ],
)
def test_what_is_turned_round_is_told_on_both_sides(right: str, wrong: str) -> None:
    assert right in README
    found = claims.contradicted(RECORDS, REQUIRED, README.replace(right, wrong), SERIES)
    assert wrong in found[0] and found[0].startswith("README has, and the records do")
    assert right in found[1] and found[1].startswith("the records say: ")


def test_readme_is_written_of_the_records() -> None:
    spoilt = README.replace("73 of the", "37 of the")
    assert claims.written(spoilt, RECORDS, SERIES) == README


def test_readme_says_that_a_record_is_of_an_earlier_series() -> None:
    """Whose tests passed is that series; who changes it writes README anew."""
    other = Identity("0" * 40, "1" * 40)
    assert claims.contradicted(RECORDS, REQUIRED, README, other)
    anew = claims.written(README, RECORDS, other)
    assert "(**not this series: an earlier one**)" in " ".join(anew.split())
    assert "That series' own GPU tests pass" in anew
    assert claims.contradicted(RECORDS, REQUIRED, anew, other) == []
    assert claims.contradicted(RECORDS, REQUIRED, anew, SERIES)


def test_a_third_record_and_many_models_are_written() -> None:
    """A number that has no word is a number."""
    third = deepcopy(RECORDS[-1])
    third["machine"]["flashinfer-python"] = "0.7.3"
    text = section.section([RECORDS[0], third, RECORDS[-1]], SERIES)
    assert "of 0.7.3 21 models were run" in " ".join(text.split())
    assert "On each it reports some" in " ".join(text.split())


def test_what_is_said_of_layers_is_of_one_release() -> None:
    """The older release's micro kernel is racy: its spread explains no other's."""
    racy = copies()
    at("models", "runs apart", 0.14, kernel="micro", rows="all")(racy[0])
    at("models", "kernel-double", 0.14, kernel="micro", rows="all")(racy[0])
    assert section.section(racy, SERIES) == section.section(RECORDS, SERIES)
    at("models", "runs apart", 0.14, kernel="micro", rows="all")(racy[1])
    assert "up to 0.140" in section.section(racy, SERIES)


def test_a_row_that_nothing_explains_is_named() -> None:
    odd = copies()
    where = {"kernel": "dynamic", "rows": cases.TO_ONE, "runs apart": 0.0}
    at("models", "worst row", 0.05, **where)(odd[-1])
    texts = [section.section(one, SERIES) for one in (RECORDS, odd)]
    before, after = (" ".join(text.split()) for text in texts)
    assert after.count(": unexplained") == before.count(": unexplained") + 1
    assert "is 0.050 from the double, though runs of the kernel are" in after
    for (_, model, *_), why in known.ROWS.items():
        told = f"Of {model} on "
        assert why in before.partition(told)[2] and told not in before.partition(why)[2]


def test_sums_that_rounding_does_not_explain_are_seen() -> None:
    far = copies()
    at("models", "kernel-double", 0.0099, kernel="dynamic_gated", rows="all")(far[-1])
    assert [*section.unborne(far)] == ["the rounding of that many BF16 sums"]


def test_the_same_bits_are_told_of_every_kernel() -> None:
    """Those of the W4A16 MoE and of the GEMM, too, in README and in the record."""
    other = copies()
    at("w4a16", "runs", "1 of 100 the same bits", runs=SAME)(other[-1])
    said = " ".join(section.section(other, SERIES).split())
    assert "16 of 66 cases of the W4A16 MoE" in said
    lines = render.as_text(RECORDS[-1], SERIES).splitlines()
    start = lines.index("Runs of the same input, 100 each")
    told = {line.split("  ")[0]: line for line in lines[start + 2 : start + 12]}
    assert re.search(r" 35 +never", told["GEMM, its own choice"])
    assert re.search(r" 66 +some runs", told["W4A16 MoE"])


def test_how_the_double_was_run_is_said() -> None:
    assert "here with the GPU's reciprocal," in " ".join(README.split())
    text = render.as_text(RECORDS[-1], SERIES)
    assert "double (with the GPU's reciprocal)" in text
    assert "multiprocessors 132" in text and "H = I = 256" in text
    assert "Nemotron-3-Super's sizes are partly from memory" in text


def test_a_record_that_breaks_a_bound_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever only asks for the records."""
    worse = copies()
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
    worse = copies()
    rows = worse[-1]["parts"]["sanitizer"]["rows"]
    row = next(r for r in rows if r[:2] == ["racecheck", "static"])
    row[2:4] = 1, 0
    found = claims.contradicted(worse, REQUIRED, README, SERIES)
    assert len(found) == 1 and "a report that nobody has looked into" in found[0]


def test_the_race_is_in_one_release_and_not_in_the_other() -> None:
    errors = {
        record.release(one): row["errors"]
        for one in RECORDS
        for row in table(one, "sanitizer")
        if (row["tool"], row["kind"]) == ("racecheck", "micro")
    }
    assert errors["0.7.2.post1"] > 0 and errors["0.7.4"] == 0


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_where_bits_repeat_and_where_not(found: Record) -> None:
    for row in table(found, "regimes"):
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
    ],
)
def test_what_a_record_lacks_is_seen(where: tuple[str, str], said: str) -> None:
    other = copies()
    del other[-1][where[0]][where[1]]
    found = claims.contradicted(other, REQUIRED, README, SERIES)
    assert any(line.startswith(f"flashinfer-python 0.7.4: {said}") for line in found)


def test_a_day_that_is_none_is_seen() -> None:
    other = copies()
    other[0]["machine"]["date"] = "2099-13-77"
    [line] = claims.contradicted(other, REQUIRED, README, SERIES)
    assert "date is '2099-13-77', no day" in line


@pytest.mark.parametrize("line", [section.HEAD, section.ERRORS])
def test_a_readme_without_the_section_is_said(line: str) -> None:
    with pytest.raises(Finding, match="README has 0 times the"):
        claims.written(README.replace(line, "# Another"), RECORDS, SERIES)


@pytest.mark.parametrize(
    ("part", "where", "values", "words"),
    [
        ("sanitizer", ("memcheck", "static"), {"errors": 1}, "memcheck and initcheck"),
        ("sanitizer", ("racecheck", "micro"), {"errors": 1}, "and none in that of"),
        ("ranks_race", ("racecheck",), {"warnings": 1}, "and reports nothing"),
        ("engine", ("eager",), {"what came of it": "tokens [1]"}, "with the same to"),
    ],
)
def test_words_that_the_records_do_not_say_are_known(
    part: str, where: tuple[str, ...], values: dict[str, object], words: str
) -> None:
    worse = copies()
    told = worse[-1]["parts"][part]
    row = next(r for r in told["rows"] if tuple(r[: len(where)]) == where)
    for column, value in values.items():
        row[told["columns"].index(column)] = value
    assert [one for one in section.unborne(worse) if words in one]
    assert [*section.unborne(RECORDS)] == []


def test_the_section_names_the_kernels_of_halves_that_racecheck_saw() -> None:
    other = copies()
    told = other[-1]["parts"]["ranks_race"]
    for row in told["rows"]:
        row[told["columns"].index("kernels")] = "69 dense, 46 direct_micro"
    for records, kernels in (
        (RECORDS, " direct micro and static"),
        (other, " and direct micro"),
    ):
        said = " ".join(section.section(records, SERIES).split())
        assert f"{kernels}, and reports nothing there" in said


def test_racecheck_of_both_releases_stands_in_one_table() -> None:
    lines = render.side_by_side(RECORDS).splitlines()
    assert lines[2].split() == ["kind", "0.7.2.post1", REQUIRED]
    (micro,) = [line for line in lines if line.startswith("micro  ")]
    assert re.findall(r"\d+ errors", micro) == ["72 errors", "0 errors"]


def test_a_smaller_call_and_what_did_not_end_are_said_where_they_stand() -> None:
    tables = [sanitizer.reports(record) for record in RECORDS]
    smaller = [tuple(row[:2]) for row in tables[0] if "of a smaller call" in row[-1]]
    assert sorted(smaller) == [
        ("racecheck", "dynamic gated"),
        ("racecheck", "dynamic relu2"),
    ]
    late = copies()
    for row in late[0]["parts"]["sanitizer"]["rows"]:
        row[2:] = ["", "", "", "not done within 5 s"]
    assert all("NOT ENDED" in row[-1] for row in sanitizer.reports(late[0])[1:])
    assert "NOT ENDED" in render.side_by_side(late)


SAME = "100 of 100 the same bits"
Change = Callable[[dict[str, Any]], None]


def at(part: str, column: str, value: Any, **where: Any) -> Change:
    """Another value in the first row with these."""

    def change(found: dict[str, Any]) -> None:
        columns = found["parts"][part]["columns"]
        for row in found["parts"][part]["rows"]:
            named = dict(zip(columns, row, strict=True))
            if all(named[name] == each for name, each in where.items()):
                row[columns.index(column)] = value
                return
        raise AssertionError(where)

    return change


def of(*keys: str, value: Any) -> Change:
    def change(found: dict[str, Any]) -> None:
        for key in keys[:-1]:
            found = found[key]
        found[keys[-1]] = value

    return change


def swapped(found: dict[str, Any]) -> None:
    """The two dynamic kernels, in the rows and where the bundle says them."""
    names = {"dynamic": "dynamic_gated", "dynamic_gated": "dynamic"}
    for row in found["parts"]["regimes"]["rows"]:
        row[0] = names.get(row[0], row[0])
    part = found["parts"]["regimes"]
    called = hopper_rows.names(part["columns"], part["rows"], cases.NAMED["regimes"])
    found["bundle"]["rows"]["regimes"] = hopper_rows.folded(called)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        of("machine", "driver", value="581.1"),
        of("machine", "date", value="2026-11-29"),
        of("machine", "device", value="NVIDIA H100"),
        of("machine", "torch", value="2.12.0"),
        of("bundle", "ptxas", value="13.5.38"),
        at("regimes", "kernel-reference", 0.15, regime="static"),
        at("regimes", "runs apart", 0.001, regime="static"),
        swapped,
        at("models", "kernel", "dynamic", kernel="dynamic_gated"),
        at("models", "kernel", "bogus", rows="all padded"),
        at("errors", "fork", 0.1, tokens=600),
        at("errors", "upstream's flashinfer_b12x", 0.9, tokens=8, sigma=0.003),
        at("sanitizer", "first report", "Race!!", tool="memcheck"),
        at("sanitizer", "errors", 0, tool="racecheck", kind="dynamic"),
        at("engine", "what came of it", "tokens [1]", how="eager"),
    ],
)
def test_a_change_within_the_bounds_is_seen(change: Change, which: int) -> None:
    """Though the digests beside the records were changed, too."""
    other = copies()
    change(other[which])
    assert claims.contradicted(other, REQUIRED, README, SERIES)


def test_what_only_one_record_would_say_is_seen() -> None:
    micro, engine = copies(), copies()
    change = at("sanitizer", "errors", 0, tool="racecheck", kind="micro")
    change(micro[0])
    at("sanitizer", "first report", "", tool="racecheck", kind="micro")(micro[0])
    assert (
        "looked into is not there"
        in claims.contradicted(micro, REQUIRED, README, SERIES)[0]
    )
    for row in engine[0]["parts"]["engine"]["rows"]:
        row[1] = "tokens [1]"
    assert claims.contradicted(engine, REQUIRED, README, SERIES) == [
        "README says, and the records do not: with the same tokens"
    ]
    late = at("sanitizer", "launches", "", tool="racecheck", kind="dynamic")
    late(other := copies()[1])
    said = at("sanitizer", "first report", "not done within 5 s", launches="")
    said(other)
    assert "did not come to its end" in judge.broken(other)[0]
