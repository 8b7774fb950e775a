# SPDX-License-Identifier: Apache-2.0
"""The overlay wheel of the small series."""

from __future__ import annotations

from pathlib import Path

from scripts.series import folder
from scripts.wheel import overlay
from tests.unit.small import Small
from tests.unit.small_wheel import NAME


def make(small: Small, out: Path) -> Path:
    """Build with the series as it is now."""
    return overlay.build(
        small.lock,
        folder.load(small.patches),
        small.upstream_dir / NAME,
        out,
        sdist=lambda: small.sdist,
    )
