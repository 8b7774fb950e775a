# SPDX-License-Identifier: Apache-2.0
"""Results of a run on a Hopper GPU: merged, held against the bounds, kept, shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.hopper import judge, known, record, render, results, sanitizer, tables
from scripts.in_vllm import hopper_cases as cases
from scripts.series.identity import Identity
from tests.unit.hopper.runs import (
    FILES,
    OTHER,
    RELEASE,
    SERIES,
    at,
    changed,
    prepared,
    result,
)

NAN = float("nan")


@pytest.fixture(autouse=True)
def _bounds_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a case has to say is looked at in test_derived.py."""
    monkeypatch.setattr(record, "impossible", lambda _: [])


STATIC = at("regimes", regime="static")
MICRO = at("regimes", regime="micro")
AT_TIE = at("reciprocals", kernel="static")
LAYER = at("models", kernel="static", rows="all")
DYNAMIC = at("models", kernel="dynamic", rows="all", model="Qwen3-30B-A3B", ranks=1)
ONE = at("models", rows="all", tokens=1)
PADDED = at("models", rows="all padded")
THIRD = at("models", rows="a third padded")
FAULT = len(cases.INSTRUCTIONS)


def refused(found: dict[str, Any]) -> list[str]:
    return record.refused(found, SERIES, RELEASE)


def test_a_good_run_breaks_nothing() -> None:
    assert refused(result()) == []


