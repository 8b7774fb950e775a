# SPDX-License-Identifier: Apache-2.0
"""What `make check` finds, and how it is printed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Rule(Enum):
    """What a problem offends against."""

    SERIES = "series"
    """`series` names each patch file once, and each file is named."""
    NAME = "name"
    """0001, 0002 ... in order, and the slug that git makes of the subject."""
    PARSE = "parse"
    """The patch can be read."""
    BYTES = "bytes"
    """UTF-8, LF, a newline at the end, no content beside the canonical form."""
    HEADER = "header"
    """The all-zero commit id, and author and date that can be read."""
    SUBJECT = "subject"
    """At most 72 characters, no full stop."""
    BODY = "body"
    """At most 72 characters a line, and no line that ends the message for git am."""
    CANONICAL = "canonical"
    """git format-patch writes these very bytes for this change."""
    DESCRIPTION = "description"
    """A paragraph beside the trailers says why."""
    TRAILER = "trailer"
    """The five trailers, well-formed."""
    TEST = "test"
    """The named test exists once the patch is applied."""
    WHITESPACE = "whitespace"
    """Added lines have clean ends; no conflict marker."""
    SPDX = "spdx"
    """New source files begin with upstream's two lines."""
    LICENCE = "licence"
    """Nothing under another licence or holder comes in."""
    CHAIN = "chain"
    """Each preimage and each result is the blob that the patch names."""
    TREE = "tree"
    """Source and series give the tree ids of the lock."""
    SYNTAX = "syntax"
    """Touched Python files compile after each patch."""
    RUFF = "ruff"
    """Upstream's lint rules hold for what a patch changes."""
    FORMAT = "format"
    """Upstream's formatter leaves what a patch changes alone."""
    LANE = "lane"
    """The patch can be laid over a wheel."""
    DECISION = "decision"
    """A decision in `patches/resolutions/` is for a change that the series makes."""
    TABLE = "table"
    """`patches/README.md`, and the README's table of patches, are the series."""


class Severity(Enum):
    """Whether a problem fails the check."""

    ERROR = "error"
    """It does: exit code 1."""
    WARNING = "warning"
    """It does not, but a person should know."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is not as it should be."""

    path: str
    """From the checkout, with `/`."""
    line: int
    """From 1."""
    rule: Rule
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        kind = "warning: " if self.severity is Severity.WARNING else ""
        return f"{self.path}:{self.line}: {kind}{self.rule.value}: {self.message}"


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Without repetitions, by file and line."""
    return sorted(set(problems), key=lambda p: (p.path, p.line, p.rule.value, str(p)))


def as_json(problems: Iterable[Problem]) -> str:
    """A JSON array of objects with the fields of `Problem`."""
    rows = [
        {
            "path": p.path,
            "line": p.line,
            "rule": p.rule.value,
            "severity": p.severity.value,
            "message": p.message,
        }
        for p in problems
    ]
    return json.dumps(rows, indent=2)


def printable(text: str) -> str:
    """ASCII for any terminal, on one line.

    >>> printable("b\\xe4d\\tline\\n")
    'b\\\\xe4d\\\\tline\\\\n'
    """
    return "".join(
        c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii")
        for c in text
    )
