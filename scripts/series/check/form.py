# SPDX-License-Identifier: Apache-2.0
"""The bytes of one patch file, its header and its message."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.series import quoted
from scripts.series.check.problem import Problem, Rule, printable
from scripts.series.mailbox import Patch
from scripts.series.trailers import GRAMMAR, MISSING, description, faults, read

WIDTH = 72
"""Characters of a subject or of a line of the body."""

NO_END = "no newline at the end"
_ENDS_MESSAGE = re.compile(r"---(?=$| )|diff -|Index: |From [0-9a-f]{40} |-- $")
"""Where `git am` stops to read the message, or a mail its text."""


def check_bytes(where: str, data: bytes) -> Iterator[Problem]:
    """What can be said of the file without reading it as a patch.

    Only the message must be UTF-8: a hunk carries whatever its file holds.
    """
    if data.startswith(b"\xef\xbb\xbf"):
        yield Problem(where, 1, Rule.BYTES, "begins with a byte order mark")
    if not data.endswith(b"\n"):
        yield Problem(where, data.count(b"\n") + 1, Rule.BYTES, NO_END)
    lines = data.split(b"\n")
    end = next(
        (i for i, line in enumerate(lines) if line.startswith(b"diff --git ")),
        len(lines),
    )
    for number, line in enumerate(lines, 1):
        text = number <= end or not line.startswith((b"+", b"-", b" ", b"\\"))
        if text and line.endswith(b"\r"):
            yield Problem(where, number, Rule.BYTES, "CRLF at the end of the line")
            break
    for number, line in enumerate(lines[:end], 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            yield Problem(where, number, Rule.BYTES, "is not UTF-8")


def check_header(where: str, data: bytes) -> Iterator[Problem]:
    """The lines above the message."""
    first = data.split(b"\n", 1)[0]
    if re.match(rb"From [0-9a-f]{40} ", first) and not first.startswith(
        b"From " + b"0" * 40
    ):
        yield Problem(
            where, 1, Rule.HEADER, "a commit id; the canonical form has zeros"
        )


def body_line(patch: Patch, data: bytes) -> int:
    """Line of the patch file where `Patch.body` begins, from 1."""
    rows = data.split(b"\n")
    first = patch.body_at
    while first < len(rows) and not rows[first - 1]:
        first += 1
    return first


def check_message(patch: Patch, data: bytes) -> Iterator[Problem]:
    """Subject, body and trailers."""
    where = f"patches/{patch.name}"
    rows = data.split(b"\n")
    at = next(i for i, row in enumerate(rows, 1) if row.startswith(b"Subject:"))
    subject = patch.subject
    if len(subject) > WIDTH:
        long = f"{len(subject)} characters, more than {WIDTH}"
        yield Problem(where, at, Rule.SUBJECT, long)
    if subject.endswith("."):
        yield Problem(where, at, Rule.SUBJECT, "ends with a full stop")
    first = body_line(patch, data)
    found = read(patch.body)
    trailers_at = found[0].line if found else None
    ended, wide = -1, -1
    for number, line in enumerate(patch.body.split("\n"), 1):
        here = first + number - 1
        if ended < 0 and _ENDS_MESSAGE.match(line):
            ended = here
            said = f"git am ends the message at {printable(line)}"
            yield Problem(where, here, Rule.BODY, said)
        if line != line.rstrip():
            yield Problem(where, here, Rule.BODY, "white space at the end of the line")
        trailer = trailers_at is not None and number >= trailers_at
        # A word of its own, such as an address, cannot be wrapped.
        if len(line) > WIDTH and " " in line.strip(" *->") and not trailer:
            # A paragraph that was not wrapped is one mistake.
            if wide != here - 1:
                long = f"{len(line)} characters, more than {WIDTH}"
                yield Problem(where, here, Rule.BODY, long)
            wide = here
    for here, text in quoted.blocks(data):
        if here == ended:
            continue
        shown = printable(text.decode("utf-8", "replace"))
        yield Problem(where, here, Rule.BODY, f"patch takes this for a diff: {shown}")
    if not description(patch.body):
        yield Problem(
            where, first, Rule.DESCRIPTION, "no paragraph says what it gives and why"
        )
    wrong = list(faults(patch.body))
    missing = [fault for fault in wrong if fault.what == MISSING]
    if len(missing) > 1:
        keys = ", ".join(fault.key for fault in missing)
        at = first + missing[0].line - 1
        yield Problem(where, at, Rule.TRAILER, f"{keys}: {MISSING}s; see {GRAMMAR}")
        wrong = [fault for fault in wrong if fault.what != MISSING]
    for fault in wrong:
        yield Problem(
            where,
            first + fault.line - 1,
            Rule.TRAILER,
            f"{fault.key}: {fault.what}; expected {fault.expected}",
        )
