# SPDX-License-Identifier: Apache-2.0
"""Python apart from its docstrings and comments."""

from __future__ import annotations

from functools import lru_cache

from tree_sitter import Node

from scripts.port.merge.languages import prose, tree
from scripts.port.merge.rows import added_rows


def may_be(path: str, base: bytes, upstream: bytes, patched: bytes) -> bool:
    """Whether every line of code that a patch adds stands in upstream's file.

    It saves a merge: where a line is missing, the change is not there.
    """
    root = tree(path, patched)
    if root is None or root.has_error:
        return False
    spans = [(n.start_point.row, n.end_point.row + 1) for n in prose(root)]
    said = {row + 1 for first, stop in spans for row in range(first, stop)}
    rows = patched.split(b"\n")
    added = added_rows(base, patched) - said
    return {rows[row - 1].strip() for row in added} <= {
        row.strip() for row in upstream.split(b"\n")
    }


@lru_cache(maxsize=192)
def without_prose(path: str, data: bytes) -> bytes | None:
    r"""Python without docstrings, comments and blank lines; None if it is none.

    >>> without_prose("x.py", b"def f():\n    'A.'\n    # b\n    return 1\n")
    b'def f():\n    return 1\n'
    """
    root = tree(path, data)
    if root is None or root.has_error:
        return None
    spans: list[tuple[int, int, bytes]] = []
    for node in prose(root):
        new = b"pass" if node.type != "comment" and _alone(node) else b""
        spans.append((node.start_byte, node.end_byte, new))
    out, done = [], 0
    for start, end, new in sorted(spans):
        out += [data[done:start], new]
        done = end
    rows = b"".join([*out, data[done:]]).split(b"\n")
    return b"".join(row.rstrip() + b"\n" for row in rows if row.strip())


def _alone(node: Node) -> bool:
    """Whether a statement is the only one of its block."""
    assert node.parent is not None
    return sum(n.type != "comment" for n in node.parent.named_children) == 1
