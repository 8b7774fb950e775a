# SPDX-License-Identifier: Apache-2.0
"""The bench's own arithmetic, table, and generated series."""

from __future__ import annotations

import doctest
import json
import math
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import RECORDS, ROOT
from scripts.base.errors import Finding
from scripts.base.git import Git
from scripts.series import folder
from scripts.series.apply import make_commits
from tests.bench import generated, growth, report, verified
from tests.bench.generated import choose, generate
from tests.bench.measure import Took, alternate, child, stopwatch
from tests.bench.report import Aim, Row, Sense, Side, Unit, Verdict, as_data, table
from tests.unit.small import Small, git

OURS = Side("ours", (3.0, 1.0, 2.0))
THEIRS = Side("theirs", (2.0, 4.0, 1.0))
ROW = Row("job", Unit.SECONDS, OURS, THEIRS)


def test_ratio_is_of_the_medians_and_spread_of_the_rounds() -> None:
    assert (OURS.median, ROW.ratio) == (2.0, 1.0)
    assert ROW.spread == (0.25, 2.0)
    assert Row("job", Unit.SECONDS, OURS).ratio is None


@pytest.mark.parametrize(
    ("aim", "ours", "verdict"),
    [
        (Aim(Sense.RATIO, 1.5), 3.0, Verdict.MET),
        (Aim(Sense.RATIO, 1.5), 3.1, Verdict.MISSED),
        (Aim(Sense.FASTER, 4), 0.5, Verdict.MET),
        (Aim(Sense.FASTER, 4), 0.6, Verdict.MISSED),
        (Aim(Sense.WITHIN, 0.15), 0.15, Verdict.MET),
        (Aim(Sense.WITHIN, 0.15), 0.16, Verdict.MISSED),
        (None, 9.0, Verdict.NONE),
    ],
)
def test_verdict_of_a_ratio(aim: Aim | None, ours: float, verdict: Verdict) -> None:
    row = replace(ROW, ours=Side("ours", (ours,)), theirs=Side("t", (2.0,)), aim=aim)
    assert row.verdict is verdict


def test_one_peak_above_the_limit_misses_it() -> None:
    aim = Aim(Sense.BELOW, 200)
    row = Row("peak", Unit.BYTES, Side("verb", (1e6, 199e6)), aim=aim)
    assert row.verdict is Verdict.MET
    row = replace(row, ours=Side("verb", (1e6, 1e6, 200e6)))
    assert row.verdict is Verdict.MISSED


def test_a_missing_tool_is_neither_met_nor_missed() -> None:
    aim = Aim(Sense.RATIO, 1)
    row = replace(ROW, theirs=None, aim=aim, skipped="not installed: apt install x")
    assert row.verdict is Verdict.SKIPPED
    assert "not installed: apt install x" in table([row])


def test_table_has_both_sides_their_spread_and_the_count() -> None:
    aim = Aim(Sense.RATIO, 1.5)
    peak = Row("peak", Unit.BYTES, Side("verb", (51.5e6,)), aim=Aim(Sense.BELOW, 200))
    text = table([replace(ROW, aim=aim), peak])
    head, rule, first, second = text.splitlines()
    assert text.isascii()
    assert len(rule) == max(map(len, (head, rule, first, second)))
    assert "ours: 2.000 s (1.000-3.000 s)" in first
    assert "theirs: 2.000 s (1.000-4.000 s)" in first
    cells = ["1 (0.25-2)", "3", "ours/theirs <= 1.5", "met"]
    assert first.split("  ")[-1].strip() == "met"
    assert [c.strip() for c in first.split("  ") if c.strip()][-4:] == cells
    assert "verb: 51.5 MB (51.5-51.5 MB)" in second


def test_seconds_of_the_processor_stand_beside_those_of_the_clock() -> None:
    side = Side.timed("verb", [Took(3.0, 0.5), Took(1.0, 0.7), Took(2.0, 0.6)])
    row = replace(ROW, ours=side)
    assert (side.median, row.ratio) == (2.0, 1.0)  # ratios are the clock's
    assert "verb: 2.000 s (1.000-3.000 s), cpu 0.600 s" in table([row])
    assert as_data(row)["ours"]["processor_median"] == 0.6


def test_readme_has_the_table_of_the_record() -> None:
    data = json.loads((RECORDS / "bench.json").read_text("utf-8"))
    readme = (ROOT / "README.md").read_text("utf-8")
    assert report.summary(data) in readme
    assert report.into(readme, data) == readme
    data["rows"][0]["ours"]["median"] += 1
    assert report.summary(data) not in readme
    assert report.summary(data) in report.into(readme, data)
    machine = data["machine"]
    for key in ("date", "commit", "cpus"):
        assert str(machine[key]) in readme


def test_a_block_is_timed_with_the_children_that_it_waited_for(tmp_path: Path) -> None:
    work = "import time\nend = time.process_time() + 0.3\n"
    work += "while time.process_time() < end: pass"
    with stopwatch() as watch:
        said = child([sys.executable, "-c", work], tmp_path)
    assert 0.3 <= said.took.processor <= watch.took.processor
    assert said.took.seconds <= watch.took.seconds


