# SPDX-License-Identifier: Apache-2.0
"""What a verification found, apart from how it is looked for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum

_SHOWN, _WIDTH = 5, 140
"""How many differences, and how wide a line, of an answer."""


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


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the lock and the series say."""

    what: What
    member: str
    expected: str
    found: str

    @property
    def file(self) -> str:
        """The member without the line or the part of it.

        >>> Difference(What.RECORD, "a/RECORD:12 (b.py)", "", "").file
        'a/RECORD'
        """
        return re.sub(r"(:\d+)?( \(.*\))?$", "", self.member)

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
    kind: str = ""
    """What kind of wheel this is, in words."""
    next: str = ""
    """What to do with one that differs."""

    @property
    def ok(self) -> bool:
        return not self.differences

    @property
    def whole(self) -> str:
        """Every difference, a line each."""
        return "".join(f"{d}\n" for d in self.differences)

    def __str__(self) -> str:
        """The kind, how much differs, the first difference of each of five files."""
        if self.ok:
            return (
                f"ok: {self.wheel}: {self.members:,} members, {self.untouched:,} of "
                f"upstream untouched ({self.compiled} compiled), {self.patched} as in "
                f"the patched tree, {self.removed} removed; RECORD right for all"
            )
        files = list(dict.fromkeys(d.file for d in self.differences))
        kinds = Counter(d.what.value for d in self.differences)
        counted = ", ".join(f"{count} {what}" for what, count in kinds.most_common())
        lines = [
            f"not ok: {self.wheel}: {self.kind}",
            f"{len(self.differences)} differences in {len(files)} places: {counted}",
            *(f"  {_cut(str(d))}" for d in self._first(files)),
        ]
        if len(files) > _SHOWN:
            lines[-1] += f"; {len(files) - _SHOWN} more places"
        return "\n".join([*lines, f"next: {self.next}"])

    def _first(self, files: list[str]) -> list[Difference]:
        """One of each file as far as they go, then more of them, file by file."""
        seen: Counter[str] = Counter()
        place = {file: number for number, file in enumerate(files)}
        ranked = []
        for each in self.differences:
            ranked.append((seen[each.file], place[each.file], each))
            seen[each.file] += 1
        chosen = sorted(ranked, key=lambda r: r[:2])[:_SHOWN]
        return [each for _, _, each in sorted(chosen, key=lambda r: (r[1], r[0]))]


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."
