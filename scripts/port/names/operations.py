# SPDX-License-Identifier: Apache-2.0
"""Operations of `torch.ops`: a patch calls by a name what is registered by a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.merge.rows import added_lines
from scripts.port.merge.scopes import dotted
from scripts.port.merge.signature import Param
from scripts.port.names.binding import changes
from scripts.port.names.breach import Breach, Side
from scripts.port.names.used import Use
from scripts.port.names.uses import added_uses
from scripts.port.report.states import FileResult

_OPS = ("torch", "ops")
_SHORT = re.compile(rb"(\w+)\s*=\s*(torch\.ops\.\w+)\s*(?:#.*)?$", re.MULTILINE)
"""A name that stands for a namespace of operations."""
_PIECES = re.compile(rb'\s*"((?:\\.|[^"\\])*)"')


def operations(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Operations that the lines of a patch call, and that are others now.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    for part in done:
        if part.result is None or b"torch.ops." not in part.result.data:
            continue
        before = part.upstream.data if part.upstream else b""
        for name in sorted(_named(before, part.result.data)):
            if _registered(name, old) and not _registered(name, new):
                what = f"it names the operation {name}, which is not registered"
                yield Breach(part.path, 0, name, what)
        for use in called(part.target, before, part.result.data):
            was = _registered(use.parts[3], old)
            now = _registered(use.parts[3], new)
            if was and now and was[0].params is not None is not now[0].params:
                met = list(changes(use, was[0], now[0]))
                for change in met:
                    what = f"{use.text} {change.what}"
                    yield Breach(part.path, use.row, use.parts[3], what, change.severe)
                if not met and was[0].params != now[0].params:
                    what = f"{use.text} ({now[0].home})"
                    yield Breach(part.path, 0, use.parts[3], what, False, vague=True)


def called(path: str, before: bytes, after: bytes) -> list[Use]:
    """Uses of operations in the lines that a content has more."""
    named = added_uses(path, before, after) if b"torch.ops." in after else []
    return [use for use in named if use.parts[:2] == _OPS and len(use.parts) > 3]


def _named(before: bytes, after: bytes) -> set[str]:
    """Operations that lines name in any way, under a short name of theirs, too."""
    short = {pair[0] for pair in _SHORT.findall(after)}
    whole = b"|".join([rb"torch\.ops\.\w+", *map(re.escape, sorted(short))])
    said = re.compile(rb"""\b(?:%s)(?:\.(\w+)|\s*,\s*["'](\w+)["'])""" % whole)
    lines = b"\n".join(added_lines(before, after))
    return {(a or b).decode() for a, b in said.findall(lines)}


def _registered(operation: str, side: Side) -> list[Definition]:
    """What an operation is registered as; the first that says what it takes."""
    name = operation.encode()
    found: list[Definition] = []
    schema = re.compile(rb'"(?:\w+::)?%s(["(])' % re.escape(name))
    for path in side.native(b"%s" % name):
        entry = side.library.read(path)
        for match in schema.finditer(entry.data) if entry else ():
            text = _whole(entry.data, match.start())  # type: ignore[union-attr]
            params = _params(text) if match[1] == b"(" else None
            found.append(_made(operation, params, path))
    python = re.compile(
        rb'[(=]\s*"(?:\w+::)?%s"\s*[,)](?:\s*(?:op_func=)?(\w+))?' % re.escape(name)
    )
    for path in (*side.search(b'"%s"' % name), *side.search(b'::%s"' % name)):
        entry = side.library.read(path)
        for match in python.finditer(entry.data) if entry else ():
            made = side.library.name(dotted(path), (match[1] or b"").decode())
            if isinstance(made, Definition) and made.sort is Sort.FUNCTION:
                found.append(made)
            else:
                found.append(_made(operation, None, path))
    return sorted(found, key=lambda made: made.params is None)


def _made(name: str, params: tuple[Param, ...] | None, home: str) -> Definition:
    return Definition(name, Sort.FUNCTION, params, home=home)


def _whole(data: bytes, at: int) -> str:
    """A text of C++, put together of the pieces that it is written in."""
    pieces = []
    while match := _PIECES.match(data, at):
        pieces.append(match[1])
        at = match.end()
    return b"".join(pieces).decode("utf-8", "replace")


def _params(schema: str) -> tuple[Param, ...]:
    """Parameters of a schema.

    >>> [p.name for p in _params("mm(Tensor! out, int[] a=[1, 2], *, int b) -> ()")]
    ['out', 'a', 'b']
    """
    inner = schema.partition("(")[2].partition("->")[0].rpartition(")")[0]
    found: list[Param] = []
    place = True
    for piece in re.split(r",(?![^\[(]*[\])])", inner):
        said, _, default = piece.strip().partition("=")
        if said == "*":
            place = False
        elif said:
            kind, _, name = said.rpartition(" ")
            found.append(Param(name, default or None, kind, place))
    return tuple(found)
