# SPDX-License-Identifier: Apache-2.0
"""What stands around a change: the tests that it runs under, there and here.

A hunk can merge, and its lines stand under a condition that upstream turned
round. So the chain of statements around each line that a patch adds or removes
is compared with the chain where the patch was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from scripts.port.contrary import opposite
from scripts.port.languages import text, tree
from scripts.port.rows import added_rows
from scripts.port.symbols import owners, renames, symbols

_HEADS = {
    "if_statement": "condition",
    "elif_clause": "condition",
    "while_statement": "condition",
    "for_statement": "right",
    "with_statement": "",
    "match_statement": "subject",
    "case_clause": "",
    "except_clause": "",
    "else_clause": "",
    "finally_clause": "",
    "try_statement": "",
    "switch_statement": "condition",
    "case_statement": "value",
    "for_range_loop": "right",
    "do_statement": "condition",
    "preproc_if": "condition",
    "preproc_ifdef": "name",
    "preproc_else": "",
}
_OUT = {"return_statement", "raise_statement", "continue_statement", "break_statement"}
_GUARD = "way out"


@dataclass(frozen=True)
class Around:
    """One statement around a line, or a way out before it."""

    kind: str
    test: str

    @property
    def said(self) -> str:
        word = self.kind.split("_")[0]
        return f"`{word} {self.test}`" if self.test else f"`{word}`"


Chain = tuple[Around, ...]


@dataclass(frozen=True)
class Ground:
    """What upstream did to the ground of a change."""

    turned: tuple[str, ...] = ()
    """It would do the contrary now."""
    changed: tuple[str, ...] = ()
    """A person has to read it."""


def ground(path: str, base: bytes, ours: bytes, theirs: bytes, result: bytes) -> Ground:
    """Compare the chains of what the patch adds, and of what it removes."""
    turned: list[str] = []
    changed: list[str] = []
    for was, now in (
        (_added(path, base, theirs), _added(path, ours, result)),
        (_added(path, theirs, base), _added(path, result, ours)),
    ):
        to = renames([n for n, _, _ in was], symbols(path, base), symbols(path, ours))
        for (name, line, count), chain in was.items():
            here = now.get((to.get(name, name), line, count))
            if here is None or here == chain:
                continue
            bad, said = _compared(chain, here)
            (turned if bad else changed).append(f"{said}, in {name}")
    return Ground(tuple(dict.fromkeys(turned)), tuple(dict.fromkeys(changed)))


def _added(
    path: str, before: bytes, after: bytes
) -> dict[tuple[str, bytes, int], Chain]:
    """Chain of each line that `after` has more, by symbol, text and count."""
    root = tree(path, after)
    if root is None:
        return {}
    names = owners(path, after)
    rows = after.split(b"\n")
    found: dict[tuple[str, bytes, int], Chain] = {}
    seen: Counter[tuple[str, bytes]] = Counter()
    for row in sorted(added_rows(before, after)):
        line = rows[row - 1].strip() if row <= len(rows) else b""
        name = names[row - 1] if row <= len(names) else ""
        if not line or line.startswith((b"#", b"//")):
            continue
        seen[name, line] += 1
        column = len(rows[row - 1]) - len(rows[row - 1].lstrip())
        node = root.descendant_for_point_range((row - 1, column), (row - 1, column))
        found[name, line, seen[name, line]] = _chain(node, row - 1)
    return found


def _chain(node: Node | None, row: int) -> Chain:
    """From the outermost statement to the innermost, ways out in between."""
    found: list[Around] = []
    child = node
    while child is not None and child.parent is not None:
        parent = child.parent
        if parent.type in ("block", "compound_statement", "module"):
            found += reversed(list(_ways_out(parent, child)))
        if parent.type in ("if_statement", "try_statement"):
            found += reversed(list(_before(parent, child)))
        if parent.start_point[0] < row and parent.type in _HEADS:
            found.append(Around(parent.type, _test(parent)))
        child = parent
    return tuple(reversed(found))


def _before(parent: Node, child: Node) -> Iterator[Around]:
    """The tests of branches above, which were not taken."""
    for other in parent.children:
        if other.start_byte >= child.start_byte:
            return
        if other.type == "elif_clause":
            yield Around("not_elif", _test(other))


def _ways_out(block: Node, child: Node) -> Iterator[Around]:
    for other in block.named_children:
        if other.start_byte >= child.start_byte:
            return
        body = other.child_by_field_name("consequence")
        if other.type != "if_statement" or body is None:
            continue
        last = body.named_children[-1] if body.named_children else body
        if last.type in _OUT and not other.child_by_field_name("alternative"):
            yield Around(_GUARD, _test(other))


def _test(node: Node) -> str:
    part = _HEADS.get(node.type, "")
    if part:
        return _flat(node.child_by_field_name(part))
    if node.type in ("with_statement", "case_clause", "except_clause"):
        return _flat(node).partition(":")[0].partition(" ")[2]
    return ""


def _flat(node: Node | None) -> str:
    raw = " ".join(text(node).decode("utf-8", "replace").split())
    return raw[1:-1] if raw.startswith("(") and raw.endswith(")") else raw


def _compared(was: Chain, now: Chain) -> tuple[bool, str]:
    """Whether the chain was turned round, and what to say of it."""
    blocks = [a for a in was if a.kind != _GUARD], [a for a in now if a.kind != _GUARD]
    flips, said = 0, ""
    for a, b in zip(*blocks, strict=False):
        if a == b:
            continue
        if a.kind == b.kind and a.test != b.test:
            if opposite(a.test, b.test):
                flips += 1
                said = f"upstream turned the test around it: {a.said} is {b.said} now"
            elif not said:
                said = f"upstream changed the test around it: {a.said} is {b.said} now"
            continue
        if "else_clause" in (a.kind, b.kind):
            flips += 1
            said = f"it would stand in another branch: {b.said}, and not {a.said}"
        elif not said:
            said = f"it would stand in {b.said}, and not in {a.said}"
        break
    longer = max(blocks, key=len)[min(map(len, blocks)) :]
    if longer and len(blocks[0]) != len(blocks[1]):
        into = len(blocks[1]) > len(blocks[0])
        if any(a.kind == "else_clause" for a in longer):
            flips += 1
        names = ", ".join(a.said for a in longer)
        how = "put it into" if into else "took it out of"
        said = said or f"upstream {how} {names}"
    if flips % 2:
        return True, said
    if said:
        return False, said
    return _ways(
        [a for a in was if a.kind == _GUARD], [a for a in now if a.kind == _GUARD]
    )


def _ways(was: list[Around], now: list[Around]) -> tuple[bool, str]:
    gone = [a for a in was if a not in now]
    come = [a for a in now if a not in was]
    for a in gone:
        for b in come:
            if opposite(a.test, b.test):
                return True, f"the way out before it asks `{b.test}` now, the contrary"
    if gone and come:
        said = f"the way out before it asks `{come[0].test}` now"
        return False, f"{said}, and not `{gone[0].test}`"
    if come:
        return False, f"upstream leaves before it if `{come[0].test}`"
    return False, f"upstream does not leave before it if `{gone[0].test}`"
