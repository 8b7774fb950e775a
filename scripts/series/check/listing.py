# SPDX-License-Identifier: Apache-2.0
"""`series` against the files of the folder: names, numbers, order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from scripts.series.check.problem import Problem, Rule, printable

OTHERS = {"series", "README.md", "resolutions"}
"""What lies in `patches/` beside patches; the last is the port's."""


def entries(text: str) -> list[tuple[int, str]]:
    """Line and file name of each entry of `series`, as `folder.names` reads it."""
    rows = (
        (number, line.partition("#")[0].strip())
        for number, line in enumerate(text.splitlines(), 1)
    )
    return [(number, name) for number, name in rows if name]


def check(folder: Path) -> Iterator[Problem]:
    """Compare the list with the folder; the order is that of the list."""
    series = "patches/series"
    try:
        text = (folder / "series").read_bytes().decode("utf-8")
    except OSError as e:
        yield Problem(series, 1, Rule.SERIES, f"cannot be read: {e.strerror}")
        return
    except UnicodeDecodeError as e:
        yield Problem(series, 1, Rule.SERIES, f"is not UTF-8: {e.reason}")
        return
    if text.startswith("\ufeff"):
        text = text.removeprefix("\ufeff")
        yield Problem(series, 1, Rule.SERIES, "begins with a byte order mark")
    if "\r" in text:
        at = text[: text.index("\r")].count("\n") + 1
        yield Problem(series, at, Rule.SERIES, "has CRLF line ends")
    seen: set[str] = set()
    gone: list[tuple[int, str]] = []
    for count, (line, name) in enumerate(entries(text), 1):
        shown = printable(name)
        if name in seen:
            yield Problem(series, line, Rule.SERIES, f"{shown} comes twice")
            continue
        seen.add(name)
        if not (folder / name).is_file():
            gone.append((line, shown))
        match = re.fullmatch(r"(\d{4})-[A-Za-z0-9._-]+\.patch", name)
        if not match:
            yield Problem(series, line, Rule.NAME, f"{shown} is not NNNN-slug.patch")
        elif int(match[1]) != count:
            yield Problem(
                series, line, Rule.NAME, f"{shown} stands where {count:04} belongs"
            )
    stray = [
        printable(path.name)
        for path in sorted(folder.iterdir())
        if path.name not in seen | OTHERS
    ]
    if not seen and stray:
        yield Problem(series, 1, Rule.SERIES, f"names none of {len(stray)} files")
        return
    if len(gone) == len(stray) == 1:
        ((line, name),), (other,) = gone, stray
        what = f"{name} is not there, and {other} is not in this list: renamed?"
        yield Problem(series, line, Rule.SERIES, what)
        return
    for line, name in gone:
        yield Problem(series, line, Rule.SERIES, f"{name} is not there")
    for name in stray:
        where = f"patches/{name}"
        yield Problem(where, 1, Rule.SERIES, "is not in the file series")
