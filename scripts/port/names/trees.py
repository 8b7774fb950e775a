# SPDX-License-Identifier: Apache-2.0
"""Both trees whole, so that names can be followed and words be found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

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

    def homes(self, name: bytes) -> Iterator[str]:
        """The files that may bind a name at the top; of tests none."""
        bound = _binder(name)
        for path in self.search(name):
            tests = path.startswith("tests/")
            if not tests and bound.search(self.source.files[path].data):
                yield path

    def near(self, word: bytes, home: str) -> Iterator[str]:
        """Paths of the files in which a word stands, those beside a file first."""
        if word in self.found:
            yield from self.found[word]
            return
        folder = home.rpartition("/")[0]
        files = self.source.files
        for inside in (True, False):
            for path in self.own:
                beside = path.startswith(folder)
                if beside is inside and word in files[path].data:
                    yield path

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

    def search(word: bytes) -> Iterable[str]:
        yield from (path for path in tree.search(word) if path not in now)
        for path, changed in now.items():
            if changed and path.endswith(".py") and word in changed.data:
                yield path

    def binds(word: bytes) -> Iterable[str]:
        yield from (path for path in tree.homes(word) if path not in now)
        for path, changed in now.items():
            python = path.endswith(".py") and not path.startswith("tests/")
            if changed and python and _binder(word).search(changed.data):
                yield path

    def near(word: bytes, home: str) -> Iterable[str]:
        for path, changed in now.items():
            if changed and path.endswith(".py") and word in changed.data:
                yield path
        yield from (path for path in tree.near(word, home) if path not in now)

    def native(word: bytes) -> Iterable[str]:
        yield from (path for path in tree.native(word) if path not in now)
        for path, changed in now.items():
            if changed and not path.endswith(".py") and word in changed.data:
                yield path

    library = Library(read, lambda path: path in folders or path in made)

    def there(path: str) -> bool:
        return (path in tree.source.ids) if path not in now else bool(now[path])

    bare = tree.source.files.get
    return Side(library, search, binds, tree.search, near, native, bare, there, now)


@cache
def _binder(name: bytes) -> re.Pattern[bytes]:
    said = re.escape(name)
    made = rb"(?m)^(?:[ \t]*(?:async def|def|class) %s\b|%s *[:=])" % (said, said)
    return re.compile(made)


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]
