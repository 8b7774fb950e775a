# SPDX-License-Identifier: Apache-2.0
"""One mistake, one error: what an editor, a merge or a slip leaves."""

from __future__ import annotations

import re
import textwrap
from codecs import BOM_UTF8
from collections.abc import Callable

import pytest

from scripts.base.errors import Finding
from scripts.series import about, folder
from scripts.series.check import Rule, Severity
from scripts.upstream import lock as lock_file
from tests.unit.series.check.planted import KERNEL, renew_table, report, tamper
from tests.unit.small import Small, message
from tests.unit.small_files import SPDX

Mistake = Callable[[Small], None]


def by_hand(number: int, old: bytes, new: bytes) -> Mistake:
    """The first match of `old` in a patch file, replaced."""

    def make(small: Small) -> None:
        tamper(small, number, lambda data: re.sub(old, new, data, count=1))

    return make


def cut(number: int, at: bytes) -> Mistake:
    """The end of a patch file from the last `at` on, taken away."""
    return lambda small: tamper(small, number, lambda data: data[: data.rindex(at)])


def listed(change: Callable[[list[str]], list[str]]) -> Mistake:
    """Another list in `series`."""

    def make(small: Small) -> None:
        text = "".join(f"{name}\n" for name in change(small.names))
        (small.patches / "series").write_text(text, encoding="utf-8")

    return make


def body(text: str) -> Mistake:
    """A fourth patch with this message, exported."""

    def make(small: Small) -> None:
        small.edit(
            message("docs: plant", text), "docs/backends.md", "- marlin", "- marlon"
        )
        small.export()
        renew_table(small)

    return make


def added(text: str, name: str = "vllm/new.py") -> Mistake:
    """A fourth patch with a new file, exported."""

    def make(small: Small) -> None:
        small.commit(message("kernel: plant"), {name: text})
        small.export()
        renew_table(small)

    return make


def in_kernel(text: str) -> Mistake:
    """A fourth patch with lines more in a module, exported."""

    def make(small: Small) -> None:
        old = "    def is_auto"
        small.edit(message("config: plant"), KERNEL, old, f"{text}\n{old}")
        small.export()
        renew_table(small)

    return make


def gone(small: Small) -> None:
    (small.patches / small.names[0]).unlink()


def renamed(small: Small) -> None:
    (small.patches / small.names[1]).rename(small.patches / "0002-other.patch")


def stray(small: Small) -> None:
    (small.patches / "0002-x.patch.orig").touch()


def mark(small: Small) -> None:
    path = small.patches / "series"
    path.write_bytes(BOM_UTF8 + path.read_bytes())


def tree(key: str) -> Mistake:
    return lambda small: lock_file.update(small.lock_path, {key: "0" * 40}) and None


def wrapped(name: str, **how: bool) -> Mistake:
    """By an editor, at 72 columns."""

    def make(small: Small) -> None:
        path = small.root / name
        editor = textwrap.TextWrapper(72, **how)  # type: ignore[arg-type]
        rows = path.read_text(encoding="utf-8").split("\n")
        made = "\n".join(part for row in rows for part in editor.wrap(row) or [""])
        path.write_text(made, encoding="utf-8")

    return make


QUOTED = """\
diff --git a/x b/x
index 1111111..2222222 100644
--- a/x
+++ b/x
@@ -1,3 +1,3 @@
-a
+b

 c"""
