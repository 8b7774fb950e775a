# SPDX-License-Identifier: Apache-2.0
"""The names that patches bring into being, and those that they use."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePosixPath

from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.series.check.places import added
from scripts.series.diff import FilePatch
from scripts.series.mailbox import Patch
from scripts.series.replay import Step

State = Mapping[str, Entry | None]
"""Files that the series touches; None for one that is not there."""


def is_code(path: str) -> bool:
    """Whether a path is neither a test nor a document."""
    return not path.startswith(("tests/", "docs/"))


def added_lines(change: FilePatch) -> dict[int, str]:
    """Lines that a patch adds to a file, by their number afterwards, from 1."""
    return {line.number: line.text.decode("utf-8", "replace") for line in added(change)}


@dataclass(frozen=True)
class Names:
    """What a patch's code brings into being, and what it says."""

    own: frozenset[str]
    """Modules, and what a module or a class assigns or defines, that upstream's code
    never says; of tests, modules alone. And `path:name` of what is imported there."""
    said: Mapping[str, frozenset[str]]
    """Path to the names in the lines that the patch adds, and `path:name` of those
    that the patch does not import there itself."""

    def first_of(self, lost: Set[str]) -> str | None:
        """`path uses name` for the first of those that are lost."""
        for path in sorted(self.said, key=lambda path: (not is_code(path), path)):
            words = self.said[path]
            if both := sorted(words & lost):
                return f"{path} uses {both[0].rpartition(':')[2]}"
        return None


def names_of(steps: Sequence[Step], git: Git) -> dict[str, Names]:
    """The names of each patch, by its number.

    Args:
        steps: The series, replayed.
        git: A repository with `refs/sm12x/base`.
    """
    defined: dict[str, set[str]] = {}
    said: dict[str, dict[str, frozenset[str]]] = {}
    brought: dict[str, set[str]] = defaultdict(set)
    for step in steps:
        names = defined.setdefault(step.patch.number, set())
        words = said.setdefault(step.patch.number, {})
        for change, tree in _python(step.patch, step.changes):
            if change.old_mode is None:
                names.add(PurePosixPath(change.path).stem)
            path, lines = change.path, added_lines(change)
            nodes = [n for n in ast.walk(tree) if getattr(n, "lineno", 0) in lines]
            imports = {name for n in nodes for name in _imports(n)}
            words[path] = frozenset(word for n in nodes for word in _words(n))
            if is_code(path):
                names |= {name for name, at in _definitions(tree) if at in lines}
            brought[step.patch.number] |= {
                f"{path}:{name}" for name in imports - _removed(change)
            }
            words[path] |= {
                f"{path}:{n.id}"
                for n in nodes
                if isinstance(n, ast.Name) and n.id not in imports
            }
    wanted = sorted({name for names in defined.values() for name in names})
    told = git.run(
        # One expression, and whole words below: -w or many -e take a minute.
        *("grep", "--no-color", "-h", "-E", "|".join(wanted) or "^$^"),
        *("refs/sm12x/base", "--", "vllm"),
        ok=(0, 1),
    ).stdout.decode("utf-8", "replace")
    theirs = set(re.findall(r"\w+", told))
    return {
        number: Names(
            frozenset(n for n in names - theirs if len(n) > 3) | brought[number],
            said[number],
        )
        for number, names in defined.items()
    }


def _python(patch: Patch, after: State) -> Iterator[tuple[FilePatch, ast.Module]]:
    for change in patch.files:
        entry = after.get(change.path)
        if entry and change.path.endswith(".py"):
            yield change, ast.parse(entry.data)


def _definitions(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[str, int]]:
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno
            case ast.ClassDef():
                yield node.name, node.lineno
                yield from _definitions(node)
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name, node.lineno
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node.lineno


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (each.asname or each.name.split(".")[0] for each in node.names)


def _removed(change: FilePatch) -> set[str]:
    """Words of the lines that a patch takes away."""
    lines = (line for hunk in change.hunks for line in hunk.lines if line[:1] == b"-")
    return {word for line in lines for word in re.findall(r"\w+", line.decode())}


def _words(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
            return [name]
        case ast.alias(name=name):
            return name.split(".")
        case ast.ImportFrom(module=str(module), names=names):
            return [*module.split("."), *(each.name for each in names)]
    return []
