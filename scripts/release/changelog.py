# SPDX-License-Identifier: Apache-2.0
"""`CHANGELOG.md`: a person writes under "Unreleased", a release makes it a version.

The person's words are kept as they stand; what the tools know (the pin, and
what became of each patch) is written above them.
"""

from __future__ import annotations

import re
from pathlib import Path

from scripts.base.errors import Unusable
from scripts.release.changes import Changes

NAME = "CHANGELOG.md"
UNRELEASED = "Unreleased"
NOTHING = "Nothing yet."
_HEADING = re.compile(r"^## (.+)$", re.M)


def read(root: Path) -> str:
    """The log of a checkout; empty where there is none."""
    path = root / NAME
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def sections(text: str) -> dict[str, str]:
    """Bodies by title, without outer blank lines, newest first.

    >>> sections("# Log\\n\\n## Unreleased\\n\\nA.\\n\\n## 1 - 2026-01-01\\n\\nB.\\n")
    {'Unreleased': 'A.', '1 - 2026-01-01': 'B.'}
    """
    parts = _HEADING.split(text)[1:]
    return dict(zip(parts[::2], (b.strip("\n") for b in parts[1::2]), strict=True))


def released(text: str) -> list[str]:
    """Versions that have a section, newest first.

    >>> released("## Unreleased\\n\\n## 0.33.0+sm12x.1 - 2026-11-25\\n")
    ['0.33.0+sm12x.1']
    """
    return [t.split(" - ")[0] for t in sections(text) if t != UNRELEASED]


def section(text: str, version: str) -> str | None:
    """The body of a version's section."""
    for title, body in sections(text).items():
        if title.split(" - ")[0] == version:
            return body
    return None


def release(text: str, version: str, date: str, facts: str) -> str:
    """The log with "Unreleased" made a version, and an empty one above it.

    Args:
        text: The log as it is.
        version: The fork's version.
        date: As 2026-11-25.
        facts: What the tools know, above the person's words.

    Raises:
        Unusable: There is no "Unreleased", or the version is there already.
    """
    found = sections(text)
    if UNRELEASED not in found or version in released(text):
        raise Unusable(
            "the change log cannot take this release",
            where=NAME,
            expected=f"a section '## {UNRELEASED}', and none for {version}",
            found=", ".join(found) or "no section",
            next=f"write what changed under '## {UNRELEASED}'",
        )
    words = found[UNRELEASED]
    body = facts if words in ("", NOTHING) else f"{facts}\n\n{words}"
    start = text.index(f"## {UNRELEASED}\n")
    following = _HEADING.search(text, start + 1)
    rest = text[following.start() :] if following else ""
    new = f"## {UNRELEASED}\n\n{NOTHING}\n\n## {version} - {date}\n\n{body}\n"
    return f"{text[:start]}{new}" + (f"\n{rest}" if rest else "")


def facts(pin: str, before: tuple[str, str] | None, changes: Changes) -> str:
    """The lines that a release writes above the person's.

    Args:
        pin: vLLM's version.
        before: The fork's last release, and vLLM's version there; None for
            the first.
        changes: Since then.
    """
    if before is None:
        return f"vLLM {pin} with {len(changes.added)} patches. The first release."
    last, old = before
    moved = f"vLLM {pin}" if pin == old else f"vLLM {pin}, where it was {old}"
    head = f"{moved}. Patches since {last}: {changes.summary()}."
    rows = "".join(f"\n- {row}" for row in changes.rows())
    return f"{head}\n{rows}" if rows else head