def test_data_state_their_unit() -> None:
    data = as_data(replace(ROW, aim=Aim(Sense.FASTER, 15)))
    assert data["unit"] == "s"
    side = {"what": "ours", "values": OURS.values, "median": 2.0, "processor": ()}
    assert data["ours"] == side
    assert data["aim"] == {"sense": "faster", "limit": 15}
    assert (data["rounds"], data["ratio"], data["verdict"]) == (3, 1.0, "not met")


def test_sides_take_turns_and_the_warm_round_does_not_count() -> None:
    calls: list[str] = []

    def side(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    times = alternate({"a": lambda: side("a"), "b": lambda: side("b")}, 3, "test")
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert times == {"a": (3.0, 6.0, 7.0), "b": (4.0, 5.0, 8.0)}


def test_peak_of_a_child_holds_its_children_and_not_the_starter(tmp_path: Path) -> None:
    ballast = bytearray(150_000_000)
    small = child([sys.executable, "-c", "pass"], tmp_path)
    del ballast
    assert 0 < small.largest < 80_000_000
    big = "import time; x = bytearray(100_000_000); time.sleep(0.3)"
    again = f"subprocess.run([sys.executable, '-c', {big!r}])"
    both = f"import subprocess, sys; {big}; {again}"
    seen = child([sys.executable, "-c", both], tmp_path, memory=True)
    assert seen.largest > 100_000_000
    assert seen.together > 200_000_000 and seen.peak == seen.together
    assert seen.took.seconds >= 0.6


def test_a_side_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(Finding, match="no such thing"):
        child([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)
    with pytest.raises(Finding, match="did not start"):
        child(["sm12x-no-such-program"], tmp_path)


def test_generated_series_is_one_and_applies(small: Small, tmp_path: Path) -> None:
    base = git(small.repo, "rev-parse", "base").strip()
    count = 9
    made = [
        generate(small.repo, base, count, tmp_path / name, under="")
        for name in ("one", "two")
    ]
    assert made[0] == made[1] == folder.names(tmp_path / "one")
    for name in made[0]:
        assert (tmp_path / "one" / name).read_bytes() == (
            tmp_path / "two" / name
        ).read_bytes()
    patches = folder.load(tmp_path / "one")
    assert len(patches) == count
    theirs = git(small.repo, "rev-parse", "HEAD^{tree}").strip()
    repo = Git(small.repo)
    tip = make_commits(repo, base, patches)
    assert repo.text("rev-parse", f"{tip}^{{tree}}") == theirs
    assert theirs != git(small.repo, "rev-parse", "base^{tree}").strip()
    git(small.repo, "checkout", "--quiet", "--force", "--detach", "base")
    mail = [str(tmp_path / "one" / name) for name in made[0]]
    repo.run("am", "--quiet", *mail)
    assert git(small.repo, "rev-parse", "HEAD^{tree}").strip() == theirs


def test_growth_has_a_row_for_each_step(small: Small, tmp_path: Path) -> None:
    base = git(small.repo, "rev-parse", "base").strip()
    generate(small.repo, base, 8, tmp_path / "made", under="")
    found = growth.measure(small.repo, base, tmp_path / "made", (2, 4, 8), 1)
    jobs = [row.job.partition(":")[0] for row in found]
    assert jobs == [
        f"growth of {verb}, {step}"
        for verb in ("apply", "export")
        for step in ("2 to 4", "4 to 8")
    ]
    for row in found:
        assert row.theirs is not None and row.ratio is not None
        power = growth.exponent(row.theirs.median, row.ours.median, (1, 2))
        assert row.job.endswith(f": exponent {power:.2f}")
        # Linear is what is asked of every step.
        assert (row.verdict is Verdict.MET) == (power <= 1)
    # Each round begins at the base, and so does whoever comes next.
    assert git(small.repo, "rev-parse", "HEAD").strip() == base
    assert [row.ours.what for row in found[::2]] == ["4 patches", "4 patches"]


def test_wheels_of_other_sizes_are_verified(
    base: Path, small: Small, tmp_path: Path
) -> None:
    patches = folder.load(small.patches)
    given = small.lock, patches, base, small.sdist
    (row,) = verified.measure(*given, (0.0, 1.0), tmp_path / "sizes", 1)
    assert row.theirs is not None and row.aim is not None
    small_, large = (
        zipfile.ZipFile(path).namelist()
        for share in ("0.00", "1.00")
        for path in (tmp_path / "sizes" / share).glob("*.whl")
    )
    assert {*large} - {*small_} == {"vllm/_C.abi3.so"}
    power = math.log(row.ratio or 0) / math.log(row.aim.limit)
    said, _, told = row.job.partition(": exponent ")
    assert said.startswith("growth of verify-wheel, ")
    assert float(told) == pytest.approx(power, abs=0.01)


def test_a_generated_series_edits_some_files_twice() -> None:
    chosen = choose([f"{i:03}" for i in range(700)], 100)
    assert len(chosen) == 100 and len(set(chosen)) == 75
    assert max(chosen) > "500"  # spread over the tree


def test_examples_in_the_bench_hold() -> None:
    # pytest does not collect tests/bench.
    for module in (generated, growth, report):
        done = doctest.testmod(module)
        assert done.attempted and not done.failed
