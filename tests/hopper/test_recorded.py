# SPDX-License-Identifier: Apache-2.0
"""The repository's records of the real kernels say what README says of them."""

from __future__ import annotations

import re

import pytest

from scripts import ROOT, lock
from scripts.hopper import complete, judge, record

RECORDS = record.recorded()
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_no_bound_is_broken(found: record.Record) -> None:
    assert judge.broken(found) == []


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_every_case_is_there(found: record.Record) -> None:
    required = lock.load(lock.PATH).companions["flashinfer-python"]
    assert complete.missing(found, whole=record.release(found) == required) == []


def test_both_releases_are_there() -> None:
    assert [record.release(one) for one in RECORDS] == ["0.7.2.post1", "0.7.4"]


@pytest.mark.parametrize("found", RECORDS, ids=record.release)
def test_the_error_table_of_the_readme_is_the_real_kernels(
    found: record.Record,
) -> None:
    section = README.split("## The kernels themselves, on a Hopper GPU")[1]
    (row,) = re.findall(r"^\| output error, .*\|$", section.split("\n## ")[0], re.M)
    sigmas, upstream, fork = (
        [float(n) for n in re.findall(r"\d\.\d+", cell)]
        for cell in row.strip("|").split("|")
    )
    told = {
        (r["checkpoint"], r["sigma"]): r
        for r in judge.table(found, "errors")
        if r["tokens"] == 64
    }
    assert len(told) == 10
    for form in ("modelopt", "compressed-tensors"):
        for sigma, theirs, ours in zip(sigmas, upstream, fork, strict=True):
            row_ = told[form, sigma]
            assert row_["fork"] == pytest.approx(ours, abs=0.005)
            assert row_["upstream's flashinfer_b12x"] == pytest.approx(theirs, rel=0.03)


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
