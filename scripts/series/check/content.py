# SPDX-License-Identifier: Apache-2.0
"""What a patch adds: white space, licence headers, foreign licences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from scripts.series.check.places import added
from scripts.series.check.problem import Problem, Rule, printable
from scripts.series.mailbox import FilePatch, Patch

LICENCE = "SPDX-License-Identifier: Apache-2.0"
HOLDER = "SPDX-FileCopyrightText: Copyright contributors to the vLLM project"
"""Upstream's two lines (its tools/pre_commit/check_spdx_header.py)."""

COMMENT = dict.fromkeys((".py", ".pyi", ".sh", ".cmake"), "#") | dict.fromkeys(
    (".cu", ".cuh", ".cpp", ".cc", ".c", ".h", ".hpp", ".rs", ".proto"), "//"
)
"""How a line of comment begins, by suffix."""

_MARKER = re.compile(rb"(?:<{7}|>{7}|\|{7})(?: |$)|={7}$")
_SPDX = re.compile(rb"SPDX-License-Identifier:[ \t]*([^\r\n*\"']+)")
_COPYRIGHT = re.compile(
    rb"(?:\bCopyright\b.*(?:\(c\)|\xc2\xa9|\b(?:19|20)\d\d\b)"
    rb"|SPDX-FileCopyrightText:|\(c\) (?:19|20)\d\d\b|\xc2\xa9)",
    re.IGNORECASE,
)
_LICENCE_TEXT = re.compile(
    rb"Permission is hereby granted, free of charge"
    rb"|Redistribution and use in source and binary forms"
    rb"|GNU (?:Lesser |Affero )?General Public License"
    rb"|NVIDIA (?:Software|Proprietary)"
    rb"|All rights reserved",
    re.IGNORECASE,
)


def check(patch: Patch) -> Iterator[Problem]:
    """Every rule of this module, over every file of a patch."""
    where = f"patches/{patch.name}"
    for change in patch.files:
        yield from _whitespace(where, change)
        yield from _licences(where, change)
        if change.old_mode is None:
            yield from _header(where, change)


CR, CONFLICT = "carriage return at the end of the line", "conflict marker"
WHOLE = {CR, CONFLICT}
"""Said once a file: what an editor or a merge did to all of it."""


def _whitespace(where: str, change: FilePatch) -> Iterator[Problem]:
    said: set[str] = set()
    for line in added(change):
        text = line.text
        faults = (
            (text.endswith(b"\r"), CR),
            (text.rstrip(b"\r")[-1:] in (b" ", b"\t"), "white space at the end"),
            (re.match(rb"\t* +\t", text), "space before a tab in the indent"),
            (_MARKER.match(text), CONFLICT),
            (not line.ends, "no newline at the end of the file"),
        )
        for fault, what in faults:
            if fault and what not in said:
                said |= {what} & WHOLE
                yield Problem(where, line.at, Rule.WHITESPACE, f"{change.path}: {what}")


def _licences(where: str, change: FilePatch) -> Iterator[Problem]:
    for line in added(change):
        spdx = _SPDX.search(line.text)
        other = spdx and spdx[1].strip() != b"Apache-2.0"
        holder = (
            _COPYRIGHT.search(line.text)
            and b"contributors to the vLLM project" not in line.text
        )
        if other or holder or _LICENCE_TEXT.search(line.text):
            text = printable(line.text.decode("utf-8", "replace").strip())
            yield Problem(
                where, line.at, Rule.LICENCE, f"{change.path}: adds {text[:120]!r}"
            )
            return  # the next line is of the same notice


def _header(where: str, change: FilePatch) -> Iterator[Problem]:
    comment = COMMENT.get(PurePosixPath(change.path).suffix)
    if comment is None or not change.hunks:  # an empty file needs none
        return
    lines = list(added(change))
    if lines[0].text.startswith(b"#!"):
        lines = lines[1:]
    for number, expected in enumerate((LICENCE, HOLDER)):
        text = f"{comment} {expected}"
        # Other line ends are not the header's fault.
        if number >= len(lines) or lines[number].text.rstrip(b"\r") != text.encode():
            at = lines[min(number, len(lines) - 1)].at if lines else change.at
            yield Problem(
                where, at, Rule.SPDX, f"{change.path}: expected the line {text!r}"
            )
            return
