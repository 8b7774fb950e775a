# SPDX-License-Identifier: Apache-2.0
"""The root README after a port: what follows from the lock, and what a person edits.

Names of patches and the version that is built are changed here. Any other line
that names the old pin may be a figure that was measured on it: it is left as it
is, and named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.upstream.lock import Lock

_LINK = re.compile(r"\[(\d{4})\]\(patches/([^)]+\.patch)\)")


@dataclass(frozen=True)
class Ported:
    """A README that stands on another pin."""

    text: str
    by_hand: tuple[str, ...]
    """Lines that a person has to look at, as `README.md:5: why`."""


def ported(
    text: str, old: Lock, new: Lock, renamed: Mapping[str, str | None]
) -> Ported:
    """Put a README on another pin.

    Args:
        text: The README.
        old: The pin that it was written for.
        new: The pin that it is to be true of.
        renamed: File name of each patch to its new one; None where it left the
            series.
    """
    text = text.replace(old.release_version, new.release_version)
    torch = "torch"
    # Words may stand on two lines; `===` is the owner's way back.
    for before, was, now in (
        (r"pin\s+is\s+vLLM\s+", old.version, new.version),
        (r"pip install vllm===", old.version, new.version),
        (r"PyTorch\s+", old.companions.get(torch), new.companions.get(torch)),
    ):
        if was and now:
            said = rf"({before}){re.escape(was)}(?![\d.]*\d)"
            text = re.sub(said, rf"\g<1>{now}", text)
    moved = {
        name[:4]: to[:4] for name, to in renamed.items() if to and to[:4] != name[:4]
    }
    rows, by_hand = [], []
    for number, row in enumerate(text.split("\n"), 1):
        why = list(_reasons(row, old, new, renamed, moved))
        by_hand += [f"README.md:{number}: {reason}" for reason in why]
        rows.append(_LINK.sub(lambda m: _link(m, renamed), row))
    return Ported("\n".join(rows), tuple(by_hand))


def follow(
    text: str, *, old: Lock, new: Lock, renamed: Mapping[str, str | None]
) -> tuple[str, tuple[str, ...]]:
    """`ported`, as `scripts.series.adopt` takes it."""
    done = ported(text, old, new, renamed)
    return done.text, done.by_hand


def _link(match: re.Match[str], renamed: Mapping[str, str | None]) -> str:
    to = renamed.get(match[2])
    return f"[{to[:4]}](patches/{to})" if to else match[0]


def _reasons(
    row: str,
    old: Lock,
    new: Lock,
    renamed: Mapping[str, str | None],
    moved: Mapping[str, str],
) -> list[str]:
    found = []
    if old.version != new.version and _says(row, old.version):
        found.append(f"it names {old.version}")
    for name, version in old.companions.items():
        if new.companions.get(name) != version and _says(row, version):
            found.append(f"it names {name} {version}")
    for match in _LINK.finditer(row):
        if match[2] in renamed and renamed[match[2]] is None:
            found.append(f"{match[1]} left the series")
    prose = _LINK.sub("", row)
    found += [
        f"{a} is {b} now" for a, b in moved.items() if re.search(rf"\b{a}\b", prose)
    ]
    return found


def _says(row: str, version: str) -> bool:
    return re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.]*\d)", row) is not None