@pytest.mark.parametrize(
    ("part", "row", "column", "value", "said"),
    [
        ("instructions", 0, "wrong", 1, "not exact"),
        ("instructions", 0, "wrong", NAN, "not exact"),
        ("instructions", 0, "cases", 1, "not exact"),
        ("instructions", FAULT, "wrong", 0, "no check sees"),
        ("instructions", FAULT, "wrong", NAN, "no check sees"),
        ("regimes", MICRO, "kernel-double", 0.011, "kernel-double is beyond"),
        ("regimes", MICRO, "kernel-double", "", "kernel-double is beyond"),
        ("regimes", STATIC, "kernel-double", 0.001, "other bits than the double's"),
        ("regimes", STATIC, "runs", "99 of 100 the same bits", "other bits in another"),
        ("regimes", STATIC, "runs", "", "other bits in another"),
        ("regimes", STATIC, "runs", "1 of 1 the same bits", "other bits in another"),
        ("regimes", MICRO, "kernel-double", -0.001, "kernel-double is beyond"),
        ("regimes", MICRO, "kernel-double", False, "kernel-double is beyond"),
        ("regimes", MICRO, "worst row", 0.2, "worst row is beyond"),
        ("regimes", STATIC, "kernel-reference", 0.3, "kernel-reference is beyond"),
        ("regimes", STATIC, "kernel-reference", NAN, "kernel-reference is beyond"),
        ("reciprocals", AT_TIE, "kernel-double", 0.0001, "kernel-double is beyond 0"),
        ("reciprocals", AT_TIE, "kernel-double, 1/x", 0.11, "1/x is beyond 0.1"),
        ("reciprocals", AT_TIE, "worst row, 1/x", 0.21, "1/x is beyond 0.2"),
        ("models", LAYER, "kernel-double", 0.0011, "kernel-double is beyond 0.0010"),
        ("models", DYNAMIC, "kernel-double", 0.0136, "kernel-double is beyond 0.0135"),
        ("models", LAYER, "runs apart", 0.001, "runs of it are more than 0 apart"),
        ("models", DYNAMIC, "runs apart", 0.2, "runs of it are more than 0.15"),
        ("models", DYNAMIC, "runs apart", "", "runs of it are more than 0.15"),
        ("models", THIRD, "kernel-double", NAN, "kernel-double is beyond"),
        (
            "models",
            LAYER,
            "kernel-reference",
            0.201,
            "kernel-reference is beyond 0.2000",
        ),
        ("models", ONE, "kernel-reference", 0.221, "kernel-reference is beyond 0.2200"),
        ("models", ONE, "double-reference", 0.221, "double-reference is beyond 0.2200"),
        ("models", LAYER, "kernel-reference", "", "kernel-reference is beyond"),
        ("models", LAYER, "kernel-reference", "not finite", "not finite"),
        ("models", LAYER, "kernel", "refused: no", "refused"),
        ("models", PADDED, "kernel-reference", "3 not zero", "padded rows"),
        ("errors", 0, "fork", 0.3, "the fork's error"),
        ("errors", 0, "fork", NAN, "the fork's error"),
        ("errors", 0, "upstream's flashinfer_b12x", NAN, "upstream's error"),
        ("graphs", 0, "largest error", 0.3, "an error is beyond"),
        ("graphs", 0, "largest error", NAN, "an error is beyond"),
        ("graphs", 0, "layers like eager to the bit", 47, "other bits than eager"),
        ("graphs", 0, "layers", 1, "not 48 layers"),
        ("linear", 0, "error", 0.1, "the error is beyond"),
        ("linear", 0, "error", NAN, "the error is beyond"),
        ("linear", 0, "error", -0.1, "the error is beyond"),
        ("engine", 1, "what came of it", "CUDA out of memory", "it gave no tokens"),
        (
            "engine",
            1,
            "what came of it",
            "tokens [2]",
            "other tokens than in the first",
        ),
        ("seed", 0, "passed", "73", "failed or were skipped"),
        ("linear", 0, "more than one step", 1, "further from the exact"),
        ("linear", 0, "more than one step", NAN, "further from the exact"),
        ("w4a16", 0, "kernel-reference", 0.1, "the error is beyond"),
        ("w4a16", 0, "kernel-reference", NAN, "the error is beyond"),
        ("w4a16", 0, "worst row", NAN, "worst row is beyond"),
        ("seed", 0, "failed", 1, "failed or were skipped"),
        ("seed", 0, "passed", 1, "the file has 24 tests"),
        ("sanitizer", 0, "errors", 4, "nobody has looked into"),
        ("sanitizer", 0, "errors", -1, "nobody has looked into"),
        ("sanitizer", 0, "warnings", 1, "nobody has looked into"),
        ("sanitizer", 0, "launches", "", "did not come to its end"),
        ("sanitizer", 0, "first report", "Race!!", "a report, and no error"),
    ],
)
def test_what_breaks_a_bound_is_named(
    part: str, row: int, column: str, value: Any, said: str
) -> None:
    found = [
        line for line in refused(changed(part, row, column, value)) if said in line
    ]
    assert len(found) == 1 and found[0].startswith(f"{part}: ")


def test_beyond_the_promise_a_layer_is_as_far_as_its_own_runs() -> None:
    """The double has one order of the sums that the kernel makes in any."""
    columns = cases.COLUMNS["models"]
    far, spread = columns.index("kernel-double"), columns.index("runs apart")
    for value, runs, good in (
        (0.01, 0.0, True),
        (0.0101, 0.005, False),
        (0.0101, 0.0051, True),
        (0.0134, 0.0066, False),
        (0.0136, 0.0134, False),
    ):
        found = result()
        row = found["parts"]["models"]["rows"][DYNAMIC]
        row[far], row[spread] = value, runs
        assert (refused(found) == []) == good
        if not good:
            assert "kernel-double is beyond" in refused(found)[0]


def test_what_passed_in_part_is_named() -> None:
    for column, value in (("skipped", 1), ("passed", 0)):
        assert "failed or were skipped" in refused(changed("seed", 0, column, value))[0]


