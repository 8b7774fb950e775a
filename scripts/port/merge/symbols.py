# SPDX-License-Identifier: Apache-2.0
"""What a change does, symbol by symbol, apart from where its lines stand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from scripts.port.merge.languages import Kind, kind, text
from scripts.port.merge.matching import Matcher
from scripts.port.merge.outline import Item, outline, walk

IMPORTS = "imports"
"""The one symbol of all imports of a file, as their order means nothing."""
TOP = "file"
"""The one symbol of a file that has no syntax."""

RENAMED = 0.6
"""Least share of equal lines at which a gone symbol counts as renamed."""

Lines = tuple[bytes, ...]


@dataclass(frozen=True)
class Delta:
    """What a change removes from a symbol and adds to it, in atoms."""

    removed: Counter[bytes]
    added: Counter[bytes]
    reordered: bool = False
    """Same lines, other order."""

    @property
    def empty(self) -> bool:
        return not (self.removed or self.added or self.reordered)


@lru_cache(maxsize=512)
def symbols(path: str, data: bytes | None) -> Mapping[str, Lines]:
    """The file's lines by the innermost symbol that they stand in.

    Lines come without indent and blank ones are left out, so that a symbol
    equals itself in another place. `data` None is a file that is not there.
    """
    if data is None:
        return {}
    items = outline(path, data)
    if items is None:
        flat = {TOP: tuple(x.strip() for x in data.split(b"\n") if x.strip())}
        return _headings(data) if kind(path) is Kind.MARKDOWN else flat
    starts: list[tuple[int, int, str]] = []
    found: dict[str, list[bytes]] = {}
    for name, item in walk(items):
        label = _label(name, item)
        starts.append((item.start, item.end, label))
        found.setdefault(label, [])
    owner = _owners(data, starts)
    imports: list[Item] = [i for _, i in walk(items) if i.is_import]
    taken = {(i.node.start_point.row, i.node.end_point.row) for i in imports}
    inside = {row for a, b in taken for row in range(a, b + 1)}
    for number, line in enumerate(data.split(b"\n")):
        bare = line.strip()
        if bare and number not in inside:
            found.setdefault(owner[number], []).append(bare)
    for item in imports:
        found.setdefault(IMPORTS, []).extend(_names(item))
    return {name: tuple(lines) for name, lines in found.items()}


@lru_cache(maxsize=256)
def owners(path: str, data: bytes) -> Sequence[str]:
    """Name of the innermost symbol that each line stands in; empty for none."""
    items = outline(path, data)
    if items is None:
        return []
    spans = [(item.start, item.end, name) for name, item in walk(items)]
    return _owners(data, spans)


def _label(name: str, item: Item) -> str:
    if item.is_import:
        above = name.rpartition(".import ")[0]
        return f"{above}.{IMPORTS}" if above and ".import " in name else IMPORTS
    return name


def _owners(data: bytes, spans: list[tuple[int, int, str]]) -> list[str]:
    """Name of the innermost span for each line."""
    rows = data.split(b"\n")
    owner = [TOP] * len(rows)
    offsets = [0]
    for row in rows:
        offsets.append(offsets[-1] + len(row) + 1)
    index = {offset: number for number, offset in enumerate(offsets)}
    for start, end, label in spans:  # outer ones come first
        first = index.get(start, 0)
        last = index.get(end, len(rows))
        owner[first:last] = [label] * (last - first)
    return owner


def _names(item: Item) -> list[bytes]:
    """An import as one line a name."""
    node = item.node
    if node.type == "import_from_statement":
        module = text(node.child_by_field_name("module_name"))
        names = node.children_by_field_name("name")
        if names:
            return [b"from %s import %s" % (module, _flat_text(text(n))) for n in names]
    return [_flat_text(text(node))]


def _flat_text(raw: bytes) -> bytes:
    return b" ".join(raw.split())


def _headings(data: bytes) -> dict[str, Lines]:
    found: dict[str, list[bytes]] = {}
    stack: list[str] = []
    fence = False
    for line in data.split(b"\n"):
        bare = line.strip()
        fence ^= bare.startswith(b"```")
        match = None if fence else re.match(rb"(#+) +(.*)", bare)
        if match:
            depth = len(match[1])
            stack = [*stack[: depth - 1], match[2].decode("utf-8", "replace")]
        if bare:
            found.setdefault(" > ".join(stack) or TOP, []).append(bare)
    return {name: tuple(lines) for name, lines in found.items()}


_TOKEN = re.compile(
    rb"""[rbfu]{0,2}"(?:\\.|[^"\\])*"|[rbfu]{0,2}'(?:\\.|[^'\\])*'|[][(){},]|[^][(){},"']+|."""
)


