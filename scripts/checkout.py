# SPDX-License-Identifier: Apache-2.0
"""Where things lie in a checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts import ROOT


@dataclass(frozen=True)
class Checkout:
    """The folders of one checkout; tests make small ones."""

    root: Path = ROOT

    @property
    def lock(self) -> Path:
        return self.root / "upstream.lock"

    @property
    def patches(self) -> Path:
        return self.root / "patches"

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def run_lock(self) -> Path:
        """Held by whatever writes to `build/vllm` or `patches/`."""
        return self.build / ".apply.lock"
