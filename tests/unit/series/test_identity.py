# SPDX-License-Identifier: Apache-2.0
"""Which change of a series makes a record another series'."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.checkout import Checkout
from scripts.in_vllm.hopper_cases import TESTS
from scripts.series import folder
from scripts.series.identity import here, identity
from scripts.series.mailbox import Patch
from scripts.upstream import lock as lockfile

LOCK = lockfile.load()
PATCHES = folder.load()
TESTED = next(iter(TESTS))
OTHER = "tests/kernels/moe/test_flashinfer_cutedsl_sm12x_moe_cpu.py"
HELPER = "tests/kernels/moe/flashinfer_cutedsl_sm12x_utils.py"
CODE = "vllm/utils/flashinfer.py"
PAGE = "docs/features/quantization/b12x.md"


def edited(path: str) -> list[Patch]:
    """The series with other bytes at the end in one of its files."""
    found = [n for n, p in enumerate(PATCHES) if path in {c.path for c in p.files}]
    patch = PATCHES[found[-1]]
    files = tuple(
        replace(change, new_blob="e" * 40) if change.path == path else change
        for change in patch.files
    )
    made = list(PATCHES)
    made[found[-1]] = replace(patch, files=files)
    return made


@pytest.mark.parametrize(
    ("path", "code", "tested"),
    [
        (CODE, True, True),
        (TESTED, False, True),
        (HELPER, False, True),
        (OTHER, False, False),
        (PAGE, False, False),
    ],
)
def test_what_does_not_run_is_not_looked_at(
    path: str, code: bool, tested: bool
) -> None:
    lock = replace(LOCK, patched_tree="f" * 40)
    for tests, differs in (((), code), (TESTS, tested)):
        was, now = identity(LOCK, PATCHES, tests), identity(lock, edited(path), tests)
        assert now.same(was) is not differs


def test_upstreams_tree_counts() -> None:
    assert not identity(replace(LOCK, tree="0" * 40, patched_tree=""), PATCHES).same(
        identity(LOCK, PATCHES)
    )


def test_the_series_that_is_here_is_itself() -> None:
    assert here(Checkout(), TESTS) == identity(LOCK, PATCHES, TESTS)
    assert {*TESTS} <= {c.path for p in PATCHES for c in p.files}
