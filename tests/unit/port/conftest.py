# SPDX-License-Identifier: Apache-2.0
"""The hand-made upstream, for the port too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.conftest import small, small_template
from tests.unit.small import Small

__all__ = ["machine", "small", "small_template"]


@pytest.fixture
def machine(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and a cache of its own."""
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
