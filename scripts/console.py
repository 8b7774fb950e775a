# SPDX-License-Identifier: Apache-2.0
"""Where words go: results to stdout, progress and errors to stderr.

rich is loaded with the first word: most of a verb's --help would be its import.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


@cache
def _console(stderr: bool) -> Console:
    from rich.console import Console

    # soft_wrap keeps a path or a digest on one line, so that it can be copied.
    return Console(
        stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False
    )


def say(text: str) -> None:
    """Print one line of result."""
    _console(False).print(text)


def note(text: str) -> None:
    """Print one line of progress; never part of the result."""
    _console(True).print(text)


@contextmanager
def bytes_progress(label: str, total: int, start: int = 0) -> Iterator[Progress]:
    """A transfer bar on a terminal; two plain lines where there is none.

    Advance it with `progress.advance(progress.task_ids[0], n)`.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    err = _console(True)
    if not err.is_terminal:
        note(f"{label}: {total - start:,} of {total:,} bytes to go")
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        progress.add_task(label, total=total, completed=start)
        yield progress
    if not err.is_terminal:
        note(f"{label}: done")
