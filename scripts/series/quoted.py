# SPDX-License-Identifier: Apache-2.0
"""Text of a message that `patch` would take for a diff.

git reads a patch from its first `diff --git`. The tools of distributions run GNU
patch, which looks at every line of the mail: a diff quoted in the message is then
applied too, or stops the build. It looks behind blanks, tabs and X at the start of
a line and behind the dashes of RFC 934, and knows unified, context, normal and ed
diffs (intuit_diff_type in its pch.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

CANONICAL = re.compile(rb"^diff --git ", re.MULTILINE)
"""Where the diffs of a patch of ours begin."""
LOOSE = re.compile(rb"^(?:diff |--- |Index: )", re.MULTILINE)
"""Where those of a distribution's patch may, as `git apply` reads it."""
_INDENT = re.compile(rb"^[ \tX]*(?:- )*")
_START = re.compile(
    rb"--- |\+\+\+ |\*\*\* |\*{8}|@@ -|diff --git |"
    rb"Index:|Prereq:|deleted file mode |new file mode |"
    rb"(?:old|new) mode |(?:copy|rename) (?:from|to) |GIT binary patch"
)
_COMMAND = re.compile(rb"\d[\d,]*[acd][\d,]*\s*$")


def diffs(
    data: bytes, start: re.Pattern[bytes] = CANONICAL
) -> Iterator[tuple[int, bytes]]:
    r"""Lines above the first real diff that `patch` takes for part of one.

    >>> list(diffs(b"Subject: x\n\n  5c5\n  < a\n  ---\n  > b\n\ndiff --git a/x b/x\n"))
    [(3, b'5c5')]
    >>> list(diffs(b"Why - and --- how.\n\n5a is a step.\n\ndiff --git a/x b/x\n"))
    []

    Args:
        data: The patch.
        start: Where its first real diff begins.

    Yields:
        Line from 1, and its text without the indent.
    """
    first = start.search(data)
    rows = data[: first.start() if first else len(data)].split(b"\n")
    texts = [_INDENT.sub(b"", row, count=1) for row in rows]
    for at, text in enumerate(texts):
        if _START.match(text) or (_COMMAND.match(text) and _goes_on(texts[at + 1 :])):
            yield at + 1, text


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    r"""The first line of each diff that `diffs` finds parts of.

    One that is indented ends where a line is less so, one at the margin at a blank
    line.

    >>> quoted = b"Why.\n\n --- a\n +++ b\n\n @@ -1,2 +1 @@\nSo.\n--- c\n+++ d\n"
    >>> list(blocks(quoted))
    [(3, b'--- a'), (8, b'--- c')]
    """
    rows = data.split(b"\n")
    before, indent = 0, b""
    for at, text in diffs(data):
        found = rows[before:at]
        if indent:
            goes_on = all(not row or row.startswith(indent) for row in found)
        else:
            goes_on = before > 0 and all(found)
        if not goes_on:
            row = rows[at - 1]
            indent = row[: len(row) - len(text)]
            yield at, text
        before = at


def _goes_on(rest: list[bytes]) -> bool:
    """Whether a line such as `5c5` begins a normal diff, or an ed script."""
    return b"." in rest or any(row.startswith((b"< ", b"> ")) for row in rest[:1])
