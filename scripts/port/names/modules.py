# SPDX-License-Identifier: Apache-2.0
"""What a Python module offers to those that import it, read and never run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from tree_sitter import Node

from scripts.port.merge.definitions import Definition, defined
from scripts.port.merge.languages import text, tree
from scripts.port.merge.outline import IMPORTS
from scripts.port.merge.scopes import Link, absolute, linked, statements


@dataclass(frozen=True)
class Chunk:
    """One statement at the top of a file; it is parsed when it is asked for."""

    path: str
    source: bytes
    row: int
    """Line that it starts at, from 1."""

    @property
    def body(self) -> list[ast.stmt]:
        """Its nodes count their lines from 1: `above` comes on top."""
        return _parsed(self.source)

    @property
    def above(self) -> int:
        """How many lines of the file come before it."""
        return self.row - 1

    @property
    def defined(self) -> Mapping[str, Sequence[Definition]]:
        """What it binds; a block of many names is gone through once."""
        return _defined(self.path, self.source)

    @property
    def rows(self) -> range:
        return range(self.row, self.row + self.source.count(b"\n") + 1)


# A patch changes a few statements of a file; all others are those of the version
# before, and are neither parsed nor looked at again.
@lru_cache(maxsize=8192)
def _parsed(source: bytes) -> list[ast.stmt]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source).body


@lru_cache(maxsize=8192)
def _defined(path: str, source: bytes) -> Mapping[str, Sequence[Definition]]:
    found: dict[str, list[Definition]] = {}
    for node in statements(_parsed(source)):
        for made in defined(node, path, source):
            found.setdefault(made.name, []).append(made)
    return found


@dataclass(frozen=True)
class Module:
    """One file: what stands at its top, and where."""

    chunks: tuple[Chunk, ...]
    places: Mapping[str, tuple[Chunk, ...]]
    """Where each name is bound by other than an import."""
    links: Mapping[str, Link]
    stars: tuple[str, ...]
    """Modules of which it takes everything."""
    typing: frozenset[str] = frozenset()
    """Names that are imported for type checkers alone."""
    known: dict[str, Definition | None] = field(default_factory=dict)
    """What `get` found before."""

    @property
    def opens(self) -> bool:
        """Whether it has a `__getattr__`, so that names may come from anywhere."""
        return "__getattr__" in self.places

    def sources(self, name: str) -> list[bytes]:
        """The statements that bind a name; none where no statement does."""
        return [chunk.source for chunk in self.places.get(name, ())]

    def get(self, name: str) -> Definition | None:
        """What a name is; None where it is not bound here."""
        if name not in self.known:
            found = [
                made
                for chunk in self.places.get(name, ())
                for made in chunk.defined.get(name, ())
            ]
            one = found[-1] if found else None
            if one is not None and len(found) > 1:
                nodes = tuple(node for made in found for node in made.nodes)
                one = replace(one, again=True, nodes=nodes)
            self.known[name] = one
        return self.known[name]


@lru_cache(maxsize=1024)
def module(path: str, data: bytes) -> Module | None:
    """Read a file; None where it does not parse."""
    root = tree(path, data)
    if root is None or root.has_error:
        return None
    chunks: list[Chunk] = []
    places: dict[str, list[Chunk]] = {}
    links: dict[str, Link] = {}
    stars: list[str] = []
    typing: set[str] = set()
    try:
        # All imports in one go: there are many, and each is small.
        imports = [text(n) for n in root.named_children if n.type in IMPORTS]
        parsed = iter(ast.parse(b"\n".join(imports)).body)
        for node in root.named_children:
            if node.type == "comment":
                continue
            chunk = Chunk(path, text(node), node.start_point.row + 1)
            chunks.append(chunk)
            if node.type in IMPORTS:
                _import(next(parsed), path, links, stars)
                continue
            if b"TYPE_CHECKING" in chunk.source and node.type == "if_statement":
                typing |= _typing(chunk)
            for name in _bound(node, chunk, links, stars):
                places.setdefault(name, []).append(chunk)
    except (SyntaxError, ValueError):
        return None  # Python's own parser is stricter
    at = {name: tuple(found) for name, found in places.items()}
    runs = {name for chunk in chunks for name in _runs(chunk)} if typing else set()
    return Module(tuple(chunks), at, links, tuple(stars), frozenset(typing - runs))


def _typing(chunk: Chunk) -> set[str]:
    """Names that `if TYPE_CHECKING:` imports."""
    found: set[str] = set()
    for node in chunk.body:
        if isinstance(node, ast.If) and _for_checkers(node.test):
            found |= set(_imported(node.body, chunk.path))
    return found


def _for_checkers(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


_SCOPE = re.compile(rb"(?:@|(?:async def|def|class)\b)")
"""Start of a statement whose body runs in a scope of its own."""


def _runs(chunk: Chunk) -> set[str]:
    """Names that a statement imports when it runs."""
    if b"import" not in chunk.source or _SCOPE.match(chunk.source):
        return set()
    first = chunk.body[0]
    typing = isinstance(first, ast.If) and _for_checkers(first.test)
    body = first.orelse if isinstance(first, ast.If) and typing else [first]
    return set(_imported(body, chunk.path))


def _imported(body: list[ast.stmt], path: str) -> Iterator[str]:
    for node in statements(body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from linked(node, path)


def _import(
    node: ast.stmt, path: str, links: dict[str, Link], stars: list[str]
) -> bool:
    """Note what an import binds; false for any other statement."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return False
    links |= linked(node, path)
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        stars.append(absolute(node, path))
    return True


def _bound(
    node: Node, chunk: Chunk, links: dict[str, Link], stars: list[str]
) -> Iterator[str]:
    """Names that a statement at the top binds; imports go to `links`."""
    inner = node.child_by_field_name("definition") or node
    if inner.type in ("function_definition", "class_definition"):
        yield text(inner.child_by_field_name("name")).decode("utf-8", "replace")
        for names in re.findall(rb"^\s+global ([\w, ]+)", chunk.source, re.MULTILINE):
            yield from names.decode().replace(" ", "").split(",")
        return
    if inner.type == "expression_statement" and inner.named_children:
        first = inner.named_children[0]
        left = first.child_by_field_name("left")
        if first.type != "assignment":
            return
        if left is not None and left.type == "identifier":
            right = first.child_by_field_name("right")
            if right is None or right.type != "assignment":
                yield text(left).decode("utf-8", "replace")
                return
    for found in statements(chunk.body):
        if _import(found, chunk.path, links, stars):
            continue
        for made in defined(found, chunk.path, chunk.source):
            yield made.name


def rewritten(
    path: str, before: bytes, after: bytes
) -> Iterator[tuple[Module, str, list[bytes], list[bytes]]]:
    """What stands at the top of a file in both, and reads otherwise.

    Yields:
        The file after it, a name, and its statements before and after; nothing of a
        file that does not parse.
    """
    old, new = module(path, before), module(path, after)
    if old is None or new is None:
        return
    for name in new.places:
        was, now = old.sources(name), new.sources(name)
        if was and was != now:
            yield new, name, was, now
