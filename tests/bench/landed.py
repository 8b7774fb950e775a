# SPDX-License-Identifier: Apache-2.0
"""Where a change landed, by Python's own parser: no code of the port is used.

The judge of `make carry-matrix` must not share a fault with what it judges.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

Symbols = dict[str, Counter[str]]


# What a patch was made on is asked of every tool, on every release.
@lru_cache(maxsize=1024)
def symbols(data: bytes | None) -> Symbols | None:
    """Lines by qualified name of the function or class they stand in.

    None where the file cannot be parsed.
    """
    if data is None:
        return {}
    text = data.decode("utf-8", "replace")
    try:
        top = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    owner = ["module"] * (text.count("\n") + 2)
    seen: Counter[str] = Counter()
    for name, node in _named(top, ""):
        seen[name] += 1
        unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        last = node.end_lineno or node.lineno
        owner[first : last + 1] = [unique] * (last + 1 - first)
    found: Symbols = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            found.setdefault(owner[number], Counter())[line.strip()] += 1
    return found


Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _named(node: ast.AST, above: str) -> Iterator[tuple[str, Named]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Named):
            name = f"{above}.{child.name}" if above else child.name
            yield name, child
            yield from _named(child, name)
        else:
            yield from _named(child, above)


def wrong(
    path: str,
    was: bytes | None,
    become: bytes | None,
    before: bytes | None,
    after: bytes | None,
) -> list[str]:
    """What a tool did wrong to a file.

    Args:
        path: The file.
        was: What the patch was made on.
        become: What the patch made of it.
        before: The new upstream's file.
        after: What the tool made of it.
    """
    if not path.endswith(".py"):
        return _lines(was, become, before, after)
    sides = [symbols(x) for x in (was, become, before, after)]
    old, want, new, made = sides
    if old is None or want is None or new is None:
        return []
    if made is None:
        return ["the result does not parse"]
    meant, done = _changed(old, want), _changed(new, made)
    found = [f"{name} is not the patch's" for name in done if name not in meant]
    for name, (lost, got) in done.items():
        if name in meant:
            gone, come = meant[name]
            # A line that was only extended, as an import is, is not lost.
            lost = Counter(
                {x: n for x, n in (lost - gone).items() if not _extended(x, got)}
            )
            if lost:
                found.append(f"{name} loses {next(iter(lost))!r}")
            if not (got - come).keys() <= {*_joined(got, come)}:
                found.append(f"{name} gets {next(iter(got - come))!r}")
    for name, (_, come) in meant.items():
        here = made.get(name, Counter())
        if come and not (come & here):
            found.append(f"{name} has nothing of the patch")
    return found


def _changed(a: Symbols, b: Symbols) -> dict[str, tuple[Counter[str], Counter[str]]]:
    empty: Counter[str] = Counter()
    found = {}
    for name in {*a, *b}:
        x, y = a.get(name, empty), b.get(name, empty)
        if x != y:
            found[name] = (x - y, y - x)
    return found


def _words(line: str) -> set[str]:
    return set(line.replace(",", " ").replace("(", " ").replace(")", " ").split())


def _extended(line: str, got: Counter[str]) -> bool:
    """Whether all of a line's words are in what was put in its place."""
    return _words(line) <= {w for other in got for w in _words(other)}


def _joined(got: Counter[str], come: Counter[str]) -> Iterator[str]:
    """Lines whose words all come from the patch or from what they replace."""
    for line in got:
        words = _words(line)
        if any(words & _words(other) for other in come) or line in come:
            yield line


def _lines(
    was: bytes | None, become: bytes | None, before: bytes | None, after: bytes | None
) -> list[str]:
    """Without symbols: nothing lost or added that the patch does not."""
    one, two, three, four = (
        Counter(x.strip() for x in (data or b"").split(b"\n"))
        for data in (was, become, before, after)
    )
    lost = (three - four) - (one - two)
    more = (four - three) - (two - one)
    return [f"it loses or adds {next(iter(x))!r}" for x in (lost, more) if x]
