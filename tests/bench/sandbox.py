# SPDX-License-Identifier: Apache-2.0
"""A checkout of its own in a temporary folder, with what the jobs share."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.upstream import lock as lockfile
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Lock
from scripts.wheel.overlay import build
from tests.bench.measure import Spent, child

_NEEDS = 8 * 10**9  # bytes; two environments with vLLM, a wheel unpacked and packed
ARCH = "x86_64"
"""Of the wheel; one that is laid over is not run, so any machine may."""


@dataclass(frozen=True)
class Sandbox:
    """Temporary folder `root`; the tools run from a copy in `root/checkout`.

    `dist/` and `build/` of the real checkout are neither read nor written.
    """

    root: Path
    rounds: int
    full: bool
    """Repeat the slow sides as often as the others."""
    tips: set[str] = field(default_factory=set)
    """Commits that cold applies of either side ended with."""

    @cached_property
    def checkout(self) -> Checkout:
        home = self.root / "checkout"
        home.mkdir()
        # copytree keeps times, so byte code that is there stays good.
        shutil.copytree(ROOT / "scripts", home / "scripts")
        shutil.copytree(ROOT / "patches", home / "patches")
        shutil.copy2(ROOT / "upstream.lock", home)
        return Checkout(home)

    @cached_property
    def lock(self) -> Lock:
        return lockfile.load(self.checkout.lock)

    @cached_property
    def patches(self) -> list[Patch]:
        return folder.load(self.checkout.patches)

    @cached_property
    def base_wheel(self) -> Path:
        """Upstream's wheel, verified."""
        return obtain(self.lock.wheel(ARCH))

    @cached_property
    def sdist(self) -> Path:
        return obtain(self.lock.sdist)

    @cached_property
    def wheel(self) -> Path:
        """The overlay wheel."""
        out = self.root / "made"
        return build(
            self.lock, self.patches, self.base_wheel, out, sdist=lambda: self.sdist
        )

    def verb(self, *args: str | Path, memory: bool = False) -> Spent:
        """`python -m scripts` with `args`, as a user's shell starts it."""
        command = [sys.executable, "-m", "scripts", *args]
        return child(command, self.checkout.root, memory=memory)


def require_room(path: Path) -> None:
    """Refuse a temporary folder that is too small.

    Raises:
        Unusable: It is.
    """
    free = shutil.disk_usage(path).free
    if free < _NEEDS:
        raise Unusable(
            "the temporary folder is too small for the bench",
            where=str(path),
            expected=f"{_NEEDS:,} bytes free",
            found=f"{free:,} bytes",
            next="TMPDIR=/somewhere/larger make bench",
        )
