# SPDX-License-Identifier: Apache-2.0
"""An answer as text, Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from scripts.doctor.model.data import data
from scripts.doctor.model.told import Answer, Section, sections
from scripts.selection.report import columns

FORMATS = ("text", "json", "markdown")


def render(answer: Answer, form: str) -> str:
    """The answer in one of `FORMATS`."""
    if form == "json":
        return json.dumps(data(answer), indent=1)
    one = _markdown if form == "markdown" else _text
    return "\n\n".join("\n".join(one(section)) for section in sections(answer))


def _text(section: Section) -> Iterator[str]:
    yield section.title
    if section.table:
        yield from (f"  {line}" for line in columns(section.table))
    yield from (f"  {line}" for line in section.lines)
    yield from section.code


def _markdown(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield ""
    if section.table:
        head, *rows = section.table
        yield _cells(head)
        yield _cells(["---"] * len(head))
        yield from map(_cells, rows)
        yield ""
    if section.code:
        yield "```sh"
        yield from section.code
        yield "```"
    yield from (f"- {line.strip()}" for line in section.lines)


def _cells(row: object) -> str:
    assert isinstance(row, list | tuple)
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |"
