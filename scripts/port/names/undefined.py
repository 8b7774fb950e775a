# SPDX-License-Identifier: Apache-2.0
"""Names that a merge leaves without a definition, or with two: by ruff's rules."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from scripts.series.check.style import run_ruff

RULES = "F811,F821,F822,F823"
"""Defined twice, undefined, undefined in `__all__`, used before it is assigned."""


@dataclass(frozen=True)
class Undefined:
    """One finding in a file."""

    path: str
    row: int
    name: str
    what: str


def undefined(files: Mapping[str, tuple[bytes, ...]]) -> list[Undefined]:
    """What the last content of each file has, and none of those before it.

    Args:
        files: Path to contents: those to compare with, then the one in question.

    Raises:
        Unusable: There is no ruff.
    """
    if not files:
        return []
    with TemporaryDirectory(prefix="sm12x-port-") as scratch:
        top = Path(scratch).resolve()
        laid: dict[Path, tuple[str, int]] = {}
        for path, contents in files.items():
            for number, data in enumerate(contents, -len(contents)):
                place = top / str(len(laid)) / PurePosixPath(path).name
                laid[place] = path, number
                place.parent.mkdir()
                place.write_bytes(data)
        rules = ("--isolated", "--no-cache", f"--select={RULES}")
        done = run_ruff(top, "check", *rules, "--output-format=json", ".")
        found: dict[str, Counter[str]] = {}
        mine: list[tuple[str, int, str]] = []
        for row in json.loads(done.stdout):
            path, side = laid[Path(row["filename"])]
            message = _plain(row["message"])
            if row["code"] is None or row["code"] == "invalid-syntax":
                continue
            if side == -1:
                mine.append((path, row["location"]["row"], message))
            else:
                known = found.setdefault(path, Counter())
                known[message] += 1
    fresh = []
    for path, line, message in mine:
        if found.get(path, Counter())[message]:
            continue
        name = (re.findall(r"`([^`]+)`", message) or [""])[0]
        fresh.append(Undefined(path, line, name, message))
    return fresh


def _plain(message: str) -> str:
    """Without the line that another definition stands at."""
    return re.sub(r" from line \d+", "", message)
