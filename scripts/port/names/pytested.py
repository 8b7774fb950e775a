# SPDX-License-Identifier: Apache-2.0
"""What a test asks pytest for by a text: marks, and options of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scripts.base.object_ids import Entry
from scripts.port.merge.rows import added_lines
from scripts.port.names.breach import Breach, Side
from scripts.port.report.states import FileResult

_MARK = re.compile(rb"\bpytest\.mark\.(\w+)")
_OPTION = re.compile(rb"""\bgetoption\(\s*["'](--[\w-]+)""")
_OWN = {b"parametrize", b"skip", b"skipif", b"xfail", b"usefixtures"}
"""Marks of pytest's own."""
_MADE = rb"""["']%s(?![\w-])"""
"""How a mark stands in the settings, and an option where it is added."""


def unknown(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Marks and options that were known to pytest on the pin, and are not now.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    for part in done:
        for what, name in sorted(asked(part)):
            if _known(name, old) and not _known(name, new):
                text = name.decode()
                said = f"it asks for the {what} {text}, which nothing adds"
                yield Breach(part.path, 0, text, said)


def asked(part: FileResult) -> set[tuple[str, bytes]]:
    """Marks and options that the lines which a patch adds to a test ask for."""
    if part.patched is None or not part.path.startswith("tests/"):
        return set()
    lines = _added(part.base, part.patched)
    found = {("mark", name) for name in _MARK.findall(lines) if name not in _OWN}
    return found | {("option", name) for name in _OPTION.findall(lines)}


def adds(part: FileResult, name: bytes) -> bool:
    """Whether a patch makes a mark or an option known."""
    if part.patched is None or not _may(part.path):
        return False
    said = re.compile(_MADE % re.escape(name))
    return bool(said.search(_added(part.base, part.patched)))


def _may(path: str) -> bool:
    ends = ("conftest.py", "pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini")
    return path.endswith(ends)


def _known(name: bytes, side: Side) -> bool:
    said = re.compile(_MADE % re.escape(name))
    for find in (side.native, side.search):
        for path in find(name):
            entry = side.library.read(path) if _may(path) else None
            if entry is not None and said.search(entry.data):
                return True
    return False


def _added(before: Entry | None, after: Entry) -> bytes:
    return b"\n".join(added_lines(before.data if before else b"", after.data))
