# SPDX-License-Identifier: Apache-2.0
"""Each rule of `make check` finds its planted fault, at the right file:line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import ROOT
from scripts import lock as lockfile
from scripts.checkout import Checkout
from scripts.errors import Finding, Unusable
from scripts.series import folder, table
from scripts.series.check import (
    Problem,
    Report,
    Rule,
    Severity,
    check,
    layout,
    main,
    reader,
    style,
)
from scripts.series.mailbox import parse
from tests.scripts.small import SPDX, Small, message

KERNEL = "vllm/config/kernel.py"
Found = list[tuple[str, int, Rule]]


def renew_table(small: Small) -> None:
    """Write `patches/README.md` for the patches that can be read."""
    patches = []
    listed = small.patches / "series"
    for name in dict.fromkeys(small.names if listed.exists() else []):
        with suppress(Finding, FileNotFoundError):
            patches.append(parse(name, (small.patches / name).read_bytes()))
    lanes = table.lanes_on(patches, lambda: small.sdist)
    text = table.render(patches, lanes)
    (small.patches / "README.md").write_text(text, encoding="utf-8")


def report(small: Small, refresh: bool = True) -> Report:
    """Check `small`, with a table that is current unless it is the matter."""
    if refresh:
        renew_table(small)
    read = reader(small.lock, small.upstream_dir)
    return check(small.lock, small.patches, read)


def found(small: Small, refresh: bool = True) -> Found:
    return [(p.path, p.line, p.rule) for p in report(small, refresh).problems]


def text_of(small: Small, number: int) -> str:
    return (small.patches / small.names[number - 1]).read_bytes().decode("utf-8")


def at(small: Small, number: int, line: str, rule: Rule) -> tuple[str, int, Rule]:
    """Where the only line `line` of a patch stands, by looking at the file."""
    rows = text_of(small, number).split("\n")
    assert rows.count(line) == 1, rows
    return f"patches/{small.names[number - 1]}", rows.index(line) + 1, rule


def tamper(small: Small, number: int, change: Callable[[bytes], bytes]) -> None:
    """Change the bytes of a patch on disk."""
    path = small.patches / small.names[number - 1]
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before


def add(small: Small, files: dict[str, str | bytes | None], **kw: str) -> None:
    """One more patch, well described, and the series exported by git."""
    small.commit(message("test: plant", **kw), files)
    small.export()


def test_clean_series(small: Small) -> None:
    result = report(small)
    assert result.problems == []
    assert result.passes
    assert list(result.lanes.values()) == ["overlay"] * 3


# The file series


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
    assert found(small) == [
        ("patches/series", 1, Rule.NAME),
        ("patches/series", 2, Rule.NAME),
    ]


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


# Bytes, header, message


def test_unreadable_patch_does_not_hide_the_others(small: Small) -> None:
    small.edit(message("docs: plant"), "docs/backends.md", "- marlin\n", "- marlin \n")
    small.export()
    lines = text_of(small, 1).split("\n")
    tamper(small, 1, lambda data: data[: data.rindex(b"\n ")] + b"\n")
    problems = found(small)
    unread = [p for p in problems if p[2] is Rule.PARSE]
    assert unread == [(f"patches/{small.names[0]}", len(lines) - 2, Rule.PARSE)]
    # 0003 touches the same file as 0001: its fault there is 0001's.
    assert [p for p in problems if p not in unread] == [
        at(small, 4, "+- marlin ", Rule.WHITESPACE)
    ]


def test_crlf_patch(small: Small) -> None:
    tamper(small, 2, lambda data: data.replace(b"\n", b"\r\n"))
    name = f"patches/{small.names[1]}"
    assert found(small) == [(name, 1, Rule.BYTES), (name, 1, Rule.PARSE)]


def test_crlf_in_the_message(small: Small) -> None:
    tamper(small, 2, lambda d: d.replace(b"\n\nThe probe", b"\n\r\nThe probe"))
    problems = found(small)
    assert (f"patches/{small.names[1]}", 5, Rule.BYTES) in problems


def test_no_newline_at_the_end(small: Small) -> None:
    last = text_of(small, 3).count("\n")
    tamper(small, 3, lambda data: data[:-1])
    assert (f"patches/{small.names[2]}", last, Rule.BYTES) in found(small)


def test_byte_order_mark(small: Small) -> None:
    tamper(small, 3, lambda data: b"\xef\xbb\xbf" + data)
    assert (f"patches/{small.names[2]}", 1, Rule.BYTES) in found(small)


def test_message_is_not_utf8(small: Small) -> None:
    tamper(small, 1, lambda d: d.replace(b"Users choose", b"Us\xe9rs choose"))
    assert (f"patches/{small.names[0]}", 6, Rule.BYTES) in found(small)


def test_commit_id(small: Small) -> None:
    tamper(small, 1, lambda d: d.replace(b"0" * 40, b"0123456789" * 4, 1))
    assert found(small) == [(f"patches/{small.names[0]}", 1, Rule.HEADER)]


@pytest.mark.parametrize("subject", ["word " * 14 + "end", "it ends."])
def test_subject(small: Small, subject: str) -> None:
    small.edit(message(subject), KERNEL, '"""Kernel selection."""', '"""Kernels."""')
    small.export()
    assert found(small) == [(f"patches/{small.names[3]}", 4, Rule.SUBJECT)]


@pytest.mark.parametrize(
    "line",
    [
        "word " * 15 + "end",
        "---",
        "diff -u a b",
        "Index: file",
        "From " + "0" * 40 + " here",
    ],
)
def test_line_of_the_body(small: Small, line: str) -> None:
    text = message("docs: plant", f"Why.\n\n{line}\nMore.")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    expected = at(small, 4, line, Rule.BODY)
    assert found(small) == [expected]


def test_white_space_in_the_body(small: Small) -> None:
    """git writes none, so that only a hand can."""
    tamper(small, 1, lambda data: data.replace(b"by name.\n", b"by name. \n"))
    assert found(small) == [at(small, 1, "Users choose it by name. ", Rule.BODY)]


def test_address_and_trailer_may_be_long(small: Small) -> None:
    address = "https://example.org/" + "a" * 80
    text = message("docs: plant", f"Why.\n\n  - {address}")
    text = text.replace("selects this backend", "selects this backend, " * 4 + "alone")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == []


def test_no_description(small: Small) -> None:
    text = message("docs: plant").replace("Users choose it by name.\n\n", "")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == [(f"patches/{small.names[3]}", 6, Rule.DESCRIPTION)]


def test_trailer_is_malformed(small: Small) -> None:
    text = message("docs: plant").replace("Forwarded: no", "Forwarded: perhaps")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == [at(small, 4, "Forwarded: perhaps", Rule.TRAILER)]


def test_trailer_is_missing(small: Small) -> None:
    text = message("docs: plant").replace("Origin: vllm-project/vllm#40082", "X: y")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    # Reported where the block ends.
    _, line, _ = at(
        small, 4, "Test: tests/config/test_kernel.py::test_names", Rule.TEST
    )
    assert found(small) == [(f"patches/{small.names[3]}", line, Rule.TRAILER)]


def test_remove_when_is_a_placeholder(small: Small) -> None:
    text = message("docs: plant").replace(
        "Upstream selects this backend itself.", "TODO say when"
    )
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == [at(small, 4, "Remove-When: TODO say when", Rule.TRAILER)]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        # Other bytes for the same change: the heading of a hunk, the address.
        ((b"@@ class KernelConfig:", b"@@"), None),
        ((b"Ada Author <ada", b'"Ada Author" <ada'), 2),
        ((b" +0000\n", b" -0000\n"), 3),
    ],
)
def test_not_canonical(
    small: Small, change: tuple[bytes, bytes], line: int | None
) -> None:
    where = text_of(small, 3)[: text_of(small, 3).index("@@")].count("\n") + 1
    assert change[0] in text_of(small, 3).encode()
    tamper(small, 3, lambda data: data.replace(*change))
    name = f"patches/{small.names[2]}"
    assert found(small) == [(name, line or where, Rule.CANONICAL)]


# The named test


@pytest.mark.parametrize(
    "test",
    [
        "tests/config/test_none.py::test_names",
        "tests/config/test_kernel.py::test_none",
        "tests/config/test_kernel.py::TestNone::test_names",
    ],
)
def test_named_test_is_not_there(small: Small, test: str) -> None:
    add(small, {"docs/new.md": "new\n"}, test=test)
    assert found(small) == [at(small, 4, f"Test: {test}", Rule.TEST)]


def test_named_test_must_be_there_after_its_own_patch(small: Small) -> None:
    """That a later patch brings it is not enough: a prefix must hold, too."""
    test = "tests/config/test_new.py::TestNew::test_it"
    add(small, {"docs/new.md": "new\n"}, test=test)
    code = SPDX + "class TestNew:\n    def test_it(self):\n        assert True\n"
    add(small, {"tests/config/test_new.py": code}, test=test)
    assert found(small) == [at(small, 4, f"Test: {test}", Rule.TEST)]


# What a patch adds


@pytest.mark.parametrize(
    "line",
    [
        "blank at the end ",
        "tab at the end\t",
        " \tspace before tab",
        "return\r",
        "<<<<<<< ours",
        "=======",
        ">>>>>>> theirs",
    ],
)
def test_white_space(small: Small, line: str) -> None:
    add(small, {"docs/new.md": f"first\n{line}\nlast\n"})
    expected = at(small, 4, f"+{line}", Rule.WHITESPACE)
    assert found(small) == [expected]


def test_no_newline_at_the_end_of_a_file(small: Small) -> None:
    add(small, {"docs/new.md": "first\nlast"})
    assert found(small) == [at(small, 4, "+last", Rule.WHITESPACE)]


def test_upstream_s_white_space_is_not_ours(small: Small) -> None:
    add(small, {"docs/new.md": "kept \nold\n"})
    small.edit(message("docs: go on"), "docs/new.md", "old\n", "new\n")
    small.export()
    assert found(small) == [at(small, 4, "+kept ", Rule.WHITESPACE)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("vllm/new.py", "x = 1\n"),
        ("vllm/new.py", SPDX.splitlines()[1] + "\nx = 1\n"),
        ("tools/new.sh", "#!/bin/sh\nexit 0\n"),
        ("tests/new.cu", SPDX + "int x;\n"),
    ],
)
def test_spdx_header(small: Small, path: str, text: str) -> None:
    add(small, {path: text})
    rules = [(p, rule) for p, _, rule in found(small)]
    assert rules == [(f"patches/{small.names[3]}", Rule.SPDX)]


def test_spdx_header_in_other_languages(small: Small) -> None:
    add(
        small,
        {
            "tests/new.cu": SPDX.replace("#", "//") + "int x;\n",
            "tools/new.sh": "#!/bin/sh\n" + SPDX + "exit 0\n",
            "vllm/new/__init__.py": "",
        },
    )
    assert found(small) == []


@pytest.mark.parametrize(
    "line",
    [
        "# SPDX-License-Identifier: MIT",
        "# SPDX-FileCopyrightText: Copyright (c) 2025 Somebody",
        "# Copyright 2025 Somebody Else",
        "# (c) 2025 Somebody",
        "# Permission is hereby granted, free of charge, to any person",
        "# All rights reserved.",
    ],
)
def test_foreign_licence(small: Small, line: str) -> None:
    add(small, {"vllm/new.py": f"{SPDX}{line}\nx = 1\n"})
    assert found(small) == [at(small, 4, f"+{line}", Rule.LICENCE)]


# Blobs, trees, syntax


def test_preimage_is_another_blob(small: Small) -> None:
    add(small, {"docs/new.md": "new\n"})
    line = next(x for x in text_of(small, 1).split("\n") if x.startswith("index "))
    old = line.split()[1][:40].encode()
    tamper(small, 1, lambda data: data.replace(old, b"1" * 40))
    _, where, _ = at(small, 1, f"diff --git a/{KERNEL} b/{KERNEL}", Rule.CHAIN)
    # Once: 0003, which stands on 0001's result, is not reported again.
    assert found(small) == [(f"patches/{small.names[0]}", where, Rule.CHAIN)]


@pytest.mark.parametrize("key", ["series.patched-tree", "vllm.sdist.tree"])
def test_tree_of_the_lock(small: Small, key: str) -> None:
    lock = small.lock
    other = "1" * 40
    wrong = (
        replace(lock, patched_tree=other)
        if key.startswith("series")
        else replace(lock, tree=other)
    )
    renew_table(small)
    read = reader(lock, small.upstream_dir)
    problems = check(wrong, small.patches, read).problems
    assert [(p.path, p.rule) for p in problems] == [("upstream.lock", Rule.TREE)]
    assert other in problems[0].message


def test_every_prefix_compiles(small: Small) -> None:
    """The series as a whole does; its prefix up to 0004 does not."""
    broken = "    def is_auto(self) -> bool\n"
    small.edit(
        message("config: break"), KERNEL, "    def is_auto(self) -> bool:\n", broken
    )
    small.edit(
        message("config: mend"), KERNEL, broken, "    def is_auto(self) -> bool:\n"
    )
    small.export()
    assert found(small) == [at(small, 4, f"+{broken[:-1]}", Rule.SYNTAX)]


# Upstream's ruff


def test_lint_finding_is_shown_at_its_line(small: Small) -> None:
    add(small, {"vllm/new.py": f"{SPDX}import os\n\nx = 1\n"})
    (problem,) = report(small).problems
    where = at(small, 4, "+import os", Rule.RUFF)
    assert (problem.path, problem.line, problem.rule) == where
    assert problem.message.startswith("vllm/new.py:3: F401 ")


OLD = f"{SPDX}import os\nx   =   1\n\n\ndef first():\n    return 1\n"


def with_old(small: Small, text: str = OLD) -> None:
    """Let the last patch but the planted one leave faults, as upstream may."""
    add(small, {"vllm/old.py": text})


def test_what_was_there_before_is_not_the_patch_s(small: Small) -> None:
    with_old(small)
    before = found(small)
    assert {rule for _, _, rule in before} == {Rule.RUFF, Rule.FORMAT}
    small.edit(message("x: go on"), "vllm/old.py", "return 1", "return 2")
    # One line further down, and the findings with it.
    small.edit(message("x: move"), "vllm/old.py", "import os", "import os\n")
    small.export()
    assert [p for p in found(small) if "0004-" not in p[0]] == []
    assert before == [p for p in found(small) if "0004-" in p[0]]


def test_one_more_of_the_same_is_found(small: Small) -> None:
    with_old(small)
    small.edit(
        message("x: again"),
        "vllm/old.py",
        "    return 1\n",
        "    import os\n    return 1\n",
    )
    small.export()
    later = [p for p in found(small) if "0005-" in p[0]]
    assert at(small, 5, "+    import os", Rule.RUFF) in later


def test_format_of_new_lines_in_a_file_that_was_not_formatted(small: Small) -> None:
    with_old(small)
    small.edit(message("x: again"), "vllm/old.py", "return 1", "return  2")
    small.export()
    later = [p for p in found(small) if "0005-" in p[0]]
    assert later == [at(small, 5, "+    return  2", Rule.FORMAT)]


def test_format(small: Small) -> None:
    small.edit(message("x: y"), KERNEL, 'backend == "auto"', "backend == 'auto'")
    small.export()
    line = "+        return self.moe_backend == 'auto'"
    assert found(small) == [at(small, 4, line, Rule.FORMAT)]


def test_upstream_s_own_modules_are_first_party(small: Small) -> None:
    """Their imports stand apart from those of other packages, as upstream's do."""
    code = (
        f"{SPDX}import pytest\n\nfrom tests.config import test_kernel\n"
        "from vllm.config.kernel import KernelConfig\n\n"
        "print(pytest, test_kernel, KernelConfig)\n"
    )
    add(small, {"tests/config/test_new.py": code})
    assert found(small) == []
    mixed = code.replace("import pytest\n\n", "import pytest\n")
    add(small, {"tests/config/test_mixed.py": mixed})
    assert [rule for _, _, rule in found(small)] == [Rule.RUFF]


