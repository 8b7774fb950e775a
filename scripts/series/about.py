# SPDX-License-Identifier: Apache-2.0
"""The table of patches in the checkout's README, whose words a person writes.

What follows from the series is kept by `make export`: which patches there are,
their order, numbers and links. `make check` compares.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.series.mailbox import Patch
from scripts.series.table import cell, first_sentence
from scripts.series.trailers import description

NAME = "README.md"
_ROW = re.compile(r"\| \[(\d{4})\]\(patches/\d{4}-(.+)\.patch\) \| (.*) \|")


_TABLE = re.compile(r"^\|[^\n]*\n(?:[^\n]+\n)*", re.MULTILINE)
_WHOLE = re.compile(r"\|.*\|")
_NEXT = re.compile(r"\| (?=\|(?:---| \[\d{4}\]\(patches/))")


@dataclass(frozen=True)
class _Row:
    number: str
    slug: str
    words: str


def joined(text: str) -> str:
    """The README with the rows of its table of patches on one line each.

    An editor that wraps at 72 columns leaves none that could be read.

    >>> joined("| is | it |\\n|---|---|\\n| [0001](patches/0001-a.patch) |\\na |\\n")
    '| is | it |\\n|---|---|\\n| [0001](patches/0001-a.patch) | a |\\n'
    """

    def table(match: re.Match[str]) -> str:
        rows = match[0].splitlines()
        if "](patches/" not in match[0] or all(_WHOLE.fullmatch(row) for row in rows):
            return match[0]
        return _NEXT.sub("|\n", " ".join(row.strip() for row in rows)) + "\n"

    return _TABLE.sub(table, text)


def fixed(text: str, patches: Sequence[Patch]) -> str:
    """The README with one row a patch, in order.

    A row goes with its patch: by the name behind the number, else, where the
    subject was reworded, by the number. A patch that no row is about gets the first
    sentence of its message.

    Args:
        text: The README; one without such a table stays as it is.
        patches: The series, in order.
    """
    lines = joined(text).split("\n")
    at = [i for i, line in enumerate(lines) if _ROW.fullmatch(line)]
    if not at:
        return text
    found = (_ROW.fullmatch(lines[i]) for i in at)
    rows = [_Row(*match.groups()) for match in found if match]
    by_slug = {row.slug: row.words for row in rows}
    slugs = {_slug(patch) for patch in patches}
    by_number = {row.number: row.words for row in rows if row.slug not in slugs}
    made = [
        f"| [{patch.number}](patches/{patch.name}) | "
        f"{by_slug.get(_slug(patch)) or by_number.get(patch.number) or _new(patch)} |"
        for patch in patches
    ]
    rest = [line for i, line in enumerate(lines) if i not in at[1:]]
    rest[at[0] : at[0] + 1] = made
    return "\n".join(rest)


def _slug(patch: Patch) -> str:
    return patch.name[5:].removesuffix(".patch")


def _new(patch: Patch) -> str:
    return cell(first_sentence(description(patch.body)) or patch.subject)


def stale(text: str, patches: Sequence[Patch]) -> int | None:
    """Line, from 1, of the first row that `fixed` would change; None if none."""
    rows, wanted = text.split("\n"), fixed(text, patches).split("\n")
    if rows == wanted:
        return None
    pairs = zip(rows, wanted, strict=False)
    return next(
        (n for n, (a, b) in enumerate(pairs, 1) if a != b), min(len(rows), len(wanted))
    )
