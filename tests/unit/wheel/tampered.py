# SPDX-License-Identifier: Apache-2.0
"""A built wheel to tamper with, and what is found in the altered copy."""

from __future__ import annotations

import zipfile
from pathlib import Path

from scripts.series import folder
from scripts.upstream.lock import Lock
from scripts.wheel import overlay
from scripts.wheel.report import Report, What
from scripts.wheel.verify import verify
from tests.unit.small import Small
from tests.unit.small_wheel import BUILT, LOCAL, add_wheel, record, rewrite

Files = dict[str, bytes]


class Case:
    """A built wheel and the means to look at an altered copy of it."""

    def __init__(self, small: Small, folder_: Path) -> None:
        self.small = small
        self.base = add_wheel(small)
        self.wheel = overlay.build(
            small.lock,
            folder.load(small.patches),
            self.base,
            folder_ / "built",
            sdist=lambda: small.sdist,
        )
        self.copy = folder_ / "copy" / BUILT
        self.copy.parent.mkdir()

    def look(self, wheel: Path, lock: Lock | None = None) -> Report:
        return verify(
            wheel,
            lock or self.small.lock,
            folder.load(self.small.patches),
            self.base,
            self.small.sdist,
        )

    def files(self) -> Files:
        with zipfile.ZipFile(self.wheel) as z:
            return {n: z.read(n) for n in z.namelist() if not n.endswith("/RECORD")}

    def alter(self, change: dict[str, bytes | None], honest: bool = True) -> Report:
        """Change members; with `honest`, RECORD follows."""
        if honest:
            files = {**self.files(), **change}
            kept = {n: d for n, d in files.items() if d is not None}
            change = {**change, f"{LOCAL}/RECORD": record(kept, LOCAL)}
        return self.look(rewrite(self.wheel, change, self.copy))


def kinds(report: Report) -> set[What]:
    """What was found."""
    return {d.what for d in report.differences}


def found(report: Report, what: What, member: str) -> bool:
    """Whether a difference of this kind names this member."""
    return any(d.what is what and member in d.member for d in report.differences)
