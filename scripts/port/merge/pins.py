# SPDX-License-Identifier: Apache-2.0
"""Requirements as entries by package: what pins one does not touch another."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from scripts.port.merge.elements import NoMerge

_PACKAGE = re.compile(rb"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])? *(?=[<>=!~;@#]|$)")


def is_pins(path: str) -> bool:
    """Whether a file lists what pip installs.

    >>> is_pins("requirements/cuda.txt"), is_pins("docs/requirements.md")
    (True, False)
    """
    at = PurePosixPath(path)
    named = "requirements" in at.parts[:-1] or at.stem.startswith("requirements")
    return named and at.suffix in (".txt", ".in")


def merge_pins(base: bytes, upstream: bytes, patched: bytes) -> bytes:
    """Upstream's file with the lines of the packages that the patch pins otherwise.

    Raises:
        NoMerge: The patch does more than pin otherwise what is there, or upstream
            pins the same package otherwise, too.
    """
    old, now, new = (data.split(b"\n") for data in (base, upstream, patched))
    if len(old) != len(new):
        raise NoMerge("the patch does more than pin packages otherwise")
    made = list(now)
    for was, want in zip(old, new, strict=True):
        if was == want:
            continue
        name = _name(was)
        if not name or _name(want) != name:
            raise NoMerge("the patch does more than pin packages otherwise")
        here = [at for at, row in enumerate(now) if _name(row) == name]
        if len(here) != 1 or sum(_name(row) == name for row in old) != 1:
            raise NoMerge(f"upstream has {_show(name)} not once")
        if now[here[0]] not in (was, want):
            raise NoMerge(f"upstream pins {_show(name)} otherwise, too")
        made[here[0]] = want
    return b"\n".join(made)


def _name(row: bytes) -> bytes:
    """The package of a line, in the spelling that tells packages apart."""
    found = _PACKAGE.match(row.strip())
    return re.sub(rb"[-_.]+", b"-", found[1]).lower() if found else b""


def _show(name: bytes) -> str:
    return name.decode("utf-8", "replace")