def test_configuration_is_upstream_s(small: Small) -> None:
    """Rules that the small upstream does not select are not reported."""
    add(small, {"vllm/new.py": f"{SPDX}def f(a=1):\n    '''Doc.'''\n    return  a\n"})
    assert {rule for _, _, rule in found(small)} == {Rule.FORMAT}
    small.drop()
    small.edit(message("x: y"), "pyproject.toml", '"UP", ', '"UP", "D", ')
    add(small, {"vllm/new.py": f'{SPDX}def f(a=1):\n    """no stop"""\n    return a\n'})
    last = [p for p in report(small).problems if "0005-" in p.path]
    assert last and all(" D" in p.message for p in last)


def test_other_version_of_ruff(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = layout.pin
    monkeypatch.setattr(
        style, "pin", lambda text: replace(pinned(text), version="0.0.1")
    )
    (problem,) = report(small).problems
    rows = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    assert problem.path == "requirements-dev.txt"
    assert rows[problem.line - 1].startswith("ruff==")
    assert "upstream pins ruff 0.0.1" in problem.message


@pytest.mark.parametrize(
    ("text", "version", "excluded"),
    [
        ("repos:\n- repo: https://h/ruff-pre-commit\n  rev: v0.14.0\n", "0.14.0", None),
        ("- repo: https://h/ruff-pre-commit\n  rev: 1.2.3\n", "1.2.3", None),
        (
            f"- repo: https://h/ruff-pre-commit\n  rev: {'0a' * 20} # v2.0.1\n",
            "2.0.1",
            None,
        ),
        ("exclude: 'vllm/third_party/.*|x/y.*'\nrepos: []\n", None, "x/y/z.py"),
    ],
)
def test_pin_of_ruff(text: str, version: str | None, excluded: str | None) -> None:
    pin = layout.pin(text)
    assert pin.version == version
    assert (pin.exclude is None) == (excluded is None)
    if pin.exclude and excluded:
        assert pin.exclude.search(excluded)
        assert not pin.exclude.search("vllm/config/kernel.py")


def test_paths_that_upstream_excludes(small: Small) -> None:
    hooks = ".pre-commit-config.yaml"
    small.edit(message("x: y"), hooks, "repos:\n", "exclude: 'vllm/third/.*'\nrepos:\n")
    add(small, {"vllm/third/x.py": f"{SPDX}import os\n"})
    # The pin is the released one, so the exclusion is not there yet.
    assert [rule for _, _, rule in found(small)] == [Rule.RUFF]


def test_ruff_that_cannot_run(small: Small) -> None:
    add(small, {"pyproject.toml": "[tool.ruff.lint]\nselect = 1\n"})
    add(small, {"vllm/new.py": f"{SPDX}x = 1\n"})
    with pytest.raises(Unusable, match="ruff cannot run"):
        report(small)


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
    small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout = Checkout(small.root)
    report(small)
    assert main(checkout, upstream_dir=small.upstream_dir) == 0
    out = capsys.readouterr().out
    assert "0002  overlay     3 files  utils: probe for the sm12x kernels\n" in out
    (small.patches / "README.md").unlink()
    assert main(checkout, upstream_dir=small.upstream_dir) == 1
    assert capsys.readouterr().out.startswith("patches/README.md:1: table: ")


def test_main_prints_json(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    checkout = Checkout(small.root)
    assert main(checkout, True, small.upstream_dir) == 1
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
def test_upstream_s_rules_on_the_real_source(small: Small, tmp_path: Path) -> None:
    """The pinned ruff, upstream's selection, and which folders are packages."""
    lock = lockfile.load()
    doc = '"""Doc.\n\n    Args:\n        b: B.\n    """'
    code = f"{SPDX}import os\n\n\ndef f(a):\n    {doc}\n"
    small.commit(
        message("test: plant"),
        {
            "vllm/config/planted.py": f"{SPDX}import os\n\nx = 1\n",
            "vllm/planted/module.py": f"{SPDX}x = 1\n",
            "tests/planted.py": code,
        },
    )
    small.export()
    last = small.names[-1]
    only = tmp_path / "patches"
    only.mkdir()
    name = f"0001{last[4:]}"
    (only / name).write_bytes((small.patches / last).read_bytes())
    (only / "series").write_text(f"{name}\n", encoding="utf-8")
    problems = check(lock, only, reader(lock)).problems
    told = {p.message.split(": ")[0] + " " + p.message.split()[1] for p in problems}
    assert "vllm/config/planted.py:3 F401" in told
    assert "vllm/planted/module.py:1 INP001" in told
    assert "tests/planted.py:3 F401" in told
    assert not any("vllm/config/planted.py:1 INP001" in t for t in told)
    assert not any("D417" in t for t in told)  # upstream leaves it out of tests


@pytest.mark.upstream
def test_the_real_series() -> None:
    lock = lockfile.load()
    result = check(lock, folder.PATCHES, reader(lock))
    assert result.patches
    assert [str(p) for p in result.problems] == []
