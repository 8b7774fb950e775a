# SPDX-License-Identifier: Apache-2.0
"""The series over the source, patch by patch: blobs, trees, syntax, tests."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scripts.base.errors import Finding
from scripts.base.object_ids import Entry, tree_id
from scripts.series.check.places import place
from scripts.series.check.problem import Problem, Rule, printable
from scripts.series.mailbox import FilePatch, Patch
from scripts.series.replay import Files, changed_ids
from scripts.series.required import required
from scripts.series.trailers import named_test, read
from scripts.upstream.lock import Lock, Own
from scripts.upstream.release_facts import REQUIREMENTS
from scripts.upstream.sdist_contents import Source


@dataclass(frozen=True)
class Change:
    """One file of one patch, before and after it."""

    diff: FilePatch
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True)
class Step:
    """One patch, applied to those of its files that could be followed."""

    patch: Patch
    changes: tuple[Change, ...]
    tree: Mapping[str, Entry | None]
    """All that the series has touched up to here."""

    @property
    def whole(self) -> bool:
        """Whether every file of the patch could be followed."""
        return len(self.changes) == len(self.patch.files)


@dataclass
class Walk:
    """What following the series gave."""

    steps: list[Step] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    """Paths whose state is unknown: a patch to them is broken."""
    whole: bool = True
    """Whether every patch could be read and applied."""


def touched(data: bytes) -> set[str]:
    """Paths that a patch names, even when the patch cannot be read."""
    found = re.findall(rb"^diff --git a/(.+) b/\1\r?$", data, re.MULTILINE)
    return {path.decode("utf-8", "surrogateescape") for path in found}


def follow(patches: list[Patch | set[str]], source: Source) -> Walk:
    """Apply the series in memory and go on after a broken patch.

    Args:
        patches: The series; a patch that cannot be read is given by the paths
            that it touches.
        source: The tree to start from.

    Returns:
        A step for each readable patch, and a problem for the first fault of
        each path: what follows on that path would only repeat it.
    """
    walk = Walk()
    files = Files(source.files.get)
    for patch in patches:
        if isinstance(patch, set):
            walk.lost |= patch
            walk.whole = False
            continue
        changes = []
        for diff in patch.files:
            if diff.path in walk.lost:
                continue
            before = files(diff.path)
            try:
                after = files.apply(patch, diff)
            except Finding as e:
                walk.lost.add(diff.path)
                walk.whole = False
                walk.problems.append(from_finding(e, patch.name, Rule.CHAIN))
                continue
            changes.append(Change(diff, before, after))
        walk.steps.append(Step(patch, tuple(changes), dict(files.now)))
    return walk


def from_finding(e: Finding, name: str, rule: Rule) -> Problem:
    """A finding of the reader or of the replay, at the line that it names."""
    match = re.match(r"patches/[^:]+:(\d+)", e.where or "")
    parts = [e.what]
    parts += [f"expected {e.expected}"] if e.expected else []
    parts += [f"found {e.found}"] if e.found else []
    return Problem(
        f"patches/{name}",
        max(1, int(match[1])) if match else 1,
        rule,
        printable("; ".join(parts)),
    )


def check_trees(lock: Lock, source: Source, walk: Walk) -> Iterator[Problem]:
    """Both tree ids of the lock; the second only if every patch held."""
    found = tree_id(source.ids)
    if found != lock.tree:
        yield Problem(
            "upstream.lock", 1, Rule.TREE, f"source: {lock.tree}, found {found}"
        )
    if not walk.whole:
        return
    changes = walk.steps[-1].tree if walk.steps else {}
    yield from _check_companions(lock, source, walk)
    found = tree_id(changed_ids(source.ids, changes))
    if found != lock.patched_tree:
        yield Problem(
            "upstream.lock",
            1,
            Rule.TREE,
            f"after the series: {lock.patched_tree}, found {found}; make export",
        )


def _check_companions(lock: Lock, source: Source, walk: Walk) -> Iterator[Problem]:
    before = source.files.get(REQUIREMENTS)
    after = walk.steps[-1].tree.get(REQUIREMENTS) if walk.steps else None
    patches = [step.patch for step in walk.steps]
    found: dict[str, Own] = {}
    if before and after:
        old, new = (e.data.decode("utf-8", "replace") for e in (before, after))
        try:
            found = required(old, new, patches)
        except Finding as e:
            yield Problem(REQUIREMENTS, 1, Rule.TREE, f"{e.what}; found {e.found}")
            return
    if lock.own != found:
        said, real = (
            ", ".join(f"{name} {own.version} ({own.patch})" for name, own in x.items())
            for x in (lock.own, found)
        )
        yield Problem(
            "upstream.lock",
            1,
            Rule.TREE,
            f"series.companions: {said or 'none'}, the series requires "
            f"{real or 'none'}; make export",
        )


def check_syntax(step: Step) -> Iterator[Problem]:
    """Each Python file that the patch touches compiles."""
    for change in step.changes:
        if change.after is None or not change.diff.path.endswith((".py", ".pyi")):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(change.after.data, change.diff.path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as e:
            line = e.lineno if isinstance(e, SyntaxError) and e.lineno else 1
            what = e.msg if isinstance(e, SyntaxError) else str(e)
            yield Problem(
                f"patches/{step.patch.name}",
                place(change.diff, line),
                Rule.SYNTAX,
                printable(f"{change.diff.path}:{line}: {what}"),
            )


def check_tests(
    step: Step, source: Source, lost: set[str], first: int
) -> Iterator[Problem]:
    """The tests that the trailers name are there once the patch is applied.

    Args:
        step: The patch.
        source: The tree that the series starts from, test files included.
        lost: Paths whose state is unknown.
        first: Line of the body in the patch file.
    """
    for trailer in read(step.patch.body):
        test = named_test(trailer.value) if trailer.key == "Test" else None
        # A malformed one is the trailer rule's, a lost file the chain rule's.
        if test is None or test.path in lost:
            continue
        entry = step.tree.get(test.path, source.files.get(test.path))
        if entry is None:
            what = f"{test.path} is not there after this patch"
        elif not _defines(entry.data, test.names):
            what = f"{test.path} has no {'::'.join(test.names)} after this patch"
        else:
            continue
        yield Problem(
            f"patches/{step.patch.name}", first + trailer.line - 1, Rule.TEST, what
        )


def _defines(data: bytes, names: tuple[str, ...]) -> bool:
    try:
        body: list[ast.stmt] = ast.parse(data).body
    except (SyntaxError, ValueError):
        return True  # the syntax rule says so
    *classes, function = names
    for name in classes:
        body = [
            inner
            for node in body
            if isinstance(node, ast.ClassDef) and node.name == name
            for inner in node.body
        ]
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name == function
        for node in body
    )
