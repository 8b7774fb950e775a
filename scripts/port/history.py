# SPDX-License-Identifier: Apache-2.0
"""Our own change in upstream's history: landed, then reverted or fixed again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.port.absorbed import has
from scripts.port.merge.symbols import symbols
from scripts.port.report.states import PatchResult
from scripts.series.alerts import Alert, Red
from scripts.series.mailbox import Patch
from scripts.series.trailers import trailers

LIMIT = 400
"""Most commits of a history that are looked at."""


@dataclass(frozen=True)
class Moment:
    """Upstream at one time between the two trees."""

    name: str
    """A release, or a commit and its subject."""
    files: Mapping[str, Entry]
    """Of the paths that the series touches."""


def alerts(results: Iterable[PatchResult], moments: Sequence[Moment]) -> list[Alert]:
    """Changes that some moment had and the last one has no longer, or otherwise.

    Args:
        results: What became of the series.
        moments: Upstream from the pin, which is left out, to the target, which
            is the last; in order of time.
    """
    found = []
    for patch in results:
        for part in patch.files:
            if part.patched is None or part.base is None:
                continue
            base, patched = part.base.data, part.patched.data
            landed: dict[str, str] = {}
            undone: dict[str, tuple[Red, str]] = {}
            for moment in moments:
                entry = moment.files.get(part.target)
                data = entry.data if entry else None
                here = has(part.path, base, patched, data)
                for symbol in here:
                    landed.setdefault(symbol, moment.name)
                    undone.pop(symbol, None)
                for symbol in landed.keys() - here - undone.keys():
                    kind = _how(part.path, symbol, base, data)
                    undone[symbol] = (kind, moment.name)
            for symbol, (kind, when) in sorted(undone.items()):
                found.append(
                    Alert(kind, patch.name, part.path, symbol, landed[symbol], when)
                )
    return found


def _how(path: str, symbol: str, base: bytes, now: bytes | None) -> Red:
    """Reverted where the symbol is as before our change, else changed again."""
    was, here = symbols(path, base).get(symbol), symbols(path, now).get(symbol)
    return Red.REVERTED if was == here else Red.FIXED_AGAIN


def commits(git: Git, start: str, end: str, paths: Sequence[str]) -> list[Moment]:
    """Upstream's commits between two that touch any of the paths.

    Raises:
        Finding: git failed.
    """
    log = git.text(
        "log", "--reverse", "--format=%H %s", f"{start}..{end}", "--", *paths
    )
    found = []
    with git.blobs() as blobs:
        for row in log.splitlines()[-LIMIT:]:
            commit, _, subject = row.partition(" ")
            files = {}
            for path in paths:
                data = blobs.read(f"{commit}:{path}")
                if data is not None:
                    files[path] = Entry(0o100644, data)
            found.append(Moment(f"{commit[:12]} {subject}", files))
    return found


def named(git: Git, start: str, end: str, patches: Iterable[Patch]) -> Iterator[Alert]:
    """Commits that say they revert what a patch names in its trailers.

    Raises:
        Finding: git failed.
    """
    log = git.text("log", "--format=%H%x00%s%x00%b%x01", f"{start}..{end}")
    reverts = []
    for row in log.split("\x01"):
        parts = row.strip("\n").split("\0")
        if len(parts) == 3 and re.search(r"\brevert", parts[1] + parts[2], re.I):
            reverts.append(parts)
    for patch in patches:
        said = trailers(patch.body)
        values = [*said.get("Origin", []), *said.get("Upstream-PR", [])]
        for ref in {m for v in values for m in re.findall(r"#\d+|@[0-9a-f]{7,40}", v)}:
            pattern = re.compile(re.escape(ref.lstrip("@")) + r"(?!\d)")
            for commit, subject, body in reverts:
                if pattern.search(subject) or pattern.search(body):
                    yield Alert(
                        Red.REVERTED,
                        patch.name,
                        "",
                        f"named {ref.lstrip('@')}",
                        "before",
                        f"{commit[:12]} {subject}",
                    )
