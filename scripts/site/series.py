# SPDX-License-Identifier: Apache-2.0
"""The patches as the pages show them: message, trailers, diff."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scripts.series.diff import FilePatch
from scripts.series.mailbox import Patch
from scripts.series.table import first_sentence
from scripts.series.trailers import description, read

FORGE = "https://github.com"
"""Where `<owner>/<repo>#<number>` in a trailer lies."""
_REF = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:#(?P<pr>[1-9]\d*)|@(?P<commit>[0-9a-f]{7,40}))"
    r"|(?P<url>https://[^\s,]+)"
)


@dataclass(frozen=True)
class Piece:
    """Some text, and where it leads if it is a reference."""

    text: str
    href: str = ""


@dataclass(frozen=True)
class Line:
    kind: str
    """`add`, `del`, `same`, or `mark` for git's own remark."""
    text: str


@dataclass(frozen=True)
class Hunk:
    head: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class File:
    path: str
    how: str
    """`new file`, `deleted`, or nothing."""
    added: int
    removed: int
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True)
class Block:
    """A paragraph of a message; `kept` has its line ends as they are."""

    text: str
    kept: bool


@dataclass(frozen=True)
class View:
    """One patch."""

    number: str
    name: str
    """File name in `patches/`."""
    topic: str
    """What the subject has in brackets, or nothing."""
    subject: str
    author: str
    why: str
    """First sentence of the message."""
    message: tuple[Block, ...]
    trailers: Mapping[str, tuple[tuple[Piece, ...], ...]]
    """By key, each value in pieces, in the order of the message."""
    files: tuple[File, ...]
    lane: str
    sha256: str

    @property
    def page(self) -> str:
        return f"{self.number}.html"

    @property
    def added(self) -> int:
        return sum(f.added for f in self.files)

    @property
    def removed(self) -> int:
        return sum(f.removed for f in self.files)

    @property
    def tests(self) -> dict[str, list[str]]:
        """Names of the tests that need it, by file."""
        found: dict[str, list[str]] = {}
        for value in self.trailers.get("Test", ()):
            path, _, name = "".join(p.text for p in value).partition("::")
            found.setdefault(path, []).append(name)
        return found

    def value(self, key: str) -> tuple[Piece, ...]:
        """The first value of a trailer, or no piece."""
        return next(iter(self.trailers.get(key, ())), ())


def views(patches: Sequence[Patch], lanes: Mapping[str, str]) -> list[View]:
    """The series in order; `lanes` as `scripts.series.table.lanes_on` gives them."""
    return [_view(patch, lanes[patch.name]) for patch in patches]


def _view(patch: Patch, lane: str) -> View:
    match = re.fullmatch(r"(?:\[([^\]]+)\] )?(.+)", patch.subject)
    topic, subject = (match[1] or "", match[2]) if match else ("", patch.subject)
    text = description(patch.body)
    found: dict[str, tuple[tuple[Piece, ...], ...]] = {}
    for trailer in read(patch.body):
        value = tuple(pieces(trailer.value))
        found[trailer.key] = (*found.get(trailer.key, ()), value)
    return View(
        number=patch.number,
        name=patch.name,
        topic=topic,
        subject=subject,
        author=patch.author,
        why=first_sentence(text),
        message=tuple(blocks(text)),
        trailers=found,
        files=tuple(_file(diff) for diff in patch.files),
        lane=lane,
        sha256=patch.sha256,
    )


def blocks(text: str) -> Iterator[Block]:
    """Paragraphs, those with indented or listed lines as they stand.

    >>> [b.kept for b in blocks("One\\nline.\\n\\n- a\\n- b")]
    [False, True]
    """
    for block in re.split(r"\n\s*\n", text):
        if block.strip():
            kept = any(line[:1].isspace() or line[:2] in ("- ", "* ")
                       for line in block.split("\n"))  # fmt: skip
            yield Block(block if kept else " ".join(block.split()), kept)


def pieces(value: str) -> Iterator[Piece]:
    """Text and references of a trailer's value, in order.

    >>> [p.href for p in pieces("vllm-project/vllm#40082, rewritten")]
    ['https://github.com/vllm-project/vllm/pull/40082', '']
    """
    at = 0
    for match in _REF.finditer(value):
        if match.start() > at:
            yield Piece(value[at : match.start()])
        if match["url"]:
            href = match["url"]
        elif match["pr"]:
            href = f"{FORGE}/{match['repo']}/pull/{match['pr']}"
        else:
            href = f"{FORGE}/{match['repo']}/commit/{match['commit']}"
        yield Piece(match[0], href)
        at = match.end()
    if at < len(value):
        yield Piece(value[at:])


_KINDS = {b"+": "add", b"-": "del", b" ": "same", b"\\": "mark"}


def _file(diff: FilePatch) -> File:
    hunks = []
    for hunk in diff.hunks:
        lines = tuple(
            Line(_KINDS[line[:1]], line.decode("utf-8", "replace").rstrip("\n"))
            for line in hunk.lines
        )
        head = f"lines {hunk.old_start} to {hunk.old_start + hunk.old_count - 1}"
        if not hunk.old_count:
            head = "new lines"
        hunks.append(Hunk(head, lines))
    kinds = [line.kind for hunk in hunks for line in hunk.lines]
    how = "new file" if diff.old_mode is None else ""
    how = "deleted" if diff.new_mode is None else how
    return File(diff.path, how, kinds.count("add"), kinds.count("del"), tuple(hunks))
