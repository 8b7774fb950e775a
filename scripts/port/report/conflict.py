# SPDX-License-Identifier: Apache-2.0
"""A conflict in the file itself: both sides, base, and the symbol it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.port.merge.symbols import owners
from scripts.port.merge.text import Space
from scripts.port.report.states import FileResult, State
from scripts.series.mailbox import Patch

_MARK = re.compile(rb"^(<<<<<<<|\|\|\|\|\|\|\||=======|>>>>>>>)( .*)?$", re.MULTILINE)


def has_markers(data: bytes) -> bool:
    """Whether a person left a conflict marker in a file.

    A row of equals signs alone is also a heading in some formats.
    """
    return any(m[1] != b"=======" for m in _MARK.finditer(data))


def marked(part: FileResult, patch: Patch, label: str, room: Space) -> bytes:
    """The file with the conflict in it, each with the symbol that it stands in.

    What git merges without a conflict, and a guard refused, has upstream's
    content and the patch's hunks in one conflict at its top: it must not look
    as if it were done.
    """
    if part.state is State.BROKEN and part.result is not None:
        return part.result.data  # it merges; what it uses is in the note
    if part.base and part.upstream and part.patched:
        base, upstream, patched = (
            {part.target: e} for e in (part.base, part.upstream, part.patched)
        )
        names = (label, f"patch-{patch.number}")
        done = room.merge(base, upstream, patched, names)
        if part.target in done.conflicts:
            data = done.files[part.target]
            return _with_symbols(part.target, data, part.upstream.data)
    below = part.upstream.data if part.upstream else b""
    hunks = b"".join(_hunks(part, patch))
    return (
        b"<<<<<<< %s: the whole file, below\n||||||| base\n=======\n" % label.encode()
        + hunks
        + b">>>>>>> patch-%s: what it changes, as hunks\n" % patch.number.encode()
        + below
    )


def _hunks(part: FileResult, patch: Patch) -> Iterator[bytes]:
    for change in patch.files:
        if change.path == part.path:
            for hunk in change.hunks:
                yield b"@@\n"
                yield from hunk.lines


def _with_symbols(path: str, data: bytes, upstream: bytes) -> bytes:
    names = owners(path, upstream)
    out, row, side = [], 0, ""
    for line in data.split(b"\n"):
        match = _MARK.fullmatch(line)
        if match:
            side = match[1].decode()
            if side == "|||||||":
                line = b"||||||| base: as the patch was made on it"
            if side == "<<<<<<<":
                name = names[row] if row < len(names) else ""
                line += f" in {name}".encode() if name else b""
            out.append(line)
            if side == ">>>>>>>":
                side = ""
            continue
        out.append(line)
        row += side in ("", "<<<<<<<")
    return b"\n".join(out)
