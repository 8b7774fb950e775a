# SPDX-License-Identifier: Apache-2.0
"""What both sides enter under one name: an option, an operation, a class of a table.

The entries stand apart, so that text merges; the second is refused when it runs, or
takes the place of the first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from scripts.port.languages import Kind, kind

_ENTERS = re.compile(
    rb"([\w.:]*(?:register|define|add_?option|add_\w*argument|add_\w*parser|\bdef"
    rb"|\bimpl|add_\w*marker|add_library|add_executable)\w*)"
    rb"""\(\s*(?:\w+\s*=\s*)?["']([\w.:+-]+)"""
)


def registered(
    path: str, base: bytes, ours: bytes, theirs: bytes, result: bytes
) -> Iterator[str]:
    """Names that both sides enter by one function, each in its own way or place.

    Args:
        path: The file.
        base: What the patch was made on.
        ours: The new upstream.
        theirs: What the patch made of `base`.
        result: The merge.
    """
    if kind(path) is Kind.MARKDOWN:
        return
    sides = (base, ours, theirs, result)
    was, now, want, made = (Counter(_ENTERS.findall(data)) for data in sides)
    for how, name in sorted(now.keys() & want.keys() - was.keys()):
        if made[how, name] <= max(now[how, name], want[how, name]):
            continue
        said = f"{how.decode()}({name.decode()!r}"
        yield f"both sides say {said}...), each in its own place"