@pytest.mark.parametrize("part", ["regimes", "models"])
def test_what_a_known_race_may_do_is_no_other_fault(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = "regime" if part == "regimes" else "kernel"
    names = [row[column] for row in tables.table(result(), part)]
    row, name = next(n for n in enumerate(names) if n[1] not in judge.SAME_BITS)
    found = changed(part, row, "kernel-double", 0.02)
    assert len(refused(found)) == 1
    monkeypatch.setattr(judge, "RACES", {(RELEASE, name): "a barrier is missing"})
    assert refused(found) == []
    assert len(refused(changed(part, row, "kernel-double", 0.2))) == 1


def test_a_part_that_did_not_end_breaks_the_run() -> None:
    found = result()
    found["parts"]["graphs"]["failed"] = "RuntimeError: gone"
    assert refused(found) == ["graphs: RuntimeError: gone"]


@pytest.mark.parametrize("name", cases.PARTS)
def test_a_part_that_is_not_there_is_named(name: str) -> None:
    found = result()
    del found["parts"][name]
    assert refused(found) == [f"{name}: it was not run"]


@pytest.mark.parametrize("name", cases.PARTS)
def test_a_part_without_rows_is_named(name: str) -> None:
    found = result()
    found["parts"][name]["rows"] = []
    (line,) = refused(found)
    assert line.startswith(f"{name}: no row of ")


@pytest.mark.parametrize(
    ("part", "row"),
    [(name, 0) for name in cases.PARTS] + [("instructions", FAULT), ("models", PADDED)],
)
def test_a_case_that_is_not_there_is_named(part: str, row: int) -> None:
    found = result()
    del found["parts"][part]["rows"][row]
    (line,) = refused(found)
    assert line.startswith(f"{part}: no row of ")


def test_a_planted_fault_of_another_name_is_none() -> None:
    found = changed("instructions", FAULT, "what", "planted: another")
    assert refused(found)[0].startswith("instructions: no row of mma planted: ")


@pytest.mark.parametrize("part", cases.PARTS)
def test_a_row_that_is_there_twice_is_named(part: str) -> None:
    found = result()
    rows = found["parts"][part]["rows"]
    rows.append(rows[-1])
    (line,) = refused(found)
    assert line.startswith(f"{part}: a row twice, or of no case: ")


@pytest.mark.parametrize("part", cases.NAMED)
def test_the_bundle_says_which_rows_there_are(part: str) -> None:
    """Also where none is the last of its kernel."""
    found = result()
    columns, rows = cases.COLUMNS[part], found["parts"][part]["rows"]
    more = [*rows[-1]]
    more[columns.index(cases.NAMED[part][-1])] += 1
    rows.append(more)
    (line,) = refused(found)
    assert line.startswith(f"{part}: a row twice, or of no case: ")
    found["bundle"]["rows"] = prepared(found["parts"])
    assert refused(found) == []
    rows.pop()
    (line,) = refused(found)
    assert line.startswith(f"{part}: no row of ")


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        ("machine.date", "2026-13-01", "machine: date is '2026-13-01', no day"),
        ("machine.date", "yesterday", "machine: date is 'yesterday', no day"),
        ("machine.date", "9999-01-01", "machine: date is 9999-01-01, not within 2026"),
        ("machine.date", "1999-01-01", "machine: date is 1999-01-01, not within 2026"),
        ("bundle.ptxas", "", "bundle: ptxas is '', no version"),
        ("machine.driver", "", "machine: driver is '', no version"),
        ("machine.torch", "new", "machine: torch is 'new', no version"),
        ("bundle.kinds.sm_120a.static", 0, "bundle: the number of kernel static is"),
        ("bundle.kinds.sm_120a.dynamic", -1, "bundle: the number of kernel dynamic"),
        ("bundle.kinds.sm_120a", {}, "bundle: the number of kernel dense is none"),
        ("bundle.replaced.setmaxnreg", 0, "bundle: the number of replaced instruc"),
        ("bundle.rows", {}, "linear: a row twice, or of no case: "),
        ("bundle.rows.models", {}, "models: a row twice, or of no case: "),
    ],
)
def test_what_a_run_says_of_itself_is_looked_at(at: str, value: Any, said: str) -> None:
    found = shaped(at, value)
    assert any(line.startswith(said) for line in refused(found))
    joined = result() | {"others": [found | {"parts": {}}]}
    if not at.startswith("bundle.rows"):
        assert any(line.startswith(said) for line in refused(joined))


