# SPDX-License-Identifier: Apache-2.0
"""Keys that a patch adds to a dict, and that upstream sets from another file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scripts.base.object_ids import Entry
from scripts.port.names.breach import Breach, Side
from scripts.port.names.modules import Module, module
from scripts.port.report.states import FileResult


def entered(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Whoever sets a new key of a registry where nobody did has the last word.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    for part in done:
        if part.base is None or part.patched is None:
            continue
        before = module(part.path, part.base.data)
        after = module(part.path, part.patched.data)
        if before is None or after is None:
            continue
        for name, keys in _added(before, after):
            for path in sorted(new.others(name.encode(), old)):
                was, now = old.library.read(path), new.library.read(path)
                if path == part.target or now is None or was == now:
                    continue
                for key in sorted(_set(name, keys, now) - _set(name, keys, was)):
                    what = f"{path} sets {name}[{key!r}], too"
                    yield Breach(part.path, 0, key, what)


def _added(before: Module, after: Module) -> Iterator[tuple[str, frozenset[str]]]:
    for name in after.places:
        if before.sources(name) in ([], after.sources(name)):
            continue
        old, new = before.get(name), after.get(name)
        if old and new and old.keys is not None and new.keys:
            yield name, new.keys - old.keys


def _set(name: str, keys: frozenset[str], entry: Entry | None) -> set[str]:
    """Which of some keys of a dict a file sets, or takes out."""
    if entry is None:
        return set()
    said = rb"""["'](\w+)["']"""
    ways = (
        rb"\[%s\]\s*=(?!=)" % said,
        rb"\.(?:setdefault|pop)\(\s*%s" % said,
        rb"\.update\([^)]*?%s" % said,
    )
    named = re.escape(name.encode())
    found = (
        key for way in ways for key in re.findall(rb"\b%s%s" % (named, way), entry.data)
    )
    return {key.decode() for key in found} & keys
