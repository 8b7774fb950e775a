# SPDX-License-Identifier: Apache-2.0
"""What both sides change, line apart from line: a merge is clean, and may mean another.

Git compares lines, and the guards compare symbols, so that two changes of one function
that do not touch pass both. A person is told of each; and words of the patch that
upstream took out of what they stand in are no merge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from tree_sitter import Node

from scripts.port.merge.elements import collection, ordered
from scripts.port.merge.languages import Kind, kind
from scripts.port.merge.outline import outline, walk
from scripts.port.merge.prose import without_prose
from scripts.port.merge.symbols import IMPORTS, Lines, deltas, renames, symbols

_WORD = re.compile(rb"[A-Za-z_]\w+")
_TEXTS = re.compile(rb""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")
_SETS = re.compile(
    rb"\s*(?:(?:set\(|ENV |ARG |export )\s*([A-Za-z_][\w.-]*)"
    rb"|([A-Za-z_][\w.-]*)\s*(?:\[[^\]]*\]\s*)?(?:[=:]|[<>!~]=|$))"
)
_COMMENT = re.compile(rb"//.*|/\*.*?\*/|(?:^|\s)#\s.*")


def both(path: str, base: bytes, upstream: bytes, patched: bytes) -> str:
    """What the patch changes and upstream changed, too; empty for nothing.

    Args:
        path: The file.
        base: What the patch was made on.
        upstream: The new upstream.
        patched: What the patch made of `base`.
    """
    found = _both(path, base, upstream, patched)
    if found and kind(path) is Kind.PYTHON:
        bare = [without_prose(path, data) for data in (base, upstream, patched)]
        if all(data is not None for data in bare):
            found = _both(path, *bare)  # type: ignore[arg-type]
    return f"upstream changed {', '.join(found)}, too" if found else ""


def _both(path: str, base: bytes, upstream: bytes, patched: bytes) -> list[str]:
    if kind(path) in (Kind.TEXT, Kind.MARKDOWN):
        return []
    was, now, want = (symbols(path, data) for data in (base, upstream, patched))
    mine = _with_heads(deltas(was, want))
    other = deltas(was, now)
    to = renames(list(mine), was, now)
    found = [name for name in mine if name in other and name in was]
    if found:
        more = {n for n in found if not (other[n].removed or other[n].reordered)}
        found = [n for n in found if n not in more & _loose(path, base)]
    found += [name for name in mine if name in to and was[name] != now[to[name]]]
    return [n for n in dict.fromkeys(found) if n.rpartition(".")[2] != IMPORTS]


def _with_heads(touched: Mapping[str, object]) -> list[str]:
    """Symbols and the classes around them: their own lines say what a method is of."""
    names: list[str] = []
    for name in touched:
        parts = name.split(".")
        names += [".".join(parts[: i + 1]) for i in range(len(parts))]
    return list(dict.fromkeys(names))


def _loose(path: str, data: bytes) -> set[str]:
    """Statements that are a collection without an order: more in it is no matter."""
    return {
        name
        for name, item in walk(outline(path, data) or ())
        if (node := _value(item.node)) is not None and not ordered(node, name)
    }


def _value(node: Node) -> Node | None:
    """The collection that a statement assigns, bare."""
    inner = node.named_children[0] if node.named_children else node
    if node.type != "expression_statement" or inner.type != "assignment":
        return None
    return collection(inner.child_by_field_name("right"))


def lost_words(
    path: str, base: bytes, upstream: bytes, patched: bytes
) -> Iterator[str]:
    """Words of what the patch adds that upstream took out of what they stand in.

    For Python what a name means is looked up; elsewhere the words are all there is.
    """
    if kind(path) in (Kind.PYTHON, Kind.MARKDOWN):
        return
    if kind(path) is Kind.TEXT:
        yield from _set_twice(base, upstream, patched)
    was, now, want = (symbols(path, data) for data in (base, upstream, patched))
    everywhere = _words(tuple(line for lines in now.values() for line in lines))
    tops = {name.rpartition(".")[2].lstrip("#").encode() for name in now}
    for name, change in deltas(was, want).items():
        before, here = _words(was.get(name, ())), _words(now.get(name, ()))
        said = _words(tuple(change.added)) & before
        for word in sorted(said - here):
            if word not in everywhere or (name in now and word not in tops):
                text = word.decode("utf-8", "replace")
                yield f"it says {text}, which upstream took out of {name}"


def _set_twice(base: bytes, upstream: bytes, patched: bytes) -> Iterator[str]:
    """What each side sets by a line of its own, where nobody did."""
    before, now, want = (_settings(data) for data in (base, upstream, patched))
    for name in sorted(now.keys() & want.keys() - before.keys()):
        if now[name] != want[name]:
            text = name.decode("utf-8", "replace")
            yield f"both sides set {text}, each in its own way"


def _settings(data: bytes) -> dict[bytes, set[bytes]]:
    """Lines of a file without syntax by the name that they set, or pin."""
    found: dict[bytes, set[bytes]] = {}
    for line in data.split(b"\n"):
        if match := _SETS.match(line):
            name = (match[1] or match[2]).lower().replace(b"_", b"-")
            found.setdefault(name, set()).add(line.strip())
    return found


@lru_cache(maxsize=1024)
def _words(lines: Lines) -> frozenset[bytes]:
    found: set[bytes] = set()
    for line in lines:
        if line.startswith((b"#include", b"* ")):
            continue
        found.update(_WORD.findall(_COMMENT.sub(b"", _TEXTS.sub(b"", line))))
    return frozenset(found)
