# SPDX-License-Identifier: Apache-2.0
"""A tree's Python modules by name, followed through their imports."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from scripts.port.merge.definitions import ENUMS, Definition, Sort
from scripts.port.merge.scopes import Link, dotted
from scripts.port.merge.signature import Making, Param
from scripts.port.names.modules import Module, module
from scripts.series.replay import Tree

_BARE = {"object", "ABC", "Generic", "Protocol", "Struct"}
"""Classes above that bring no fields, and are not of the tree."""
_EACH = re.compile(
    r"(?:list|set|frozenset|tuple|Sequence|Iterable)\[([\w.]+)(?:, \.\.\.)?\]"
)
"""What holds things of one class, and that class."""
DEEP = 12
"""Most imports that a name is followed through."""


class Unfound(Enum):
    """Why a name has no definition here."""

    MISSING = "it is not there"
    UNKNOWN = "it may be there"
    """It comes from outside the tree, or from code that has to run."""


Found = Definition | Unfound


@dataclass(frozen=True)
class Library:
    """One tree."""

    read: Tree
    folder: Callable[[str], bool]
    """Whether a path is a folder of the tree."""

    paths: dict[str, str | None] = field(default_factory=dict, compare=False)
    names: dict[tuple[str, str], Found] = field(default_factory=dict, compare=False)
    """What was asked before: the tree does not change."""

    def path(self, name: str) -> str | None:
        """The file of a module, as Python would find it."""
        if name not in self.paths:
            base = name.replace(".", "/")
            both = (f"{base}/__init__.py", f"{base}.py")
            found = [path for path in both if self.read(path) is not None]
            self.paths[name] = found[0] if found else None
        return self.paths[name]

    def load(self, path: str) -> Module | None:
        """The module of a file; None where there is none, or it is broken."""
        entry = self.read(path)
        return None if entry is None else module(path, entry.data)

    def name(self, where: str, name: str, deep: int = 0) -> Found:
        """What `name` is in the module `where`."""
        if deep:
            return self._name(where, name, deep)
        if (where, name) not in self.names:
            self.names[where, name] = self._name(where, name, 0)
        return self.names[where, name]

    def _name(self, where: str, name: str, deep: int) -> Found:
        path = self.path(where)
        if path is None:
            return self._folder(where, name)
        found = self.load(path)
        if found is None or deep > DEEP:
            return Unfound.UNKNOWN
        if (made := found.get(name)) is not None:
            return made
        if name in found.links:
            return self.link(found.links[name], deep + 1)
        if self.path(f"{where}.{name}") or self.folder(
            f"{where}.{name}".replace(".", "/")
        ):
            return Definition(name, Sort.MODULE, home=f"{where}.{name}")
        for star in found.stars:
            got = self.name(star, name, deep + 1)
            if got is not Unfound.MISSING:
                return got
        if name.startswith("__"):
            return Unfound.UNKNOWN
        if found.opens:
            entry = self.read(path)
            data = entry.data if entry else b""
            said = re.search(rb"\b%s\b" % re.escape(name.encode()), data)
            return Unfound.UNKNOWN if said else Unfound.MISSING
        return Unfound.MISSING

    def _folder(self, where: str, name: str) -> Found:
        base = where.replace(".", "/")
        if not self.folder(base):
            inside = self.folder(base.partition("/")[0])
            return Unfound.MISSING if inside else Unfound.UNKNOWN
        full = f"{where}.{name}"
        if self.path(full) or self.folder(full.replace(".", "/")):
            return Definition(name, Sort.MODULE, home=full)
        return Unfound.MISSING

    def link(self, link: Link, deep: int = 0) -> Found:
        """What an imported name is."""
        if link.name:
            return self.name(link.module, link.name, deep)
        if self.path(link.module) or self.folder(link.module.replace(".", "/")):
            return Definition(link.module, Sort.MODULE, home=link.module)
        inside = self.folder(link.module.partition(".")[0])
        return Unfound.MISSING if inside else Unfound.UNKNOWN

    def member(self, owner: Definition, name: str, deep: int = 0) -> Found:
        """What `name` is in a class, or in one of its bases."""
        if name in owner.members:
            return owner.members[name]
        if name.startswith("__") or deep > DEEP or "__getattr__" in owner.members:
            return Unfound.UNKNOWN
        known = True
        for base in owner.bases:
            if base.rpartition(".")[2] in ENUMS and name.isupper():
                return Unfound.MISSING
            above = self.chain(owner.home, base.split("."))
            if not isinstance(above, Definition) or above.sort is not Sort.CLASS:
                known = known and base == "object"
                continue
            got = self.member(above, name, deep + 1)
            if isinstance(got, Definition):
                return got
            known = known and got is Unfound.MISSING
        return Unfound.MISSING if known else Unfound.UNKNOWN

    def chain(
        self, path: str, parts: Sequence[str], start: Link | None = None
    ) -> Found:
        """What a dotted name is in a file.

        Args:
            path: The file.
            parts: The name, cut at its dots.
            start: What the first part is, where a scope inside binds it.
        """
        if start is not None:
            now = self.link(start)
        else:
            now = self.name(dotted(path), parts[0])
        for part in parts[1:]:
            if not isinstance(now, Definition) or now.again:
                return now if now is Unfound.MISSING else Unfound.UNKNOWN
            now = self._step(now, part)
        return self.built(now) if isinstance(now, Definition) else now

    def through(self, owner: Definition, parts: Sequence[str]) -> Found:
        """What a dotted name is, from an instance of a class on."""
        now = self._of(owner, parts[0])
        for part in parts[1:]:
            if not isinstance(now, Definition) or now.again:
                return now if now is Unfound.MISSING else Unfound.UNKNOWN
            now = self._step(now, part)
        return now

    def _step(self, now: Definition, part: str) -> Found:
        """What `part` is of what a name stands for."""
        if part.startswith("["):
            return self._key(now, part[2:-2])
        if now.sort is Sort.MODULE:
            return self.name(now.home, part)
        if now.sort is Sort.CLASS:
            return self.member(now, part)
        if now.sort is Sort.VALUE and part in now.members:
            return now.members[part]
        if now.sort is Sort.VALUE:
            kind = self.kind(now.home, now.made_by or now.gives)
            if isinstance(kind, Definition):
                return self._of(kind, part)
        return Unfound.UNKNOWN

    def _key(self, now: Definition, key: str) -> Found:
        """What a member of an enum, or a key of a dict, is."""
        if now.sort is Sort.CLASS:
            return self.member(now, key)
        if now.keys is None:
            return Unfound.UNKNOWN
        entry = self.read(now.home)
        quoted = re.compile(rb"""["']%s["']""" % re.escape(key.encode()))
        if key not in now.keys and not (entry and quoted.search(entry.data)):
            return Unfound.MISSING
        return Unfound.UNKNOWN

    def _of(self, kind: Definition, part: str) -> Found:
        """What `part` is of an instance."""
        found = self.member(kind, part)
        if isinstance(found, Definition) and found.sort is Sort.FUNCTION:
            return replace(found, bound=True)
        return found

    def kind(self, path: str, said: str, deep: int = 0) -> Found:
        """The class that an annotation says, or that a call makes one of.

        Args:
            path: The file that says it.
            said: The annotation, or what is called.
            deep: How often it was followed.
        """
        if said.endswith("[]"):
            held = self.chain(path, said[:-2].split("."))
            if not isinstance(held, Definition):
                return Unfound.UNKNOWN
            each = _EACH.fullmatch(held.gives)
            return self.kind(held.home, each[1], deep + 1) if each else Unfound.UNKNOWN
        bare = said.strip("\"'").removesuffix("| None").strip()
        if bare.startswith("Optional["):
            bare = bare[9:-1]
        if not re.fullmatch(r"[A-Za-z_][\w.]*", bare) or deep > DEEP:
            return Unfound.UNKNOWN
        made = self.chain(path, bare.split("."))
        if not isinstance(made, Definition) or made.again:
            return Unfound.UNKNOWN
        if made.sort is Sort.CLASS:
            return made
        if made.sort is Sort.FUNCTION and made.gives and "async" not in made.marks:
            return self.kind(made.home, made.gives, deep + 1)
        return Unfound.UNKNOWN

    def built(self, made: Definition, deep: int = 0) -> Definition:
        """A class with what it is built with, fields of the classes above too."""
        if made.sort is not Sort.CLASS or made.params is not None or not made.bases:
            return made
        params: dict[str, Param] = {}
        how, more = made.making, made.more
        for base in reversed(made.bases):
            if base.partition("[")[0].rpartition(".")[2] in _BARE:
                continue
            above = self.chain(made.home, base.partition("[")[0].split("."))
            if not isinstance(above, Definition) or above.again or deep > DEEP:
                return made
            if above.making is Making.STRUCT:
                how = Making.STRUCT
            if how is Making.WRITTEN or above.making is not Making.WRITTEN:
                if above.params is None:
                    return made
                more |= above.more
                params |= {p.name: p for p in above.params}
        if how is not Making.WRITTEN:
            params |= {p.name: p for p in made.fields}
        if how is Making.WRITTEN and len(made.bases) > 1:
            return made  # which of them says it, only Python's own order tells
        return replace(made, params=tuple(params.values()), more=more, making=how)
