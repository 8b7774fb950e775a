# SPDX-License-Identifier: Apache-2.0
"""What both sides enter under one name: an option, an operation, a class of a table.

The entries stand apart, so that text merges; the second is refused when it runs, or
takes the place of the first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from scripts.port.merge.languages import Kind, kind
from scripts.port.merge.rows import added_lines

_NAMED = re.compile(rb"""(\w+)\(\s*(?:\w+\s*=\s*)?["']([\w.:+-]+)""")
_ENTERS = re.compile(
    rb"\w*register\w*|\w*define\w*|add_?option|add_\w*argument|add_\w*parser"
    rb"|def|m?impl|addinivalue_line|add_library|add_executable|custom_op"
)
Entered = tuple[bytes, bytes]
"""The function that enters a name, and the name."""


def registered(
    path: str, base: bytes, upstream: bytes, patched: bytes, result: bytes
) -> Iterator[str]:
    """Names that both sides enter by one function, each in its own way or place.

    Args:
        path: The file.
        base: What the patch was made on.
        upstream: The new upstream.
        patched: What the patch made of `base`.
        result: The merge.
    """
    want = added(path, base, patched)
    if not want:
        return
    was, now, made = (Counter(_entered(data)) for data in (base, upstream, result))
    for how, name in sorted(want & now.keys() - was.keys()):
        if made[how, name] > now[how, name]:
            yield f"both sides say {told(how, name)}, each in its own place"


def told(how: bytes, name: bytes) -> str:
    """The call that enters a name, as far as it was read."""
    return f"{how.decode()}({name.decode()!r}...)"


def added(path: str, before: bytes, after: bytes) -> set[Entered]:
    """What the lines that a content has more enter."""
    if kind(path) is Kind.MARKDOWN:
        return set()
    if not re.search(_ENTERS.pattern, after):
        return set()
    return set(_entered(b"\n".join(added_lines(before, after))))


def _entered(data: bytes) -> list[Entered]:
    return [pair for pair in _NAMED.findall(data) if _ENTERS.fullmatch(pair[0])]
