# SPDX-License-Identifier: Apache-2.0
"""Branches for one thing that a merge leaves twice: the second never runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tree_sitter import Node

from scripts.port.merge.inside import flat
from scripts.port.merge.languages import branching
from scripts.port.merge.rows import added_rows


def repeated(path: str, upstream: bytes, patched: bytes, result: bytes) -> list[str]:
    """Tests and cases that come twice in one statement, and do so on no side."""
    found = _twice(path, result, added_rows(upstream, result))
    if not found:
        return []
    more = found - _twice(path, upstream) - _twice(path, patched)
    return [f"`{said}` would come twice, and the second never runs" for said in more]


def _twice(path: str, data: bytes, rows: frozenset[int] | None = None) -> set[str]:
    """Of the statements that have one of these lines, from 1; None for all."""
    found: set[str] = set()
    for node in branching(path, data):
        span = range(node.start_point.row + 1, node.end_point.row + 2)
        if rows is not None and rows.isdisjoint(span):
            continue
        counts = Counter(_tests(node))
        found |= {said for said, count in counts.items() if count > 1}
    return found


def _tests(node: Node) -> Iterator[str]:
    """The tests of a chain of branches, or the cases of a match or a switch."""
    if node.type == "if_statement":
        yield f"if {flat(node.child_by_field_name('condition'))}"
        for child in node.named_children:
            if child.type == "elif_clause":
                yield f"if {flat(child.child_by_field_name('condition'))}"
        return
    block = node.child_by_field_name("body")
    for child in block.named_children if block else ():
        if child.type == "case_clause":
            yield flat(child).partition(":")[0]
        elif child.type == "case_statement":
            yield f"case {flat(child.child_by_field_name('value'))}"