@lru_cache(maxsize=16384)
def atoms(found: Lines) -> Lines:
    """Lines cut at brackets and commas, so that another layout gives the same.

    >>> atoms((b"x = f(a, [b])",)) == atoms((b"x = f(", b"a,", b"[b],", b")"))
    True
    """
    return tuple(atom for line in found for atom in _cut(line))


# Most lines of a file are those of the version before.
@lru_cache(maxsize=65536)
def _cut(line: bytes) -> Lines:
    out: list[bytes] = []
    now = b""
    for token in _TOKEN.findall(line):
        if token in b"([{":
            out.append(now.strip() + token)
            now = b""
        elif token in b")]},":
            out += [now.strip(), b"" if token == b"," else token]
            now = b""
        else:
            now += _quoted(token)
    return tuple(x for x in (*out, now.strip()) if x)


def _quoted(token: bytes) -> bytes:
    """A string in double quotes, where that is no more than another spelling."""
    simple = token[:1] == token[-1:] == b"'" and len(token) > 1
    if simple and b'"' not in token and b"\\" not in token:
        return b'"%s"' % token[1:-1]
    return token


def delta(before: Lines, after: Lines) -> Delta:
    """What turns the lines of a symbol into others.

    >>> delta((b"a", b"b"), (b"b", b"c")).added
    Counter({b'c': 1})
    >>> delta((b"a", b"b"), (b"b", b"a")).reordered
    True
    """
    first, last = atoms(before), atoms(after)
    old, new = Counter(first), Counter(last)
    removed, added = old - new, new - old
    moved = not removed and not added and first != last
    return Delta(removed, added, moved)


def deltas(before: Mapping[str, Lines], after: Mapping[str, Lines]) -> dict[str, Delta]:
    """The symbols that differ, with what differs."""
    found = {}
    for name in dict.fromkeys((*before, *after)):
        if name in before and before[name] == after.get(name):
            continue
        change = delta(before.get(name, ()), after.get(name, ()))
        # A set of imports has no order.
        if change.reordered and name.rpartition(".")[2] == IMPORTS:
            continue
        if not change.empty or (name in before) != (name in after):
            found[name] = change
    return found


def renames(
    wanted: Sequence[str], before: Mapping[str, Lines], after: Mapping[str, Lines]
) -> dict[str, str]:
    """Where symbols went that `after` no longer has under their name.

    Only a symbol that is new in `after`, has the same parent, and is alone in
    being alike enough is taken: a twin that was there before is never one.
    """
    fresh = [name for name in after if name not in before]
    found: dict[str, str] = {}
    for name in wanted:
        if name in after or name not in before:
            continue
        parent = name.rpartition(".")[0]
        if parent and parent not in after and parent in before:
            continue  # found through its parent, below
        last = name.rpartition(".")[2]
        near = [
            other
            for other in fresh
            # One of its name under another class may be it as well.
            if (other.rpartition(".")[0] == parent or other.rpartition(".")[2] == last)
            and alike(_whole(name, before), _whole(other, after))
        ]
        same = len(near) == 1 and near[0].rpartition(".")[0] == parent
        if same and near[0] not in found.values():
            found[name] = near[0]
    for name in wanted:
        parent, _, last = name.rpartition(".")
        moved = renames([parent], before, after).get(parent) if parent else None
        if name not in after and moved and f"{moved}.{last}" in after:
            found[name] = f"{moved}.{last}"
    return found


def _whole(name: str, table: Mapping[str, Lines]) -> Lines:
    """A symbol's lines with those of its members, without the line of its name."""
    inner = (
        line for other in table if other.startswith(f"{name}.") for line in table[other]
    )
    return (*table[name][1:], *inner)


def alike(a: Lines, b: Lines) -> bool:
    """Whether the share of equal lines, in order, is at least `RENAMED`."""
    if not a and not b:
        return False
    found = Matcher(a, b)
    # The first two are never less than the last, and cheap.
    shares = (found.real_quick_ratio, found.quick_ratio, found.ratio)
    return all(share() >= RENAMED for share in shares)
