# SPDX-License-Identifier: Apache-2.0
"""Words of a patch that upstream says nowhere now.

Of an attribute on what nobody annotated only its name is known, and of a text only its
letters. Where the pin says one and the new tree does not, it has another name there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from scripts.base.object_ids import Entry
from scripts.port.merge.languages import is_native
from scripts.port.merge.rows import added_lines
from scripts.port.names.breach import Breach, Side
from scripts.port.report.states import FileResult

_ATTRIBUTE = re.compile(rb"(?<=\w)\.([A-Za-z_]\w{2,})|\)\.([A-Za-z_]\w{2,})")
_PATH = re.compile(rb"[\w./-]+/[\w.-]+\.(?:py|pyi|cu|cuh|cpp|h|sh|txt|json|ya?ml|toml)")
_TEXT = re.compile(rb'"[A-Za-z_][\w.-]{2,}"')
_VARIABLE = re.compile(rb'"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"')
_ENVIRONMENT = "vllm/envs.py"
"""Where most variables are said; it is looked through first."""
_NOT_CODE = re.compile(rb""""(?:\\.|[^"\\])*"|//.*|/\*.*?\*/|^\s*(?:\*|#\s).*""")
_STRINGS = re.compile(rb""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|#.*""")


def vanished(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Look at the lines that a patch adds to files of upstream's.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    for part in done:
        yield from _variables(part, old, new)
        yield from _paths(part, old, new)
        if is_native(part.target):
            yield from _native(part, old, new)
            continue
        if part.base is None:
            yield from _asked(part, old, new)
        if part.base is None or part.upstream is None or part.patched is None:
            continue
        if part.base == part.upstream:
            continue
        for word in sorted(_words(part)):
            here = _says(word, part.upstream) or not _says(word, part.base)
            if here or _elsewhere(word, part.target, new):
                continue
            text = word.decode("utf-8", "replace")
            what = f"it says {text}, which upstream's file had and nothing has now"
            yield Breach(part.path, 0, text.strip('"'), what)


def _variables(part: FileResult, old: Side, new: Side) -> Iterator[Breach]:
    """Names of the environment: whoever reads one may be in any file."""
    if part.patched is None:
        return
    data = part.base.data if part.base else b""
    for word in sorted(_of_lines(data, part.patched.data)):
        if not _VARIABLE.fullmatch(word) or any(new.beside(word, _ENVIRONMENT)):
            continue
        if any(old.beside(word, _ENVIRONMENT)):
            text = word.decode("utf-8", "replace")
            what = f"it says {text}, which upstream says nowhere now"
            yield Breach(part.path, 0, text.strip('"'), what)


def _paths(part: FileResult, old: Side, new: Side) -> Iterator[Breach]:
    """Files of upstream's that lines name by their paths."""
    if part.patched is None:
        return
    before = part.base.data if part.base else b""
    for line in added_lines(before, part.patched.data):
        for word in _PATH.findall(line):
            path = word.decode().removeprefix("./")
            if old.there(path) and not new.there(path):
                what = f"it names {path}, which is not there"
                yield Breach(part.path, 0, path, what)


def _asked(part: FileResult, old: Side, new: Side) -> Iterator[Breach]:
    """Attributes that a new file asks for, of what nobody annotated."""
    assert part.patched is not None
    made = [entry.data for entry in old.made.values() if entry]
    for word in sorted(_of_lines(b"", part.patched.data)):
        if word[:1] == b'"' or next(iter(new.near(word, part.target)), None):
            continue
        ways = (b"def %s(" % word, b".%s =" % word, b" %s:" % word, b"%s=" % word)
        if any(way in data for data in made for way in ways):
            continue
        was = map(old.bare, old.upstream(word))
        if any(entry and _says(word, entry) for entry in was):
            text = word.decode("utf-8", "replace")
            what = f"it says .{text}, which upstream says nowhere now"
            yield Breach(part.path, 0, text, what)


def _native(part: FileResult, old: Side, new: Side) -> Iterator[Breach]:
    """Words of C++ and of CMake: what they mean is in any file of theirs."""
    assert part.patched is not None
    before, after = (e.data if e else b"" for e in (part.base, part.patched))
    added, gone = (_said(*pair) for pair in ((before, after), (after, before)))
    for word in sorted(added - gone):
        was = (part.base, *map(old.bare, old.native(word)))
        now = (part.upstream, *map(new.bare, new.native(word)))
        if any(e and _says(word, e) for e in was) and not any(
            e and _says(word, e) for e in now
        ):
            text = word.decode("utf-8", "replace")
            what = f"it says {text}, which upstream says nowhere now"
            yield Breach(part.path, 0, text, what)
        elif _heads(word, was) != _heads(word, now):
            text = word.decode("utf-8", "replace")
            yield Breach(part.path, 0, text, text, severe=False, vague=True)


def _heads(word: bytes, entries: Iterable[Entry | None]) -> set[bytes]:
    """Lines of C++ and CMake that say what a macro or a function takes."""
    name = re.escape(word)
    said = re.compile(
        rb"^[ \t]*#[ \t]*define[ \t]+%s\b.*"
        rb"|^(?:[\w:<>,&*]+[ \t]+)+[&*]*%s\s*\([^;{}]*\)(?=[^;{}]*[{;])"
        rb"|^[ \t]*(?:function|macro)\(%s\b[^)]*\)" % (name, name, name),
        re.MULTILINE,
    )
    texts = (entry.data for entry in entries if entry and word in entry.data)
    return {b" ".join(m.split()) for data in texts for m in said.findall(data)}


def _said(before: bytes, after: bytes) -> set[bytes]:
    """Words of the lines that a content has more, without texts and comments."""
    lines = (_NOT_CODE.sub(b"", line) for line in added_lines(before, after))
    return {word for line in lines for word in re.findall(rb"[A-Za-z_]\w{2,}", line)}


def _words(part: FileResult) -> set[bytes]:
    """Attributes and texts that a patch adds, not those of lines that it rewrites."""
    assert part.base is not None and part.patched is not None
    before, after = part.base.data, part.patched.data
    return _of_lines(before, after) - _of_lines(after, before)


def _of_lines(before: bytes, after: bytes) -> set[bytes]:
    found: set[bytes] = set()
    for line in added_lines(before, after):
        found.update(_TEXT.findall(line))
        for pair in _ATTRIBUTE.findall(_STRINGS.sub(b"", line)):
            found.add(pair[0] or pair[1])
    return found


def _says(word: bytes, entry: Entry) -> bool:
    said = re.compile(rb"(?<!\w)%s(?!\w)" % re.escape(word))
    return word in entry.data and bool(said.search(entry.data))


def _elsewhere(word: bytes, home: str, side: Side) -> bool:
    """Whether another file of a tree says a word."""
    for path in side.near(word, home):
        entry = None if path == home else side.library.read(path)
        if entry is not None and _says(word, entry):
            return True
    return False
