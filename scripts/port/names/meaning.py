# SPDX-License-Identifier: Apache-2.0
"""What a use of a name means in one tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scripts.port.merge.definitions import Definition
from scripts.port.names.library import Found, Library, Unfound
from scripts.port.names.used import How, Use
from scripts.port.report.states import FileResult


def once(found: Iterable[Use]) -> list[Use]:
    """Of uses that are alike the first: they have one meaning."""
    alike: dict[tuple[object, ...], Use] = {}
    for use in found:
        key = (
            *(use.parts, use.how, use.call, use.start),
            use.owner,
            use.kind,
            use.said,
        )
        alike.setdefault(key, use)
    return list(alike.values())


def meaning(use: Use, path: str, library: Library) -> Found:
    """What the name of a use is, in the file that uses it."""
    if use.owner or use.kind:
        owner = (
            library.chain(path, use.owner.split("."))
            if use.owner
            else library.kind(path, use.kind)
        )
        if not isinstance(owner, Definition) or owner.again or len(use.parts) == 1:
            return Unfound.UNKNOWN
        if use.parts[0] == "super()":
            owner = replace(owner, members={})
        return library.through(owner, use.parts[1:])
    return library.chain(path, use.parts, use.start)


def shorter(
    use: Use, part: FileResult, old: Library, new: Library
) -> tuple[Use, Found, Found]:
    """The longest start of a dotted name that has a definition, read."""
    for count in range(len(use.parts) - 1, 0, -1):
        head = replace(use, parts=use.parts[:count], how=How.READ, call=None)
        was, now = meaning(head, part.path, old), meaning(head, part.target, new)
        if isinstance(was, Definition):
            return head, was, now
    return use, Unfound.UNKNOWN, Unfound.UNKNOWN
