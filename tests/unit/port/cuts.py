# SPDX-License-Identifier: Apache-2.0
"""Drifts between two real releases, cut short, and patches of ours on them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.unit.port.model import Change, Files, Series, replaced

Edits = list[tuple[str, str]]
"""What is replaced by what; each old part is there once."""
Tree = Edits | Mapping[str, Edits | str]
"""Edits of the first file; or of each path, whose text is given where it is new."""


@functools.cache
def _cuts() -> dict[str, dict[str, dict[str, str]]]:
    """Name of a case to the files before and after."""
    text = (Path(__file__).parent / "cuts.txt").read_text(encoding="utf-8")
    found = {}
    for part in text.split("@@@@ case ")[1:]:
        title, body = part.split("\n", 1)
        sides: dict[str, dict[str, str]] = {"base": {}, "upstream": {}}
        pieces = re.split(r"^@@@@ (base|upstream) (.*)\n", body, flags=re.MULTILINE)
        for side, path, content in zip(
            pieces[1::3], pieces[2::3], pieces[3::3], strict=True
        ):
            sides[side][path] = content
        found[title.split(" | ")[0]] = sides
    return found


def cut(name: str) -> tuple[Files, Files]:
    """What the older release had, and the newer."""
    sides = _cuts()[name]
    return sides["base"], sides["upstream"]


def edited(files: Files, change: Tree) -> Files:
    """Files with edits in them and new files beside them."""
    if isinstance(change, list):
        change = {next(iter(files)): change}
    made = dict(files)
    for path, edits in change.items():
        if isinstance(edits, str):
            made[path] = edits
        else:
            made[path] = replaced(files[path], *edits)
    return made


def drift(
    name: str,
    kind: str,
    patch: Tree,
    right: Tree | None,
    *more: Tree,
    dropped: bool = False,
    read: bool = False,
) -> Change:
    """A case: its name is that of its cut.

    Args:
        name: Unique.
        kind: What upstream did.
        patch: What the patch makes of the older release. Its new files are in every
            right answer, too.
        right: What has to be made of the newer one; None where a person decides.
        more: Further right answers.
        dropped: As in `Change`.
        read: As in `Change`.
    """
    base, upstream = cut(name)
    new = {}
    if not isinstance(patch, list):
        new = {p: t for p, t in patch.items() if isinstance(t, str)}
    answers = [] if right is None else [right, *more]
    trees = tuple({**edited(upstream, a), **new} for a in answers)
    patched = edited(base, patch)
    return Change(name, kind, base, patched, upstream, trees, dropped, read)


def chain(name: str, patches: Sequence[Tree], carried: tuple[bool, ...]) -> Series:
    """Patches one on the other; their files are those of the cut of that name."""
    base, upstream = cut(name)
    steps, last = [], base
    for patch in patches:
        last = edited(last, patch)
        steps.append(last)
    return Series(name, base, tuple(steps), upstream, carried)
