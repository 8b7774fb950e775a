# SPDX-License-Identifier: Apache-2.0
"""Both trees whole, so that names can be followed and words be found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from scripts.base.object_ids import Entry
from scripts.port.names.breach import Side
from scripts.port.names.library import Library
from scripts.series.replay import Tree
from scripts.upstream.sdist_contents import Source


@dataclass(frozen=True)
class Trees:
    """Every Python file of both trees, so that names can be followed."""

    base: Source
    new: Source


@dataclass
class Index:
    """One tree's Python; what was asked of it once is not looked for again."""

    source: Source
    like: Index | None = None
    """Another tree, most of whose files are this one's, too."""
    found: dict[bytes, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def folders(self) -> frozenset[str]:
        return frozenset(p for path in self.source.ids for p in _parents(path))

    @cached_property
    def own(self) -> Mapping[str, bool]:
        """Python files, and whether they are other ones than the like tree's."""
        ids = self.like.source.ids if self.like else {}
        return {
            path: path not in ids or ids[path][1] != self.source.ids[path][1]
            for path in self.source.files
            if path.endswith(".py")
        }

    def native(self, word: bytes) -> Iterator[str]:
        """Paths of the files of other languages in which a word stands."""
        for path, entry in self.source.files.items():
            if path not in self.own and word in entry.data:
                yield path

    @cached_property
    def homes(self) -> Mapping[bytes, Sequence[str]]:
        """What files may bind at the top, of tests none: they are read once."""
        found: dict[bytes, list[str]] = {}
        for path in self.own:
            if not path.startswith("tests/"):
                for name in binders(self.source.files[path].data):
                    found.setdefault(name, []).append(path)
        return found

    def fresh(self, word: bytes) -> Iterator[str]:
        """Those of `search` that are other files than the like tree's."""
        for path, own in self.own.items():
            if own and word in self.source.files[path].data:
                yield path

    def near(self, word: bytes, home: str) -> Iterator[str]:
        """Those of `search`: one file first, then those beside it."""
        if word in self.found:
            yield from self.found[word]
            return
        folder = home.rpartition("/")[0]
        files = self.source.files
        if home in self.own and word in files[home].data:
            yield home
        none = True
        for inside in (True, False):
            for path in self.own:
                beside = path.startswith(folder)
                if beside is inside and word in files[path].data:
                    none = False
                    if path != home:
                        yield path
        if none:
            self.found[word] = ()

    def search(self, word: bytes) -> tuple[str, ...]:
        """Paths of the files in which a word stands."""
        if word not in self.found:
            there = set(self.like.search(word)) if self.like else set()
            files = self.source.files
            self.found[word] = tuple(
                path
                for path, own in self.own.items()
                if (word in files[path].data if own else path in there)
            )
        return self.found[word]


def side(tree: Index, read: Tree, now: Mapping[str, Entry | None]) -> Side:
    """One tree, with what the series made of it."""
    made = {parent for path, e in now.items() if e for parent in _parents(path)}
    folders = tree.folders

    def made_with(word: bytes) -> Iterable[str]:
        for path, changed in now.items():
            if changed and path.endswith(".py") and word in changed.data:
                yield path

    def search(word: bytes) -> Iterable[str]:
        yield from (path for path in tree.search(word) if path not in now)
        yield from made_with(word)

    def fresh(word: bytes) -> Iterable[str]:
        yield from (path for path in tree.fresh(word) if path not in now)
        yield from made_with(word)

    def binds(word: bytes) -> Iterable[str]:
        yield from (path for path in tree.homes.get(word, ()) if path not in now)
        for path, changed in now.items():
            python = path.endswith(".py") and not path.startswith("tests/")
            if changed and python and word in binders(changed.data):
                yield path

    def near(word: bytes, home: str) -> Iterable[str]:
        yield from made_with(word)
        yield from (path for path in tree.near(word, home) if path not in now)

    def native(word: bytes) -> Iterable[str]:
        yield from (path for path in tree.native(word) if path not in now)
        for path, changed in now.items():
            if changed and not path.endswith(".py") and word in changed.data:
                yield path

    library = Library(read, lambda path: path in folders or path in made)

    def there(path: str) -> bool:
        return (path in tree.source.ids) if path not in now else bool(now[path])

    return Side(
        library,
        search=search,
        fresh=fresh,
        binds=binds,
        upstream=tree.search,
        beside=tree.near,
        near=near,
        native=native,
        bare=tree.source.files.get,
        there=there,
        made=now,
    )


# A fixed first byte, which `re` finds twice as fast as the start of a line.
_LINE = re.compile(
    rb"\n(?:(?:async def|def|class) (\w+)|([A-Za-z_]\w*) *[:=]"
    rb"|[ \t]+(?:async def|def|class) (\w+)|[^\s#)\]}])"
)


def binders(data: bytes) -> set[bytes]:
    """Names that a file may bind at the top, too many rather than too few.

    >>> sorted(binders(b"if x:\\n  def f(): 0\\nclass A:\\n  def g(self): 0\\nb = 1"))
    [b'A', b'b', b'f']
    """
    found: set[bytes] = set()
    inside = False
    for match in _LINE.finditer(b"\n" + data):
        top, value, indented = match.groups()
        if indented is None:
            inside = top is not None
            found.add(top or value or b"")
        elif not inside:
            found.add(indented)
    return found - {b""}


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]
