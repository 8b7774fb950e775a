# SPDX-License-Identifier: Apache-2.0
"""The real engine on a CPU, from load to weight reload; `make engine` does the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine import jobs, table

pytestmark = [pytest.mark.upstream, pytest.mark.slow]

# What the CPU engine stops, by its own lines. Each is a claim of inside/*.py too: where
# the line does not stop it any more, its row fails.
STOPPED = {
    "warm-up by the worker itself",
    "sleep and wake",
    "enable_sleep_mode",
    "update_weights",
}


def test_steps(
    patched_tree: Path,
    tmp_path: Path,
    subtests: pytest.Subtests,
    record_property: Callable[[str, object], None],
) -> None:
    found = table.rows(jobs.run(jobs.STEPS, patched_tree, tmp_path))
    record_property("table", table.render({"steps": found}))
    assert {row[0] for row in found if row[3] == table.NOT_RUN} == STOPPED
    assert len(found) > len(STOPPED) + 12
    for step, expected, seen, verdict in found:
        with subtests.test(step):
            if verdict == table.NOT_RUN:
                pytest.skip(seen)
            assert verdict == table.HOLDS, f"expected {expected}, found {seen}"
