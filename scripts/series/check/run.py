# SPDX-License-Identifier: Apache-2.0
"""Every rule over the series, all problems at once."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scripts.base.console import note, say
from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.series import about, table
from scripts.series.base_commit import touched
from scripts.series.check import (
    canonical,
    chain,
    content,
    decisions,
    form,
    listing,
    style,
)
from scripts.series.check.causes import causes
from scripts.series.check.layout import context
from scripts.series.check.problem import (
    Problem,
    Rule,
    Severity,
    as_json,
    in_order,
    printable,
)
from scripts.series.lane import Lane, lane
from scripts.series.mailbox import Patch, parse
from scripts.series.trailers import named_test, trailers
from scripts.upstream import sdist_contents
from scripts.upstream.lock import Lock, load
from scripts.upstream.sdist_contents import Reader

WRAPPED = "its lines were wrapped or joined"


@dataclass(frozen=True)
class Report:
    """What `check` found."""

    problems: list[Problem]
    patches: list[Patch]
    """Those that can be read, in order."""
    lanes: dict[str, str]
    """By patch name."""

    @property
    def passes(self) -> bool:
        """Whether there is no error; warnings do not fail a check."""
        return all(p.severity is not Severity.ERROR for p in self.problems)


def check(lock: Lock, folder: Path, read: Reader) -> Report:
    """Look at the series with every rule; one mistake is one error.

    Args:
        lock: The pin.
        folder: `patches/`.
        read: Reads the pinned source.

    Raises:
        Finding: The source archive is damaged.
        Unusable: ruff or git cannot run, or the source cannot be read.
    """
    problems = list(listing.check(folder))
    files = _files(folder)
    patches: list[Patch | set[str]] = []
    # Of one that names no file at all, nobody knows what the next ones stand on.
    cut = False
    for name, data in files.items():
        where = f"patches/{name}"
        problems += form.check_bytes(where, data)
        problems += form.check_header(where, data)
        try:
            # A newline that is missing at the end is said of the bytes.
            patch = parse(name, data if data.endswith(b"\n") else data + b"\n")
        except Finding as e:
            problems.append(chain.from_finding(e, name, Rule.PARSE))
            patches.append(chain.touched(data))
            cut = cut or not patches[-1]
            continue
        problems += form.check_message(patch, data)
        problems += content.check(patch)
        if not cut:
            patches.append(patch)
    readable = [patch for patch in patches if isinstance(patch, Patch)]
    source = read(_wanted(readable).__contains__)
    walk = chain.follow(patches, source)
    problems += walk.problems
    problems += chain.check_trees(lock, source, walk)
    for step in walk.steps:
        problems += chain.check_syntax(step)
        first = form.body_line(step.patch, files[step.patch.name])
        problems += chain.check_tests(step, source, walk.lost, first)
    problems += canonical.check(walk.steps, source, files)
    problems += style.check(walk.steps, source)
    lanes = _lanes(walk.steps)
    problems += _source_lane(walk.steps)
    if len(readable) == len(patches):
        problems += decisions.check(folder, readable)
        problems += _table(folder, readable, lanes)
        problems += _about(folder.parent / about.NAME, readable)
    return Report(in_order(causes(problems)), readable, lanes)


def _files(folder: Path) -> dict[str, bytes]:
    """Bytes of the patches that `series` names and that are there."""
    try:
        raw = (folder / "series").read_bytes()
    except OSError:  # the listing rule says so
        return {}
    text = raw.removeprefix(BOM_UTF8).decode("utf-8", "replace")
    found = {}
    for _, name in listing.entries(text):
        path = folder / name
        if path.is_file():
            found[name] = path.read_bytes()
    return found


def _wanted(patches: list[Patch]) -> set[str]:
    """Files of the source whose bytes the rules look at."""
    paths = touched(patches)
    tests = {
        test.path
        for patch in patches
        for value in trailers(patch.body).get("Test", [])
        if (test := named_test(value))
    }
    return paths | tests | context(paths)


def _lane(step: chain.Step, path: str) -> Lane:
    # A file that could not be followed has no bytes to look at.
    change = next((c for c in step.changes if c.diff.path == path), None)
    before, after = (change.before, change.after) if change else (None, None)
    return lane(path, before.data if before else None, after.data if after else None)


def _lanes(steps: list[chain.Step]) -> dict[str, str]:
    return {
        step.patch.name: table.word({_lane(step, d.path) for d in step.patch.files})
        for step in steps
    }


def _source_lane(steps: list[chain.Step]) -> Iterator[Problem]:
    for step in steps:
        for diff in step.patch.files:
            if _lane(step, diff.path) is Lane.SOURCE:
                yield Problem(
                    f"patches/{step.patch.name}",
                    diff.at,
                    Rule.LANE,
                    f"{diff.path}: make wheel refuses it, as it needs a build",
                    Severity.WARNING,
                )


def _table(
    folder: Path, patches: list[Patch], lanes: dict[str, str]
) -> Iterator[Problem]:
    where = f"patches/{table.NAME}"
    try:
        found = (folder / table.NAME).read_bytes().decode("utf-8", "replace")
    except OSError as e:
        yield Problem(
            where, 1, Rule.TABLE, f"cannot be read: {e.strerror}; make export"
        )
        return
    expected = table.render(patches, lanes)
    if found != expected:
        rows, wanted = found.split("\n"), expected.split("\n")
        same = sum(1 for _ in _common(rows, wanted))
        # Wherever an editor broke a line, within a word too.
        wrapped = "".join(found.split()) == "".join(expected.split())
        what = WRAPPED if wrapped else "is not current"
        yield Problem(where, same + 1, Rule.TABLE, f"{what}; make export")


def _about(readme: Path, patches: list[Patch]) -> Iterator[Problem]:
    try:
        text = readme.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return
    if line := about.stale(text, patches):
        wrapped = about.joined(text) != text
        what = WRAPPED if wrapped else "its table of patches is not the series"
        yield Problem(about.NAME, line, Rule.TABLE, f"{what}; make export")


def _common(a: list[str], b: list[str]) -> Iterator[str]:
    for one, other in zip(a, b, strict=False):
        if one != other:
            return
        yield one


def main(checkout: Checkout, as_data: bool = False) -> int:
    """Print what `check` finds.

    Args:
        checkout: Holds the lock and the series.
        as_data: Print a JSON array in place of lines and table.

    Returns:
        The exit code: 1 if there is an error, else 0.

    Raises:
        Finding, Unusable: As `check`, and as `lock.load` and `fetch.obtain`.
    """
    lock = load(checkout.lock)
    report = check(lock, checkout.patches, partial(sdist_contents.read, lock.sdist))
    if as_data:
        say(as_json(report.problems))
        return 0 if report.passes else 1
    for problem in report.problems:
        say(str(problem))
    for patch in report.patches:
        word, count = report.lanes[patch.name], len(patch.files)
        subject = printable(patch.subject)
        say(f"{patch.number}  {word:<8}  {count:>3} files  {subject}")
    errors = sum(p.severity is Severity.ERROR for p in report.problems)
    note(
        f"{len(report.patches)} patches, {errors} errors, "
        f"{len(report.problems) - errors} warnings"
    )
    return 0 if report.passes else 1