def test_a_run_is_of_the_bundle_that_lies_here() -> None:
    manifest = dict(result()["bundle"], kernels={}, versions={})
    assert record.refused(result(), SERIES, RELEASE, manifest) == []
    for key in manifest.keys() - {"kernels", "versions"}:
        other = manifest | {key: "another"}
        (line,) = record.refused(result(), SERIES, RELEASE, other)
        assert line.startswith(f"bundle: {key} is not that of the one that lies here")


def test_whose_run_it_is_decides() -> None:
    foreign = result()
    foreign["machine"]["capability"] = "12.0"
    assert refused(foreign) == ["machine: capability 12.0, not 9.0"]
    assert record.refused(result(), OTHER, RELEASE) == [
        f"bundle: of the patched tree {SERIES.tree}, not of {OTHER.tree}, this one"
    ]
    ran_the_same = Identity(OTHER.tree, SERIES.ran)
    assert record.refused(result(), ran_the_same, RELEASE) == []
    old = result()
    del old["bundle"]["ran"]
    assert len(record.refused(old, ran_the_same, RELEASE)) == 1
    assert refused(old) == []


def test_of_another_flashinfer_less_is_asked() -> None:
    found = result()
    del found["parts"]["seed"]
    found["bundle"]["models"] = ["GLM-4.6"]
    rows = found["parts"]["models"]["rows"]
    found["parts"]["models"]["rows"] = [r for r in rows if r[0] == "GLM-4.6"]
    found["bundle"]["rows"] = prepared(found["parts"])
    assert record.refused(found, SERIES, "another") == []
    assert {line.partition(":")[0] for line in refused(found)} == {"models", "seed"}
    found["parts"]["models"]["rows"].pop()
    assert record.refused(found, SERIES, "another")[0].startswith("models: no row of")
    none = shaped("bundle.tests", {"12.0": dict.fromkeys(FILES, 24)})
    seed = none["parts"]["seed"]
    seed["rows"] = [row for row in seed["rows"] if row[1] == "12.0"]
    assert refused(none) == [
        f"seed: the bundle has no tests of {file} for 12.1" for file in FILES
    ]


RACES = " | ".join(
    f"Error: Race reported between Write access at +0x1{n}10 | and Read access at "
    f"+0x1{n}50 [8 hazards]"
    for n in range(3)
)


def raced(value: Any = RACES, errors: Any = 3, launches: Any = 3) -> dict[str, Any]:
    """A run with these races in the micro kernel."""
    found = changed("sanitizer", 0, "errors", errors)
    row = found["parts"]["sanitizer"]["rows"][0]
    row[4:] = launches, value
    return found


def test_a_report_that_was_looked_into_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    why = known.Report("FlashInfer's", {(3, 0)}, {("Write", "Read", 0x40)})
    reports = {(RELEASE, "racecheck", "micro"): why}
    monkeypatch.setattr(judge, "REPORTS", reports)
    monkeypatch.setattr(sanitizer, "REPORTS", reports)
    assert refused(raced()) == []
    assert "FlashInfer's" in render.as_text(raced(), SERIES)
    for other in (
        raced(errors=4),
        raced(errors=2),
        raced(launches=""),
        raced(""),
        raced(RACES.replace("+0x1050", "+0x1051")),
        raced(RACES.replace("Write access", "Read access")),
        raced(RACES.replace("and Read access at +0x1250 [8 hazards]", "")),
        raced(RACES.replace("[8 hazards] |", "[8 hazards] | and Write access at "
              "+0x1010 [4 hazards] |")),
        raced(RACES + " " * known.CUT + " | " + RACES),
        raced(errors=0),
    ):  # fmt: skip
        assert refused(other)
        assert "FlashInfer's" not in render.as_text(other, SERIES)
    # The last race may be cut anywhere.
    for end in range(len(RACES) - 40, len(RACES)):
        cut = f"{' ' * (known.CUT - end)}{RACES[:end]}"
        assert refused(raced(cut)) == []


