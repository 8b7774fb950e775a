# SPDX-License-Identifier: Apache-2.0
"""What docs/gpu-owners.md says that the log has, held to what a log has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rows import Rows

PAGE = Path(__file__).parents[3] / "docs" / "gpu-owners.md"
# What the page has of a GPU, and what a CPU has in its place.
_HERE = {"backend=nccl": "backend=gloo"}


def quoted(start: str) -> str:
    """The one line of the page's tables that begins so, as it stands there.

    Raises:
        ValueError: There is none, or there are others.
    """
    text = PAGE.read_text(encoding="utf-8")
    found = set(re.findall(rf"^\| `({re.escape(start)}[^`]*)`", text, re.M))
    (line,) = found
    return str(line)


def pattern(line: str) -> re.Pattern[str]:
    """Of that line in a log: ``...`` stands for anything."""
    for gpu, cpu in _HERE.items():
        line = line.replace(gpu, cpu)
    return re.compile(".*".join(map(re.escape, line.split("..."))))


def logged(rows: Rows, step: str, starts: Sequence[str], log: Sequence[str]) -> None:
    """One row: the page's lines that begin so are in the log."""
    lines = {line: pattern(line) for line in map(quoted, starts)}
    missing = [
        line
        for line, words in lines.items()
        if not any(words.search(each) for each in log)
    ]
    rows.add(
        step,
        f"{len(lines)} lines that docs/gpu-owners.md quotes",
        f"{len(lines) - len(missing)} of them"
        + "".join(f"; not {line}" for line in missing),
        not missing,
    )
