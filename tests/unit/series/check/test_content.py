# SPDX-License-Identifier: Apache-2.0
"""What a patch adds: white space, SPDX headers, foreign licences."""

from __future__ import annotations

import pytest

from scripts.series.check import Rule
from tests.unit.series.check.planted import add, at, found
from tests.unit.small import Small, message
from tests.unit.small_files import SPDX


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
