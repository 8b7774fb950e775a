# SPDX-License-Identifier: Apache-2.0
"""What a line stands in within an expression: a test's arm, a "not", a filter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from scripts.port.merge.languages import text

NOT, JOINED = "not", "joined"
ELSE_ARM = "else_expression"
_COMPREHENSIONS = {
    *("list_comprehension", "set_comprehension", "dictionary_comprehension"),
    "generator_expression",
}
_JOINS = {"and", "or", "&&", "||"}


@dataclass(frozen=True)
class Around:
    """One statement around a line, or a way out before it."""

    kind: str
    test: str

    @property
    def said(self) -> str:
        if self.kind in (NOT, JOINED):
            return f"`{self.test or self.kind}`"
        if self.kind.startswith("preproc"):
            return f"`#{self.test or 'else'}`"
        word = self.kind.split("_")[0]
        return f"`{word} {self.test}`" if self.test else f"`{word}`"


def inside(parent: Node, child: Node) -> Iterator[Around]:
    """What an expression says of one of its parts, the outermost first.

    Args:
        parent: The expression.
        child: The part.
    """
    if parent.type == "conditional_expression":
        yield from _arm(parent, child)
    elif parent.type in _COMPREHENSIONS:
        for part in parent.named_children:
            if part.type == "if_clause" and part != child:
                yield Around("if_clause", flat(part.named_children[0]))
    elif parent.type == "not_operator" or (
        parent.type == "unary_expression" and parent.children[0].type == "!"
    ):
        yield Around(NOT, "")
    elif (word := _joined(parent)) and (
        parent.parent is None or _joined(parent.parent) != word
    ):
        yield Around(JOINED, word)


def _joined(node: Node) -> str:
    """The word that joins two tests; empty for what is no such expression."""
    if node.type not in ("boolean_operator", "binary_expression"):
        return ""
    return next((c.type for c in node.children if c.type in _JOINS), "")


def _arm(parent: Node, child: Node) -> Iterator[Around]:
    """Of `a if test else b`, and of `test ? a : b`."""
    words = {c.type: c.start_byte for c in parent.children}
    python = "else" in words
    test = parent.children[2 if python else 0]
    if test == child:
        return
    yield Around("if_expression", flat(test))
    if child.start_byte >= words["else" if python else ":"]:
        yield Around(ELSE_ARM, "")


def flat(node: Node | None) -> str:
    """Its text on one line, without brackets around."""
    raw = " ".join(text(node).decode("utf-8", "replace").split())
    return raw[1:-1] if raw.startswith("(") and raw.endswith(")") else raw
