# SPDX-License-Identifier: Apache-2.0
"""What holds after each patch: named tests, blobs, trees, syntax."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.series.check import Rule, check
from tests.unit.series.check.planted import (
    KERNEL,
    add,
    at,
    found,
    renew_table,
    tamper,
    text_of,
)
from tests.unit.small import Small, message
from tests.unit.small_files import SPDX


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
    problems = check(wrong, small.patches, small.read).problems
    assert [(p.path, p.rule) for p in problems] == [("upstream.lock", Rule.TREE)]
    assert other in problems[0].message


def test_every_prefix_compiles(small: Small) -> None:
    """The series as a whole does; its prefix up to 0004 does not."""
    broken = "    def is_auto(self) -> bool\n"
    small.edit(
        message("config: break"), KERNEL, "    def is_auto(self) -> bool:\n", broken
    )
    small.edit(
        message("config: fix"), KERNEL, broken, "    def is_auto(self) -> bool:\n"
    )
    small.export()
    assert found(small) == [at(small, 4, f"+{broken[:-1]}", Rule.SYNTAX)]
