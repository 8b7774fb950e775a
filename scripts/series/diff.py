# SPDX-License-Identifier: Apache-2.0
"""The diffs in a patch: git's extended format, one file after another."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scripts.base.errors import Finding
from scripts.base.git import NULL_ID


@dataclass(frozen=True)
class Hunk:
    """One hunk; `lines` keep their leading ' ', '-', '+' or '\\' and newline."""

    old_start: int
    old_count: int
    new_start: int
    lines: tuple[bytes, ...]
    at: int
    """Line of the `@@` in the patch file, from 1."""


@dataclass(frozen=True)
class FilePatch:
    """The change of one file, with the blobs that it joins."""

    path: str
    old_mode: int | None
    """None when the patch creates the file; else 0o100644, 0o100755 or 0o120000."""
    new_mode: int | None
    """None when the patch deletes the file."""
    old_blob: str
    """Forty hex digits, all zero when the patch creates the file."""
    new_blob: str
    hunks: tuple[Hunk, ...]
    at: int
    """Line of `diff --git` in the patch file, from 1."""


_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(?: .*)?\n")
_INDEX = re.compile(rb"index ([0-9a-f]{40})\.\.([0-9a-f]{40})(?: (\d{6}))?\n")
_MODE = re.compile(
    rb"(old mode|new mode|new file mode|deleted file mode) (100644|100755|120000)\n"
)


class Reader:
    """Lines of one patch, and where we are."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        # Not splitlines(): a patched line may hold a lone carriage return.
        parts = data.split(b"\n")
        self.lines = [x + b"\n" for x in parts[:-1]] + [x for x in parts[-1:] if x]
        self.i = 0

    def peek(self) -> bytes:
        return self.lines[self.i] if self.i < len(self.lines) else b""

    def take(self) -> bytes:
        line = self.peek()
        self.i += 1
        return line

    def fail(
        self, what: str, expected: str, found: bytes | str | None = None
    ) -> Finding:
        shown = self.peek() if found is None else found
        if isinstance(shown, bytes):
            shown = repr(shown.decode("utf-8", "replace"))
        return Finding(
            what,
            where=f"patches/{self.name}:{min(self.i + 1, len(self.lines))}",
            expected=expected,
            found=shown,
            next=f"git checkout -- patches/{self.name} takes an edit of it back; a "
            "change is made in build/vllm, and written by make export",
        )


def _hunk(r: Reader) -> Hunk:
    at = r.i + 1
    match = _HUNK.fullmatch(r.peek())
    if not match:
        raise r.fail("expected a hunk", "@@ -a,b +c,d @@")
    r.take()
    a, b, c, d = match.groups()
    old, new = int(b) if b else 1, int(d) if d else 1
    want_old, want_new = old, new
    lines: list[bytes] = []
    while want_old or want_new or r.peek().startswith(b"\\"):
        line = r.peek()
        head = line[:1]
        if head in b" -" and head:
            want_old -= 1
        if head in b" +" and head:
            want_new -= 1
        if not head or head not in b" -+\\" or min(want_old, want_new) < 0:
            raise r.fail(
                "the hunk does not hold what its header counts", f"-{old} +{new}"
            )
        if not line.endswith(b"\n"):
            raise r.fail("the patch is cut off", "a newline at the end of the line")
        lines.append(r.take())
    return Hunk(int(a), old, int(c), tuple(lines), at)


def parse_file(r: Reader) -> FilePatch:
    """Read one file's change; `r` stands at its `diff --git` line.

    Raises:
        Finding: It is not in the canonical form; the message has `file:line`.
    """
    at = r.i + 1
    header = r.take().decode("utf-8", "surrogateescape").rstrip("\n")
    match = re.fullmatch(r"diff --git a/(.+) b/\1", header)
    if not match:
        r.i -= 1
        raise r.fail("renames and quoted paths are not used here", "diff --git a/X b/X")
    path = match[1]
    if path.startswith("/") or not all(
        part and part not in (".", "..") and part.lower() != ".git"
        for part in path.split("/")
    ):
        r.i -= 1
        raise r.fail("the path leaves the source tree", "a path inside it", path)
    if re.match(rb"(?:\w+ file mode|old mode|index \S+) 160000$", r.peek().rstrip()):
        raise r.fail("a submodule cannot be in the series", "files", path)
    modes: dict[bytes, int] = {}
    while mode := _MODE.fullmatch(r.peek()):
        modes[mode[1]] = int(mode[2], 8)
        r.take()
    created, deleted = modes.get(b"new file mode"), modes.get(b"deleted file mode")
    if r.peek().startswith((b"diff --git ", b"From ")) or not r.peek():
        if b"old mode" not in modes or b"new mode" not in modes:
            raise r.fail("a file without a change", "an index line or two modes")
        # Without content git prints no ids; the blob is what it was.
        return FilePatch(
            path, modes[b"old mode"], modes[b"new mode"], NULL_ID, NULL_ID, (), at
        )
    index = _INDEX.fullmatch(r.peek())
    if not index:
        raise r.fail("blob ids are missing or short", "index <40 hex>..<40 hex>")
    r.take()
    same = int(index[3], 8) if index[3] else None
    old = None if created else modes.get(b"old mode", deleted or same)
    new = None if deleted else modes.get(b"new mode", created or same)
    if r.peek().startswith((b"GIT binary patch", b"Binary files")):
        raise r.fail("binary files cannot be in the series", "text", path)
    hunks: list[Hunk] = []
    if r.peek().startswith(b"--- "):
        sides = b"--- /dev/null\n" if created else f"--- a/{path}\n".encode()
        other = b"+++ /dev/null\n" if deleted else f"+++ b/{path}\n".encode()
        for want in (sides, other):
            # git ends a name that holds a space with a tab.
            if r.peek().replace(b"\t\n", b"\n") != want:
                raise r.fail("the file header contradicts its diff line", repr(want))
            r.take()
        while r.peek().startswith(b"@@ "):
            hunks.append(_hunk(r))
    return FilePatch(
        path, old, new, index[1].decode(), index[2].decode(), tuple(hunks), at
    )
