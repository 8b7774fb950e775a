# SPDX-License-Identifier: Apache-2.0
"""The statements that a line stands in, and the ways out before it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from scripts.port.merge.inside import ELSE_ARM, NOT, Around, flat, inside

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
    "preproc_ifdef": "",
    "preproc_elif": "condition",
    "preproc_else": "",
}
_OUT = {"return_statement", "raise_statement", "continue_statement", "break_statement"}
_OUT |= {"throw_statement"}
_LEAVES = re.compile(r"(pytest\.(skip|xfail|fail)|sys\.exit|os\._exit|exit)\(")
"""Calls that do not come back."""
ELSE = {"else_clause", "preproc_else", ELSE_ARM, NOT}
GUARD = "way out"
MARK = "decorator"
_CONDITIONAL = re.compile(r"^@[\w.]*(skip|xfail|unless|if)", re.IGNORECASE)
"""Decorators on which it depends whether a function runs at all."""
KEEPS = re.compile(r"^@[\w.]*\b(lru_cache|cache|cached_property)\b")
"""Those that keep what a function gave, so that it runs once."""
BINDS = re.compile(r"^@(static|class)method\b")
"""Those that say what the first parameter is."""
_TELLING = (_CONDITIONAL, KEEPS, BINDS)


Chain = tuple[Around, ...]


def chain_of(node: Node | None, row: int) -> Chain:
    """From the outermost statement to the innermost, ways out in between."""
    found: list[Around] = []
    child = node
    while child is not None and child.parent is not None:
        parent = child.parent
        if parent.type in ("block", "compound_statement", "module"):
            found += reversed(list(_ways_out(parent, child)))
        if parent.type in ("if_statement", "try_statement"):
            found += reversed(list(_before(parent, child)))
        if parent.start_point.row < row and parent.type in _HEADS:
            found.append(Around(parent.type, _test(parent)))
        found += reversed(list(inside(parent, child)))
        if parent.type == "decorated_definition" and child.type != "decorator":
            found += [
                Around(MARK, flat(mark)[1:])
                for mark in parent.named_children
                if mark.type == "decorator"
                and any(word.search(flat(mark)) for word in _TELLING)
            ]
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
        if other.type == "assert_statement" and other.named_children:
            yield Around(GUARD, f"not ({flat(other.named_children[0])})")
        body = other.child_by_field_name("consequence")
        if other.type != "if_statement" or body is None:
            continue
        last = body.named_children[-1] if body.named_children else body
        if last.type in _OUT or _LEAVES.match(flat(last)):
            yield Around(GUARD, _test(other))


def _test(node: Node) -> str:
    part = _HEADS.get(node.type, "")
    if part:
        return flat(node.child_by_field_name(part))
    if node.type in ("with_statement", "case_clause", "except_clause"):
        return flat(node).partition(":")[0].partition(" ")[2]
    if node.type == "preproc_ifdef":
        return " ".join(flat(child) for child in node.children[:2]).removeprefix("#")
    return ""