def test_a_tool_that_did_not_end_was_looked_into_as_it_said() -> None:
    for says, name in (
        (known._BARRIER, "did not run: 416 x Barrier error detected. Divergent "
         "thread(s) in block. at +0xad10"),
        (r"not done within \d+ s", "not done within 400 s"),
    ):  # fmt: skip
        report = known.Report("no fault", says=says)
        row: dict[str, Any] = {"launches": "", "first report": name}
        assert report.explains(row)
        ended = {"launches": 3, "errors": 1, "warnings": 0}
        assert not report.explains(row | ended)
        places = {("Write", "Read", 0x40)}
        more = known.Report("no fault", {(1, 0), (2, 0)}, places, says)
        told = RACES.partition(" | Error")[0]
        assert more.explains(row)
        assert more.explains(row | ended | {"first report": told})
        assert not more.explains(row | ended | {"errors": 3})
        assert not report.explains(row | {"first report": f"{name} | 1 x Invalid"})
    for one in known.REPORTS.values():
        assert one.why and (one.counts or one.says)
        assert bool(one.counts) == bool(one.places)


def test_results_of_one_bundle_are_one() -> None:
    parts = result()["parts"]
    seeds = [
        parts["seed"] | {"of": [capability], "rows": parts["seed"]["rows"][n::2]}
        for n, capability in enumerate(("12.0", "12.1"))
    ]
    one = result() | {"parts": parts | {"seed": seeds[0]}}
    other = result() | {"parts": {"seed": seeds[1]}}
    whole = results.merged([one, other])
    assert len(whole["parts"]["seed"]["rows"]) == 4
    assert refused(whole) == []


