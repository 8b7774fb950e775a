# SPDX-License-Identifier: Apache-2.0
"""`make check` as a whole: lanes, table, what is printed, the real series."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest

from scripts import ROOT
from scripts.checkout import Checkout
from scripts.series import folder
from scripts.series.check import Problem, Rule, Severity, check, main
from scripts.upstream import lock as lockfile
from scripts.upstream import sdist_contents
from tests.unit.series.check.planted import add, at, found, report
from tests.unit.small import Small, message
from tests.unit.small_files import SPDX


def test_clean_series(small: Small) -> None:
    result = report(small)
    assert result.problems == []
    assert result.passes
    assert list(result.lanes.values()) == ["overlay"] * 3


# Lane, table, output


def test_source_lane_is_a_warning(small: Small) -> None:
    small.edit(message("csrc: four times"), "csrc/x.cu", "*x *= 2", "*x *= 4")
    small.export()
    result = report(small)
    (problem,) = result.problems
    where = at(small, 4, "diff --git a/csrc/x.cu b/csrc/x.cu", Rule.LANE)
    assert (problem.path, problem.line, problem.rule) == where
    assert problem.severity is Severity.WARNING
    assert result.passes
    assert list(result.lanes.values())[-1] == "source"


def test_table_is_missing_and_stale(small: Small) -> None:
    assert found(small, refresh=False) == [("patches/README.md", 1, Rule.TABLE)]
    assert found(small) == []
    path = small.patches / "README.md"
    rows = path.read_text(encoding="utf-8").split("\n")
    line = next(i for i, row in enumerate(rows, 1) if row.startswith("| [0002]"))
    rows[line - 1] = rows[line - 1].replace("overlay", "source")
    path.write_text("\n".join(rows), encoding="utf-8")
    assert found(small, refresh=False) == [("patches/README.md", line, Rule.TABLE)]


MATCHER = ROOT / ".github" / "problem-matchers" / "series.json"


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("rule", list(Rule))
def test_problem_matcher_reads_what_is_printed(rule: Rule, severity: Severity) -> None:
    """GitHub fills its annotation from these groups."""
    (matcher,) = json.loads(MATCHER.read_text(encoding="utf-8"))["problemMatcher"]
    (pattern,) = matcher["pattern"]
    problem = Problem("patches/0001-a_b.c.patch", 12, rule, "a: b 1:2: c", severity)
    match = re.search(pattern["regexp"], str(problem))
    assert match
    assert match[pattern["file"]] == problem.path
    assert int(match[pattern["line"]]) == problem.line
    assert match[pattern["code"]] == rule.value
    assert match[pattern["message"]] == problem.message
    shown = match[pattern["severity"]] or matcher["severity"]
    assert shown == severity.value


def test_main_prints_lines_table_and_code(
    small: Small, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    checkout = Checkout(small.root)
    report(small)
    assert main(checkout) == 0
    out = capsys.readouterr().out
    assert "0002  overlay     3 files  utils: probe for the sm12x kernels\n" in out
    (small.patches / "README.md").unlink()
    assert main(checkout) == 1
    assert capsys.readouterr().out.startswith("patches/README.md:1: table: ")


def test_main_prints_json(
    small: Small, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    checkout = Checkout(small.root)
    assert main(checkout, True) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["path"] == "patches/README.md"
    assert row["line"] == 1
    assert (row["rule"], row["severity"]) == ("table", "error")
    assert "make export" in row["message"]


def test_messages_are_ascii(small: Small) -> None:
    add(small, {"vllm/new.py": f"{SPDX}# \xa9 2025 J\xfcrgen\nx = 1\n"})
    (problem,) = report(small).problems
    assert problem.rule is Rule.LICENCE
    assert str(problem).isascii()


# The real upstream


@pytest.mark.upstream
def test_the_real_series() -> None:
    lock = lockfile.load()
    result = check(lock, folder.PATCHES, partial(sdist_contents.read, lock.sdist))
    assert result.patches
    assert [str(p) for p in result.problems] == []
