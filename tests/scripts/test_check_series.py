# SPDX-License-Identifier: Apache-2.0
"""The file `series` and the names of patches: each fault at its file:line."""

from __future__ import annotations

from scripts.series.check import Rule
from tests.scripts.check_help import found, report
from tests.scripts.small import Small


def series(small: Small, *names: str) -> None:
    text = "".join(f"{name}\n" for name in names)
    (small.patches / "series").write_text(text, encoding="utf-8")


def test_series_is_missing(small: Small) -> None:
    (small.patches / "series").unlink()
    assert ("patches/series", 1, Rule.SERIES) in found(small)


def test_patch_is_missing(small: Small) -> None:
    (small.patches / small.names[1]).unlink()
    result = report(small)
    assert ("patches/series", 2, Rule.SERIES) in [
        (p.path, p.line, p.rule) for p in result.problems
    ]
    assert not result.passes


def test_patch_is_not_listed(small: Small) -> None:
    extra = "0004-extra.patch"
    (small.patches / extra).write_text("", encoding="utf-8")
    assert found(small) == [(f"patches/{extra}", 1, Rule.SERIES)]


def test_patch_is_listed_twice(small: Small) -> None:
    series(small, *small.names, small.names[0])
    assert found(small) == [("patches/series", 4, Rule.SERIES)]


def test_series_with_crlf(small: Small) -> None:
    text = "".join(f"{name}\r\n" for name in small.names)
    (small.patches / "series").write_bytes(text.encode())
    assert found(small) == [("patches/series", 1, Rule.SERIES)]


def test_numbers_in_another_order(small: Small) -> None:
    one, two, three = small.names
    series(small, two, one, three)
    assert found(small) == [("patches/series", 1, Rule.NAME)]


def test_gap_in_the_numbers(small: Small) -> None:
    one, two, three = small.names
    other = three.replace("0003", "0004")
    (small.patches / three).rename(small.patches / other)
    series(small, one, two, other)
    assert found(small) == [("patches/series", 3, Rule.NAME)]


def test_not_a_patch_name(small: Small) -> None:
    one, two, three = small.names
    (small.patches / three).rename(small.patches / "3-x.patch")
    series(small, one, two, "3-x.patch")
    assert ("patches/series", 3, Rule.NAME) in found(small)


def test_name_is_not_the_subject_s(small: Small) -> None:
    one, two, three = small.names
    (small.patches / two).rename(small.patches / "0002-other.patch")
    series(small, one, "0002-other.patch", three)
    assert found(small) == [("patches/0002-other.patch", 4, Rule.NAME)]
