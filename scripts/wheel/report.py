# SPDX-License-Identifier: Apache-2.0
"""What a verification found, apart from how it is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class What(Enum):
    """A kind of difference; the value is the word that is printed."""

    NAME = "name"
    """The file name is not the one that the lock gives."""
    TREE = "tree"
    """The sdist with or without the series is another tree than the lock's."""
    FORM = "form"
    """Order, date, mode or compression of a member, or how it is damaged."""
    EXTRA = "extra"
    """A member that neither upstream nor the series put there."""
    MISSING = "missing"
    """A member of upstream or of the series that is not there."""
    COMPILED = "compiled"
    """A compiled file that is not upstream's."""
    UPSTREAM = "upstream"
    """Another member, untouched by the series, that is not upstream's."""
    PATCHED = "patched"
    """A member that is not what the patched tree has."""
    RECORD = "record"
    """RECORD does not tell the truth about a member."""
    METADATA = "metadata"
    """METADATA or _version.py differ in more than the version and the notice."""
    SBOM = "sbom"
    """The bill of materials does not name exactly the inputs."""
    NOTICE = "notice"
    """The notice of modification leaves something out."""
    PROVENANCE = "provenance"
    """The statement beside the file says something else than lock and series."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the lock and the series say."""

    what: What
    member: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.what.value}: {self.member}: "
            f"expected {self.expected}, found {self.found}"
        )


@dataclass(frozen=True)
class Report:
    """The answer for one wheel."""

    wheel: str
    differences: tuple[Difference, ...]
    members: int
    untouched: int
    """Members whose bytes are upstream's."""
    compiled: int
    """Compiled files among them."""
    patched: int
    """Members that the series changes or adds."""
    removed: int
    """Members of upstream that the series removes."""
    provenance: str = ""
    """What was found beside the wheel, one line; empty if nobody looked."""

    @property
    def ok(self) -> bool:
        return not self.differences

    def __str__(self) -> str:
        beside = [self.provenance] if self.provenance else []
        if self.ok:
            first = (
                f"ok: {self.wheel}: {self.members:,} members, {self.untouched:,} of "
                f"upstream untouched ({self.compiled} compiled), {self.patched} as in "
                f"the patched tree, {self.removed} removed; RECORD right for all"
            )
            return "\n".join([first, *beside])
        lines = [str(d) for d in self.differences]
        last = f"not ok: {self.wheel}: {len(lines)} difference(s)"
        return "\n".join([*lines, *beside, last])
