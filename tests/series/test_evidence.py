# SPDX-License-Identifier: Apache-2.0
"""Every patch earns its place, and upstream's own tests end as they did.

The same sessions as `make evidence`, by the same code; what that has run is not run
again here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.checkout import Checkout
from scripts.evidence.harmless import import_changes, upstream_tests
from scripts.evidence.leave import leave_each_out
from scripts.evidence.mutants import cover_map, ground_of
from scripts.evidence.stand import Stand
from scripts.series import folder

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def stand(
    checkout: Checkout, patched_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Stand:
    """The series on the real upstream."""
    patches = tuple(folder.load(checkout.patches))
    return Stand(patches, patched_tree, tmp_path_factory.mktemp("evidence"))


def test_each_patch_is_needed_and_no_stranger_needs_it(
    stand: Stand, record_property: Callable[[str, object], None]
) -> None:
    cover = cover_map(ground_of(stand))
    found = leave_each_out(stand, cover)
    assert [problem for each in found for problem in each.problems] == []
    record_property(
        "table",
        f"{len(found)} patches left out one by one: {sum(len(e.tests) for e in found)} "
        f"tests that they name fail, {sum(e.asked for e in found)} of others end alike",
    )


def test_upstreams_own_tests_end_as_without_the_series(
    stand: Stand, record_property: Callable[[str, object], None]
) -> None:
    found = upstream_tests(stand)
    record_property(
        "table",
        f"Upstream's own tests, {sum(found.counts.values())} in {len(found.files)} "
        f"files, end alike with and without the series: {dict(found.counts)}",
    )
    assert found.changed == {}


def test_an_import_imports_what_it_did(stand: Stand) -> None:
    assert import_changes(stand) == []
