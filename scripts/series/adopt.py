# SPDX-License-Identifier: Apache-2.0
"""A series put into a checkout, with all that follows from it but the lock.

The one place that does: make export, make port and the bot write what they made
through it, so that none of them forgets a file that another moves. The lock is
theirs to write, last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from scripts.base.files import sweep, write
from scripts.checkout import Checkout
from scripts.series import about, folder
from scripts.series.table import NAME

IMAGE = "Containerfile"
_BASE = re.compile(rb"^(ARG BASE=vllm/vllm-openai:)v\S+$", re.MULTILINE)

Follow = Callable[[str], tuple[str, tuple[str, ...]]]
"""A README to the one on another pin, and what a person has to look at there."""


class Change(Enum):
    """What `export` did to one file of `patches/`."""

    ADDED = "added"
    """A patch under this name is new."""
    CHANGED = "changed"
    """The bytes differ from those on disk."""
    REMOVED = "removed"
    """No commit gives this name any more."""


@dataclass(frozen=True)
class Adopted:
    """What was written."""

    changes: dict[str, Change]
    """Files of `patches/` that differ from those before."""
    others: tuple[str, ...] = ()
    """Other files of the checkout that had to follow."""
    by_hand: tuple[str, ...] = ()
    """What a person has to look at."""


def adopt(
    at: Checkout,
    files: Mapping[str, bytes],
    table: str | None,
    tag: str,
    follow: Follow | None = None,
) -> Adopted:
    """Write a series and what follows from it.

    Args:
        at: The checkout.
        files: The patches, name to bytes, in their order.
        table: `patches/README.md`; None leaves it alone.
        tag: Upstream's tag that the series stands on, `v0.33.0`.
        follow: Puts the README on another pin.

    Raises:
        Finding: A patch cannot be read back.
        Unusable: A folder cannot be written.
    """
    changes = write_series(at.patches, dict(files))
    after: dict[Path, bytes] = {}
    if table is not None:
        after[at.patches / NAME] = table.encode("utf-8")
    by_hand: tuple[str, ...] = ()
    readme, image = at.root / about.NAME, at.root / IMAGE
    if readme.is_file():
        text = readme.read_bytes().decode("utf-8")
        text = about.fixed(text, folder.load(at.patches))
        if follow is not None:
            text, by_hand = follow(text)
        after[readme] = text.encode("utf-8")
    if image.is_file():
        after[image] = _BASE.sub(rb"\g<1>" + tag.encode(), image.read_bytes())
    others = []
    for path, data in after.items():
        if not path.is_file() or path.read_bytes() != data:
            write(path, data)
            others.append(path.relative_to(at.root).as_posix())
    return Adopted(changes, tuple(others), by_hand)


def write_series(patches_dir: Path, files: dict[str, bytes]) -> dict[str, Change]:
    """Replace the patches by `files`, name to bytes, in their order."""
    patches_dir.mkdir(parents=True, exist_ok=True)
    sweep(patches_dir)
    changes: dict[str, Change] = {}
    for name, data in files.items():
        path = patches_dir / name
        if not path.exists():
            changes[name] = Change.ADDED
        elif path.read_bytes() != data:
            changes[name] = Change.CHANGED
        else:
            continue
        write(path, data)
    # The new series is on disk before an old patch goes.
    listing = "# Applied in this order; written by make export.\n" + "".join(
        f"{name}\n" for name in files
    )
    write(patches_dir / "series", listing.encode("utf-8"))
    for path in sorted(patches_dir.glob("[0-9][0-9][0-9][0-9]-*.patch")):
        if path.name not in files:
            path.unlink()
            changes[path.name] = Change.REMOVED
    return changes
