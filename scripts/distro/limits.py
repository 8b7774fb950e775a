# SPDX-License-Identifier: Apache-2.0
"""What a distribution's tool cannot carry, found by running it.

tests/unit/distro/test_formats.py runs each tool on each kind of change, so
that a limit that went away is noticed too.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from scripts.base.errors import Finding
from scripts.distro.bundle import Bundle, Change
from scripts.series import quoted
from scripts.upstream.sdist import EXECUTABLE, FILE


class Kind(Enum):
    """A change that not every tool makes."""

    EMPTY_NEW = "creates an empty file"
    """dpkg-source runs `patch -E`, which removes it again."""
    EMPTY_GONE = "deletes an empty file"
    """`quilt pop` does not bring it back; rattler-build leaves it."""
    MODE = "makes a file executable, or takes that away"
    """rattler-build writes content only."""
    CRLF = "has lines that end with a carriage return"
    """rattler-build ends them without."""
    LINK = "is a symbolic link"
    """No archive of ours holds one, see `scripts.upstream.sdist`."""


def kinds(change: Change) -> set[Kind]:
    """Which of them one change is."""
    before, after = change.before, change.after
    found = set()
    if before is None and after is not None and not after.data:
        found.add(Kind.EMPTY_NEW)
    if after is None and before is not None and not before.data:
        found.add(Kind.EMPTY_GONE)
    if any(side is not None and b"\r\n" in side.data for side in (before, after)):
        found.add(Kind.CRLF)
    if after is not None:
        if after.mode not in (FILE, EXECUTABLE):
            found.add(Kind.LINK)
        elif after.mode != (before.mode if before else FILE):
            found.add(Kind.MODE)
    return found


def require(bundle: Bundle, tool: str, cannot: Collection[Kind]) -> None:
    """Refuse what the tool would lose, or do beside it, without a word.

    Raises:
        Finding: There is such a change, or a message that `patch` would apply;
            the error names every one.
    """
    _require_words(bundle)
    lost = [
        (f"{item.name} ({change.path})", kind)
        for item in bundle.items
        for change in item.changes
        for kind in Kind
        if kind in kinds(change) and kind in {*cannot, Kind.LINK}
    ]
    if lost:
        raise Finding(
            f"{tool} cannot carry this",
            where="\n".join(where for where, _ in lost),
            expected="changes that it makes as git does",
            found="\n".join(dict.fromkeys(kind.value for _, kind in lost)),
            next="give the file a line, or a mode in the packaging; make sdist "
            "carries everything",
        )


def _require_words(bundle: Bundle) -> None:
    taken = [
        (f"{item.name}:{at}", text.decode("utf-8", "replace"))
        for item in bundle.items
        for at, text in quoted.diffs(
            item.data, quoted.CANONICAL if item.patch else quoted.LOOSE
        )
    ]
    if taken:
        raise Finding(
            "patch would take a part of a message for a diff, and apply it or stop",
            where="\n".join(where for where, _ in taken),
            expected="messages without diffs, indented ones too",
            found="\n".join(text for _, text in taken),
            next="reword the message: git rebase -i refs/sm12x/base in build/vllm, "
            "then make export; of your own patches, edit the text above the diff",
        )
