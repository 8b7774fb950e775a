# SPDX-License-Identifier: Apache-2.0
"""`make site`: every report read, every page written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scripts.base.files import one_run, write
from scripts.checkout import Checkout
from scripts.selection.cases import DEVICES, OURS
from scripts.series import folder
from scripts.series.table import lanes_on
from scripts.site import page, recorded
from scripts.site.errors import Errors
from scripts.site.evidence import Evidence
from scripts.site.found import Found, Record, State, find
from scripts.site.hardware import Hardware, Hopper
from scripts.site.kernels import Kernels
from scripts.site.matrix import Matrix
from scripts.site.memory import Memory
from scripts.site.port import Carry, Port
from scripts.site.release import Rebuilt, Release
from scripts.site.series import views
from scripts.site.tables import Table
from scripts.upstream import lock as lockfile
from scripts.upstream import sdist_contents

SECTIONS: Mapping[str, tuple[str, type[Any]]] = {
    "matrix": ("make matrix", Matrix),
    "errors": ("make test", Errors),
    "memory": ("make test", Memory),
    "footprint": ("make footprint", Table),
    "engine": ("make engine", Table),
    "cuda": ("make hopper STEP=device", Table),
    "hopper": ("make hopper", Hopper),
    "test-sm12x": ("make test-sm12x", Hardware),
    "bench-sm12x": ("make bench-sm12x", Hardware),
    "kernels": ("make kernels", Kernels),
    "evidence": ("make evidence", Evidence),
    "port": ("make port TO=X.Y.Z", Port),
    "port-dry-run": ("make port TO=X.Y.Z DRY_RUN=1", Port),
    "carry-matrix": ("make carry-matrix", Carry),
    "release": ("make release", Release),
    "reproduce": ("make reproduce WHEEL=...", Rebuilt),
}
"""By report, the command that writes it and what its data has to fit."""

RECORDS: Mapping[str, Callable[[], Record]] = {
    "matrix": recorded.of_matrix,
    "footprint": recorded.of_footprint,
    "cuda": recorded.of_cuda,
    "hopper": recorded.of_hopper,
}
"""By report, what is shown of the repository until the command was run."""


@dataclass(frozen=True)
class Made:
    """What `make site` wrote."""

    index: Path
    pages: int
    reports: tuple[Found[Any], ...]

    @property
    def broken(self) -> list[Found[Any]]:
        """Reports that are there and cannot be read."""
        return [found for found in self.reports if found.state is State.BROKEN]


def build(at: Checkout) -> Made:
    """Write `build/site/` of a checkout.

    The pages follow from `patches/`, the lock, the reports and the repository's
    records, and from nothing else: the same ones give the same bytes.

    Raises:
        Finding: A patch is not in the canonical form.
        Unusable: The lock or the series cannot be read, or nothing be written.
    """
    lock = lockfile.load(at.lock)
    patches = folder.load(at.patches)
    series = views(patches, lanes_on(patches, partial(sdist_contents.read, lock.sdist)))
    found = {
        name: find(at, lock.patched_tree, name, make, kind, RECORDS.get(name))
        for name, (make, kind) in SECTIONS.items()
    }
    ours = {capability: DEVICES[capability] for capability in OURS}
    out = at.build / "site"
    files = page.render(lock, series, found, ours)
    files |= {
        f"patches/{patch.name}": (at.patches / patch.name).read_bytes()
        for patch in patches
    }
    with one_run(at.build / ".site.lock", "make site", wait=True):
        for name, data in files.items():
            write(out / name, data)
        # A patch that went leaves no page behind.
        for old in (out / "patches").glob("*"):
            if f"patches/{old.name}" not in files:
                old.unlink()
    return Made(out / "index.html", len(series) + 1, tuple(found.values()))
