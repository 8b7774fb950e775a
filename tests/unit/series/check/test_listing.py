# SPDX-License-Identifier: Apache-2.0
"""The file `series` and the names of patches: each fault at its file:line."""

from __future__ import annotations

from scripts.series import resolutions
from scripts.series.check import Rule, Severity
from scripts.series.mailbox import parse
from tests.unit.series.check.planted import found, report
from tests.unit.small import Small


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


def decided(small: Small, base: str, theirs: str) -> str:
    """A decision on two blobs of a patch; its path in the checkout."""
    key = resolutions.Key(base, "1" * 40, theirs)
    rows = ("a", "vllm/a.py", key.base, key.upstream, key.patched, "because")
    labels = ("Patch", "Path", "Base", "Ours", "Theirs", "Reason")
    text = "".join(f"{k}: {v}\n" for k, v in zip(labels, rows, strict=True))
    folder = small.patches / resolutions.FOLDER
    folder.mkdir()
    (folder / key.file).write_text(text + "\n", encoding="utf-8")
    return f"patches/{resolutions.FOLDER}/{key.file}"


def test_decision_on_a_change_that_no_patch_makes(small: Small) -> None:
    where = decided(small, "2" * 40, "3" * 40)
    result = report(small)
    assert [(p.path, p.rule, p.severity) for p in result.problems] == [
        (where, Rule.DECISION, Severity.WARNING)
    ]
    assert f"git rm {where}" in result.problems[0].message
    assert result.passes


def test_decision_on_a_change_of_the_series(small: Small) -> None:
    data = (small.patches / small.names[0]).read_bytes()
    change = parse(small.names[0], data).files[0]
    decided(small, change.old_blob, change.new_blob)
    assert report(small).problems == []


def test_answer_to_an_alert_of_a_patch_that_is_not_there(small: Small) -> None:
    folder = small.patches / resolutions.FOLDER
    folder.mkdir()
    for name, patch in (("a", small.names[0][5:]), ("b", "gone.patch")):
        text = f"Patch: {patch}\nReason: because\n"
        (folder / f"{name}.answer").write_text(text, encoding="utf-8")
    assert found(small) == [("patches/resolutions/b.answer", 1, Rule.DECISION)]


def test_decision_that_cannot_be_read(small: Small) -> None:
    folder = small.patches / "resolutions"
    folder.mkdir()
    (folder / "x.resolution").write_text("Patch: a\n", encoding="utf-8")
    assert found(small) == [("patches/resolutions/x.resolution", 1, Rule.DECISION)]
