# SPDX-License-Identifier: Apache-2.0
"""What a target found is kept, and says on what it was found."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scripts import reports
from scripts.checkout import Checkout
from scripts.errors import Unusable
from tests.scripts.small import Small


def test_what_was_written_is_read(small: Small) -> None:
    at = Checkout(small.root)
    assert reports.read(at, "kernels") is None
    written = reports.write(at, "kernels", {"compiled": 80})
    assert reports.read(at, "kernels") == written
    assert written.data == {"compiled": 80}
    assert (written.version, written.tree) == (
        small.lock.version,
        small.lock.patched_tree,
    )
    made = datetime.fromisoformat(written.made)
    assert abs((datetime.now(UTC) - made).total_seconds()) < 3600
    assert reports.read(at, "matrix") is None


def test_another_schema_is_refused(small: Small) -> None:
    at = Checkout(small.root)
    reports.write(at, "port", {})
    path = at.build / "reports" / "port.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(Unusable, match="schema 2"):
        reports.read(at, "port")
