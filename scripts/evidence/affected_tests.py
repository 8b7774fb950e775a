# SPDX-License-Identifier: Apache-2.0
"""Which tests can tell two trees apart, by the lines that they run.

Where functions alone differ, a test that runs none of them ends on both trees alike;
it need not be run twice. Where a value of a module or a class differs, any test may
see it. What a test does in a process that it starts is not measured, so nothing is
known of such a test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from scripts.evidence.names import State, is_code
from scripts.evidence.session import function


@dataclass(frozen=True)
class Change:
    """What differs in one file, seen from the tree that was measured."""

    functions: tuple[tuple[int, int], ...]
    """First and last line of each outermost function that differs."""
    names: frozenset[str]
    """Bound by statements of the module or a class that differ, on either side."""
    values: bool
    """Whether one of them is no function, and the file is there on both sides."""


def changes(measured: State, other: State) -> dict[str, Change]:
    """What differs between two trees, by path; Python code alone."""
    return {
        path: change(entry.data.decode(), after.data.decode() if after else "")
        for path, entry in measured.items()
        if entry is not None
        and entry != (after := other[path])
        and is_code(path)
        and path.endswith(".py")
    }


def change(before: str, after: str) -> Change:
    """What of `before` differs from `after`.

    >>> change("def f():\\n    return 1\\n", "def f():\\n    return 2\\n").functions
    ((1, 2),)
    >>> sorted(change("A = 1\\n", "A = 2\\nB = 3\\n").names)
    ['A', 'B']
    """
    old, new = before.split("\n"), after.split("\n")
    gone: set[int] = set()
    come: set[int] = set()
    for tag, a, b, c, d in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if tag != "equal":
            gone |= set(range(a + 1, b + 1)) or {a, a + 1}
            come |= set(range(c + 1, d + 1)) or {c, c + 1}
    first, second = list(_spans(ast.parse(before))), list(_spans(ast.parse(after)))
    functions = tuple(
        (start, end)
        for start, end, names in first
        if not names and _hit(start, end, gone)
    )
    # A function that is there on one side alone is a name that comes or goes.
    known = [{n for _, _, names in side for n in names} for side in (first, second)]
    values: set[str] = set()
    for side, lines in ((first, gone), (second, come)):
        values |= {n for a, b, ns in side if _hit(a, b, lines) for n in ns}
    names = values | (known[0] ^ known[1])
    return Change(functions, frozenset(names), bool(values and after))


def _hit(start: int, end: int, lines: set[int]) -> bool:
    return any(start <= line <= end for line in lines)


def _spans(
    tree: ast.Module | ast.ClassDef,
) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Lines of each function, without names; of each other statement, with them.

    A function's name is bound by its `def`, which has a span of no lines.
    """
    for node in tree.body:
        end = node.end_lineno or node.lineno
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                yield first, end, frozenset()
                yield 0, -1, frozenset({node.name})
            case ast.ClassDef():
                yield node.lineno, node.body[0].lineno - 1, frozenset({node.name})
                yield from _spans(node)
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                yield node.lineno, end, frozenset(_bound(node)) or frozenset({"*"})


def _bound(node: ast.stmt) -> Iterator[str]:
    for each in ast.walk(node):
        match each:
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0]
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


def able_to_tell(
    cover: Mapping[str, Any],
    differing: Mapping[str, Change],
    sources: Mapping[str, str],
) -> set[str]:
    """Tests, as `path::name`, that run something which differs.

    Args:
        cover: What `ground.cover_map` gives, of the tree seen from.
        differing: What `changes` gives.
        sources: Test files of that tree, with their text.
    """
    found: set[str] = set()
    names: set[str] = set()
    for path, each in differing.items():
        names |= each.names
        if each.values:
            return {function(node) for node in cover["tests"]}
        for line, nodes in cover["lines"].get(path, {}).items():
            if any(a <= int(line) <= b for a, b in each.functions):
                found |= {function(node) for node in nodes}
    for path, text in sources.items():
        words = {
            word
            for node in ast.walk(ast.parse(text))
            for word in (
                getattr(node, "id", None),
                getattr(node, "attr", None),
                getattr(node, "value", None),
                getattr(node, "name", None),
            )
            if isinstance(word, str)
        }
        if words & names:
            found |= {
                f for n in cover["tests"] if (f := function(n)).startswith(f"{path}::")
            }
    return found