CONTEXT = """\
*** a/x
--- b/x
***************
*** 1,2 ****
! a
--- 1,2 ----
! b"""
CONFLICT = """\
<<<<<<< HEAD
    X = 1
=======
    X = 2
>>>>>>> other
"""
LONG = "Users choose it by name, and what they choose is what they get, whatever it is."
NOTICE = """\
# Copyright (c) 2020 Someone Else
# Permission is hereby granted, free of charge, to any person
# All rights reserved.
"""
MISTAKES: dict[str, tuple[Rule, Mistake]] = {
    "context line": (Rule.CHAIN, by_hand(1, rb' "cutlass",', rb' "cutlas",')),
    "added line": (Rule.CHAIN, by_hand(1, rb'\+    "sm12x"', rb'+    "sm13x"')),
    "blank added": (Rule.CHAIN, by_hand(1, rb'"sm12x",\n', rb'"sm12x", \n')),
    "blob before": (Rule.CHAIN, by_hand(1, rb"index ....", rb"index ffff")),
    "blob after": (Rule.CHAIN, by_hand(1, rb"\.\.[^ ]{4}", rb"..ffff")),
    "hunk's count": (Rule.PARSE, by_hand(1, rb"(@@ .*\+\d+,)", rb"\g<1>9")),
    "line taken out": (Rule.PARSE, by_hand(2, rb"\+@functools.cache\n", b"")),
    "cut off": (Rule.PARSE, cut(1, b"\n     ")),
    "hunk taken out": (Rule.CHAIN, cut(2, b"@@ -")),
    "no index line": (Rule.PARSE, by_hand(1, rb"index .*\n", b"")),
    "first line": (Rule.PARSE, by_hand(1, rb"From 0.*\n", b"")),
    "date": (Rule.PARSE, by_hand(1, rb"Date: .*", b"Date: yesterday")),
    "subject in latin-1": (Rule.BYTES, by_hand(2, rb"probe", b"pr\xf6be")),
    "unknown charset": (Rule.PARSE, by_hand(2, rb"probe", b"=?none?q?pr=f6be?=")),
    "message in latin-1": (Rule.BYTES, by_hand(2, rb"is known", b"is kn\xf6wn")),
    "commit id": (Rule.HEADER, by_hand(1, rb"From 0{40}", b"From " + b"1" * 40)),
    "no newline at the end": (Rule.BYTES, cut(2, b"\n")),
    "one CRLF": (Rule.BYTES, by_hand(2, rb"model loads\.", b"model loads.\r")),
    "all CRLF": (
        Rule.BYTES,
        lambda s: tamper(s, 2, lambda d: d.replace(b"\n", b"\r\n")),
    ),
    "subject by hand": (Rule.NAME, by_hand(1, rb"config: add", b"config: Add")),
    "no Test": (Rule.TRAILER, by_hand(1, rb"Test: .*\n", b"")),
    "no trailer": (Rule.TRAILER, by_hand(1, rb"Origin: (?:.*\n)+?Test: .*\n", b"")),
    "misspelt trailer": (Rule.TRAILER, by_hand(1, rb"Remove-When", b"Remove-when")),
    "test is not there": (Rule.TEST, by_hand(1, rb"Test: .*", b"Test: tests/a.py::b")),
    "patch is gone": (Rule.SERIES, gone),
    "patch renamed": (Rule.SERIES, renamed),
    "file of an editor": (Rule.SERIES, stray),
    "not listed": (Rule.SERIES, listed(lambda names: names[1:])),
    "listed twice": (Rule.SERIES, listed(lambda names: [*names, names[0]])),
    "swapped": (Rule.NAME, listed(lambda names: names[::-1])),
    "empty list": (Rule.SERIES, listed(lambda names: [])),
    "byte order mark": (Rule.SERIES, mark),
    "source's tree": (Rule.TREE, tree("vllm.sdist.tree")),
    "patched tree": (Rule.TREE, tree("series.patched-tree")),
    "quoted diff": (Rule.BODY, body(f"Why.\n\n{textwrap.indent(QUOTED, '    ')}")),
    "quoted at the margin": (Rule.BODY, body("Why.\n\n" + QUOTED.split("\n", 2)[2])),
    "quoted context": (Rule.BODY, body(f"Why.\n\n{textwrap.indent(CONTEXT, '  ')}")),
    "not wrapped": (Rule.BODY, body("\n".join([LONG] * 3))),
    "conflict": (Rule.WHITESPACE, in_kernel(CONFLICT)),
    "syntax": (Rule.SYNTAX, in_kernel("    (")),
    "unused": (Rule.RUFF, added(f"{SPDX}import os\n\nX = 1\n")),
    "carriage returns": (
        Rule.WHITESPACE,
        added(f"{SPDX}X = 1\nY = 2\n".replace("\n", "\r\n")),
    ),
    "no newline": (Rule.WHITESPACE, added(f"{SPDX}X = 1")),
    "no licence lines": (Rule.SPDX, added("X = 1\nY = 2\n")),
    "another licence": (Rule.LICENCE, added(f"{SPDX}{NOTICE}X = 1\n")),
    "another's file": (
        Rule.LICENCE,
        added(f"# SPDX-License-Identifier: MIT\n{NOTICE}X = 1\n"),
    ),
    "table wrapped": (Rule.TABLE, wrapped("patches/README.md")),
    "table wrapped at blanks": (
        Rule.TABLE,
        wrapped("patches/README.md", break_long_words=False),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_mistake_is_one_error(small: Small, mistake: str) -> None:
    rule, make = MISTAKES[mistake]
    renew_table(small)
    make(small)
    errors = [
        problem
        for problem in report(small, refresh=False).problems
        if problem.severity is Severity.ERROR
    ]
    assert [problem.rule for problem in errors] == [rule], errors
    wrapped = rule is Rule.TABLE
    assert errors[0].message.startswith("its lines were wrapped") == wrapped


def test_a_patch_without_its_diff_is_one_error(small: Small) -> None:
    """What stands on it cannot be judged, and is not called wrong."""
    path = "vllm/new.py"
    head = "# SPDX-License-Identifier: Apache-2.0\n"
    small.commit(message("new: one"), {path: f"{head}X = 1\n"})
    small.commit(message("new: two"), {path: f"{head}X = 2\n"})
    small.export()
    renew_table(small)
    tamper(small, 4, lambda data: data[: data.index(b"diff --git")])
    errors = [
        p for p in report(small, refresh=False).problems if p.severity is Severity.ERROR
    ]
    assert [p.rule for p in errors] == [Rule.PARSE], errors
    assert errors[0].path == f"patches/{small.names[3]}"


def test_two_mistakes_are_two(small: Small) -> None:
    renew_table(small)
    MISTAKES["context line"][1](small)
    MISTAKES["all CRLF"][1](small)
    rules = [p.rule for p in report(small, refresh=False).problems]
    assert rules == [Rule.CHAIN, Rule.BYTES]


def test_a_changed_context_line_is_shown_alone(small: Small) -> None:
    renew_table(small)
    MISTAKES["context line"][1](small)
    (problem,) = report(small, refresh=False).problems
    rows = (small.patches / small.names[0]).read_text(encoding="utf-8").split("\n")
    assert rows[problem.line - 1] == '     "cutlas",'
    words = 'expected     "cutlas",; found     "cutlass",'
    assert problem.message.endswith(words)


ABOUT = """\
# The fork

| patch | what it gives |
|---|---|
{rows}
See [more](patches/README.md).
"""


@pytest.mark.parametrize("long", [True, False], ids=["anywhere", "at blanks"])
def test_the_readmes_table_wrapped(small: Small, long: bool) -> None:
    """Its words are a person's: export joins them again where no word was broken."""
    rows = "".join(
        f"| [{name[:4]}](patches/{name}) | it is there for those who {LONG} |\n"
        for name in small.names
    )
    path = small.root / "README.md"
    text = ABOUT.format(rows=rows)
    path.write_text(text, encoding="utf-8")
    renew_table(small)
    assert not report(small, refresh=False).problems
    wrapped("README.md", break_long_words=long, break_on_hyphens=long)(small)
    (problem,) = report(small, refresh=False).problems
    assert (problem.path, problem.line, problem.rule) == ("README.md", 5, Rule.TABLE)
    assert problem.message == "its lines were wrapped or joined; make export"
    patches = folder.load(small.patches)
    if not long:
        assert about.fixed(path.read_text(encoding="utf-8"), patches) == text
    path.write_text(text.replace("0003", "0004"), encoding="utf-8")
    (problem,) = report(small, refresh=False).problems
    assert problem.message == "its table of patches is not the series; make export"


def test_a_table_that_is_not_current_is_called_so(small: Small) -> None:
    renew_table(small)
    path = small.patches / "README.md"
    text = path.read_text(encoding="utf-8").replace("overlay", "underlay")
    path.write_text(text, encoding="utf-8")
    (problem,) = report(small, refresh=False).problems
    assert problem.message == "is not current; make export"


def test_a_byte_order_mark_is_called_one(small: Small) -> None:
    mark(small)
    with pytest.raises(Finding, match="byte order mark") as e:
        folder.load(small.patches)
    assert str(e.value.where).endswith("series:1")
