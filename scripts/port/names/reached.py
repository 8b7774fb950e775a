# SPDX-License-Identifier: Apache-2.0
"""Who asks for what a patch changes: nobody now, or somebody who did not before.

A hook in a function that upstream does not call is carried and does nothing. What goes
through a collection or an enum that the patch makes longer meets an element that
upstream did not think of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scripts.port.merge.definitions import ENUMS, Definition, Sort
from scripts.port.merge.scopes import dotted
from scripts.port.names.breach import Breach, Side
from scripts.port.names.library import Library
from scripts.port.names.modules import module, rewritten
from scripts.port.report.states import FileResult

NAMES = 3
"""Files that are named in a row of them."""


def reached(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Functions that nobody calls now, and collections that others go through.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    for part in done:
        if part.base is None or part.result is None:
            continue
        if not _of_tests(part.path):
            yield from _unreached(part, old, new)
        for name in _longer(part):
            if paths := sorted(_asking(name, part, old, new)):
                more = f" and {len(paths) - NAMES} more" if len(paths) > NAMES else ""
                where = ", ".join(paths[:NAMES]) + more
                what = f"upstream has new lines that use {name}, in {where}"
                yield Breach(part.path, 0, name, what, severe=False)
            for path in paths:
                if named := _named_apart(name, path, part, new):
                    what = f"{path} names each of {name} in a list of its own: {named}"
                    yield Breach(part.path, 0, name, what)
            for path in paths:
                if row := _listed(name, path, part, old.library, new.library):
                    what = f"{path}:{row} lists all members of {name} but the patch's"
                    yield Breach(part.path, 0, name, what)


def _of_tests(path: str) -> bool:
    return path.startswith("tests/")


def _unreached(part: FileResult, old: Side, new: Side) -> Iterator[Breach]:
    assert part.base is not None and part.result is not None
    # A method of a class that nobody names does nothing, either.
    names = {part for symbol in part.symbols for part in symbol.split(".")}
    for name in sorted(names):
        if not name.isidentifier() or name.startswith("__"):
            continue
        said = rb"\n[ \t]*(?:async def|def|class) %s\b" % re.escape(name.encode())
        made = re.compile(said)
        if not made.search(part.base.data) or not made.search(part.result.data):
            continue
        if not _asked(name, part.target, new) and _asked(name, part.path, old):
            what = f"upstream does not use {name}: the change would do nothing"
            yield Breach(part.path, 0, name, what)


def _asked(name: str, home: str, side: Side) -> bool:
    """Whether anything but its own definition says a name, tests apart."""
    word = name.encode()
    said = re.compile(rb"(?<!def )(?<!class )\b%s\b" % re.escape(word))

    def says(path: str) -> bool:
        entry = side.library.read(path)
        return entry is not None and _said(said, entry.data)

    return says(home) or any(
        says(path) for path in side.near(word, home) if not _of_tests(path)
    )


def _said(word: re.Pattern[bytes], data: bytes) -> bool:
    """Whether a word stands outside the comments of a file."""
    for match in word.finditer(data):
        start = data.rfind(b"\n", 0, match.start()) + 1
        if not data[start : match.start()].lstrip().startswith(b"#"):
            return True
    return False


def _longer(part: FileResult) -> Iterator[str]:
    """Collections, enums and literal types at the top that the patch adds to."""
    assert part.base is not None
    data = part.patched.data if part.patched else b""
    for after, name, was, now in rewritten(part.path, part.base.data, data):
        # One statement of its own; `__all__` is of every file.
        if len(was) != 1 or len(now) != 1 or name.startswith("__"):
            continue
        made = after.get(name)
        if made is not None and _collects(made, now[0]):
            yield name


def _collects(made: Definition, source: bytes) -> bool:
    if made.sort is Sort.CLASS:
        return any(base.rpartition(".")[2] in ENUMS for base in made.bases)
    alone = source.startswith(made.name.encode())
    listed = bool(made.gives) or b"Literal[" in source
    return made.sort is Sort.VALUE and alone and listed


def _listed(name: str, path: str, part: FileResult, old: Library, new: Library) -> int:
    """Line of a new statement that names all members of an enum; 0 for none."""
    assert part.base is not None
    before = module(part.path, part.base.data)
    made = before.get(name) if before else None
    now, was = new.load(path), old.load(path)
    if made is None or made.sort is not Sort.CLASS or now is None:
        return 0
    members = [f"{name}.{one}" for one in made.members if one.isupper()]
    known = {chunk.source for chunk in was.chunks} if was else set()
    for chunk in now.chunks:
        if chunk.source in known or chunk.source.startswith(
            b"class %s" % name.encode()
        ):
            continue
        said = set(re.findall(rb"\b%s\.\w+" % name.encode(), chunk.source))
        if len(members) > 1 and said == {one.encode() for one in members}:
            return chunk.row
    return 0


def _named_apart(name: str, path: str, part: FileResult, new: Side) -> str:
    """The names that a test gives to the cases of a list, which are others now."""
    entry = part.upstream if path == part.target else new.library.read(path)
    said = re.compile(rb"\b%s\b[^()]*\bids\s*=\s*(\[[^\]]*\])" % name.encode())
    match = said.search(entry.data) if entry else None
    return " ".join(match[1].decode("utf-8", "replace").split()) if match else ""


def _asking(name: str, part: FileResult, old: Side, new: Side) -> Iterator[str]:
    """Files in which new lines of upstream's say a name."""
    said = re.compile(rb"\b%s\b" % re.escape(name.encode()))
    # Of tests those lines alone that take it whole: they count it, or compare it.
    whole = re.compile(rb"\b%s\b(?!\.|\[(?!-?\d))" % re.escape(name.encode()))
    home = dotted(part.target).rpartition(".")[2].encode()
    for path in {part.target, *new.others(name.encode(), old)}:
        own = path == part.target
        now = part.upstream if own else new.library.read(path)
        was = part.base if own else old.library.read(path)
        if now is None or now == was or not (own or home in now.data):
            continue
        known = {row.strip() for row in was.data.split(b"\n")} if was else set()
        rows = (row.strip() for row in now.data.split(b"\n"))
        asks = whole if _of_tests(path) else said
        if any(
            asks.search(row) and row not in known
            for row in rows
            if not row.startswith((b"#", b"from ", b"import "))
        ):
            yield path
