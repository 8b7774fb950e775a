# SPDX-License-Identifier: Apache-2.0
"""One use of one name, and what is done with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from scripts.port.merge.scopes import Link


class How(Enum):
    """What is done with what a name stands for."""

    CALLED = "called"
    LISTED = "asked for its elements"
    """`in`, a loop, `sorted`, `len`: any collection answers."""
    READ = "read"
    SET = "set, or deleted"
    """An attribute that is assigned to."""
    IMPORTED = "imported"
    NAMED = "named in a text"
    """As `monkeypatch` takes it: only whether it is there is asked."""


@dataclass(frozen=True)
class Call:
    """The arguments of a call, as far as they are written down."""

    positional: int
    names: tuple[str, ...]
    open: bool
    """Whether `*` or `**` hides some."""
    part: bool = False
    """Whether the others come later, as those of `functools.partial` do."""


@dataclass(frozen=True)
class Use:
    """One use of one name."""

    row: int
    """Line of the file, from 1."""
    scope: str
    """Function or class around it, qualified."""
    parts: tuple[str, ...]
    """The dotted name, cut at its dots."""
    how: How
    call: Call | None = None
    start: Link | None = None
    """What the first part is, where an import inside a function binds it."""
    owner: str = ""
    """The class whose method says `self`, which is the first part then."""
    kind: str = ""
    """Annotation of a local name, which is the first part, or what makes it."""
    said: bool = False
    """Whether it stands in an annotation, which need not be there when it runs."""

    @property
    def text(self) -> str:
        return ".".join(self.parts).replace(".[", "[")

    @property
    def name(self) -> str:
        """The last part, of a key without its brackets."""
        return self.parts[-1].strip('["]')


def last_word(node: ast.expr) -> str:
    """The last word of what is called; empty for what has none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def name_of(link: Link | None) -> Iterator[str]:
    """The name that a link leads to, if it leads anywhere."""
    if link is not None:
        yield link.name or link.module
