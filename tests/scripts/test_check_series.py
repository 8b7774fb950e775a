# SPDX-License-Identifier: Apache-2.0
"""The file `series` and the names of patches: each fault at its file:line."""

from __future__ import annotations

import textwrap
from codecs import BOM_UTF8
from collections.abc import Callable

import pytest

from scripts import lock as lock_file
from scripts.errors import Finding
from scripts.series import folder, table
from scripts.series.check import Rule
from tests.scripts.check_help import found, renew_table, report, tamper
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


# One mistake, one error


def context(small: Small) -> None:
    tamper(small, 1, lambda d: d.replace(b' "cutlass",', b' "cutlas",', 1))


def added_line(small: Small) -> None:
    tamper(small, 1, lambda d: d.replace(b'+    "sm12x"', b'+    "sm13x"', 1))


def subject(small: Small) -> None:
    tamper(small, 1, lambda d: d.replace(b"config: add", b"config: Add", 1))


def gone(small: Small) -> None:
    (small.patches / small.names[0]).unlink()


def unlisted(small: Small) -> None:
    series(small, *small.names[1:])


def swapped(small: Small) -> None:
    one, two, three = small.names
    series(small, three, two, one)


def mark(small: Small) -> None:
    path = small.patches / "series"
    path.write_bytes(BOM_UTF8 + path.read_bytes())


def carriage_returns(small: Small) -> None:
    tamper(small, 2, lambda d: d.replace(b"\n", b"\r\n"))


def tree(small: Small) -> None:
    lock_file.update(small.lock_path, {"series.patched-tree": "0" * 40})


MISTAKES = {
    context: Rule.CHAIN,
    added_line: Rule.CHAIN,
    subject: Rule.NAME,
    gone: Rule.SERIES,
    unlisted: Rule.SERIES,
    swapped: Rule.NAME,
    mark: Rule.SERIES,
    carriage_returns: Rule.BYTES,
    tree: Rule.TREE,
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda f: f.__name__)
def test_one_mistake_is_one_error(
    small: Small, mistake: Callable[[Small], None]
) -> None:
    renew_table(small)
    mistake(small)
    (problem,) = report(small, refresh=False).problems
    assert problem.rule is MISTAKES[mistake]


def test_two_mistakes_are_two(small: Small) -> None:
    renew_table(small)
    context(small)
    carriage_returns(small)
    rules = [p.rule for p in report(small, refresh=False).problems]
    assert rules == [Rule.CHAIN, Rule.BYTES]


def test_a_changed_context_line_is_shown_alone(small: Small) -> None:
    renew_table(small)
    context(small)
    (problem,) = report(small, refresh=False).problems
    rows = (small.patches / small.names[0]).read_text(encoding="utf-8").split("\n")
    assert rows[problem.line - 1] == '     "cutlas",'
    words = 'expected     "cutlas",; found     "cutlass",'
    assert problem.message.endswith(words)


def test_a_table_that_an_editor_wrapped_is_called_so(small: Small) -> None:
    """At 72 columns, say; its words are the series', so that is no stale table."""
    renew_table(small)
    path = small.patches / table.NAME
    text = path.read_text(encoding="utf-8")
    editor = textwrap.TextWrapper(72, break_long_words=False, break_on_hyphens=False)
    rows = [part for row in text.split("\n") for part in editor.wrap(row) or [""]]
    path.write_text("\n".join(rows), encoding="utf-8")
    (problem,) = report(small, refresh=False).problems
    first = next(
        n
        for n, (a, b) in enumerate(zip(rows, text.split("\n"), strict=False), 1)
        if a != b
    )
    assert (problem.path, problem.line) == ("patches/README.md", first)
    assert problem.message == "its lines were wrapped or joined; make export"
    path.write_text(text.replace("overlay", "underlay"), encoding="utf-8")
    (problem,) = report(small, refresh=False).problems
    assert problem.message == "is not current; make export"


def test_a_byte_order_mark_is_called_one(small: Small) -> None:
    mark(small)
    with pytest.raises(Finding, match="byte order mark") as e:
        folder.load(small.patches)
    assert str(e.value.where).endswith("series:1")