def apart(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two runs of one FlashInfer: all but the layers of a model, and those alone."""
    one, other = result(), result()
    for run, mine in ((one, False), (other, True)):
        part = run["parts"]["models"]
        part["rows"] = [row for row in part["rows"] if (row[0] == name) == mine]
        part["of"] = [row[0] for row in part["rows"]]
        run["bundle"]["models"] = [*dict.fromkeys(part["of"])]
        run["bundle"]["rows"] = prepared(run["parts"])
    other["parts"] = {"models": other["parts"]["models"]}
    other["machine"]["date"] = "2026-12-01"
    return one, other


def test_what_was_run_on_another_day_is_joined_and_says_so(tmp_path: Path) -> None:
    one, other = apart("GLM-4.6")
    assert [line.partition(":")[0] for line in refused(one)] == ["models"]
    whole = results.merged([other, one])
    assert refused(whole) == []
    record.save(whole, SERIES, RELEASE, None, tmp_path)
    (kept,) = record.recorded(tmp_path)
    assert refused(kept) == []
    assert len(tables.table(kept, "models")) == len(result()["parts"]["models"]["rows"])
    said = render.as_text(kept, SERIES)
    assert said.count("date 2026-11-30") == said.count("date 2026-12-01") == 1
    assert "models of GLM-4.6" in said
    kept["others"][0]["parts"]["models"]["rows"].pop()
    assert "models: no row of GLM-4.6" in refused(kept)[0]
    foreign = shaped("machine.flashinfer-python", "1.0")
    with pytest.raises(Finding, match="different FlashInfers"):
        results.merged([one, foreign])


def test_each_run_of_a_record_is_of_the_series() -> None:
    one, other = apart("GLM-4.6")
    other["bundle"] |= vars(OTHER)
    assert "of the patched tree" in refused(results.merged([one, other]))[0]


@pytest.mark.parametrize("name", cases.PARTS)
def test_a_result_given_twice_is_refused(name: str) -> None:
    one = result() | {"parts": {name: result()["parts"][name]}}
    with pytest.raises(Finding, match=f"two results have the part {name}"):
        results.merged([one, one])
    for of in (["M"], ["M", "N"]):
        one["parts"][name]["of"] = of
        other = result() | {"parts": {name: one["parts"][name] | {"of": ["M"]}}}
        with pytest.raises(Finding, match=f"two results have the part {name}"):
            results.merged([one, other])


def test_it_is_kept_and_comes_back(tmp_path: Path) -> None:
    path = record.save(result(), SERIES, RELEASE, None, tmp_path)
    assert path.name == "flashinfer-9.9.9.json"
    (found,) = record.recorded(tmp_path)
    assert refused(found) == []
    for name, part in result()["parts"].items():
        assert found["parts"][name]["rows"] == part["rows"]
    before = path.read_bytes()
    with pytest.raises(Finding, match="the record stays") as refusal:
        record.save(changed("seed", 0, "failed", 1), SERIES, RELEASE, None, tmp_path)
    assert "tests failed" in str(refusal.value)
    assert path.read_bytes() == before
    with pytest.raises(Finding, match="no record"):
        record.recorded(tmp_path / "none")
    with pytest.raises(Unusable, match="no record of this FlashInfer"):
        record.recorded(tmp_path, only="1.0")
    assert record.recorded(tmp_path, only=RELEASE) == [found]


def shaped(key: str, value: Any) -> Any:
    """A result with another value at a dotted place."""
    found = result()
    *path, last = key.split(".")
    inner: Any = found
    for name in path:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    inner[int(last) if isinstance(inner, list) else last] = value
    return found


@pytest.mark.parametrize(
    "found",
    [
        [],
        None,
        {"machine": {}},
        shaped("machine", []),
        shaped("machine.capability", 9.0),
        shaped("bundle", "a"),
        shaped("bundle.tree", None),
        shaped("bundle.ptxas", None),
        shaped("bundle.models", {"x": 3}),
        shaped("bundle.tests", {"12.0": 5}),
        shaped("bundle.rows", {"models": {"x": 3}}),
        shaped("bundle.rows", {"models": 3}),
        shaped("bundle.kinds.sm_120a", {"dense": "2"}),
        result() | {"others": [{"machine": {}}]},
        shaped("bundle.ran", 1),
        shaped("bundle.kinds", []),
        shaped("parts", []),
        shaped("parts.seed", []),
        shaped("parts.other", {"columns": [], "rows": [], "failed": ""}),
        shaped("parts.seed.rows", {}),
        shaped("parts.seed.failed", None),
        shaped("parts.seed.columns", ["file"]),
        shaped("parts.seed.rows.0", "text"),
        shaped("parts.seed.rows.0", ["too", "few"]),
        shaped("parts.seed.rows.0.2", None),
        shaped("parts.seed.rows.0.2", [24]),
    ],
)
def test_json_of_another_shape_is_named(tmp_path: Path, found: Any) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(Finding, match="no result of a run") as refusal:
        results.load(path)
    assert str(path) in str(refusal.value)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for text in ("", "{", "\udc80"):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(Finding, match="no result of a run"):
            results.load(path)


def test_the_oldest_release_comes_first(tmp_path: Path) -> None:
    for release in ("0.7.10", "0.7.9", "0.7.2.post2"):
        found = result()
        found["machine"]["flashinfer-python"] = release
        record.save(found, SERIES, release, None, tmp_path)
    releases = [record.release(one) for one in record.recorded(tmp_path)]
    assert releases == ["0.7.2.post2", "0.7.9", "0.7.10"]


def test_the_table_says_first_of_which_series_it_is() -> None:
    text = render.as_text(result(), SERIES)
    assert text.splitlines()[0] == f"this series: patched tree {SERIES.tree}"
    other = render.as_text(result(), OTHER).splitlines()[0]
    assert other.startswith("another series than this one")
    ran = render.as_text(result(), Identity(OTHER.tree, SERIES.ran)).splitlines()[0]
    assert ran.startswith("this series in all that ran")
    assert "static         64    silu                    40 to 256    4 " in text
    assert "static                40 to 256    16     never" in text
    assert "micro                 1 to 8       24     some runs   0.0040" in text
    assert "any speed" in text
