# SPDX-License-Identifier: Apache-2.0
"""Where words go: results to stdout, progress and errors to stderr.

rich draws the bar of a transfer on a terminal. Lines need none of it, and its import
would be a good part of a short verb.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress


def say(text: str) -> None:
    """Print one line of result."""
    _print(text, sys.stdout)


def note(text: str) -> None:
    """Print one line of progress; never part of the result."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        # Who reads has gone, and what Python itself flushes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise SystemExit(1) from None


@dataclass(frozen=True)
class Bar:
    """How far a transfer is; drawn on a terminal alone."""

    drawn: Progress | None = None

    def advance(self, count: int) -> None:
        """Go on by `count` bytes."""
        if self.drawn is not None:
            self.drawn.advance(self.drawn.task_ids[0], count)

    def restart(self) -> None:
        """Go back to the first byte."""
        if self.drawn is not None:
            self.drawn.update(self.drawn.task_ids[0], completed=0)


@contextmanager
def bytes_progress(label: str, total: int, start: int = 0) -> Iterator[Bar]:
    """A transfer bar on a terminal; two plain lines where there is none.

    Args:
        label: What is shown beside it.
        total: Bytes in all.
        start: Bytes that are there already.
    """
    if not sys.stderr.isatty():
        note(f"{label}: {total - start:,} of {total:,} bytes to go")
        yield Bar()
        note(f"{label}: done")
        return
    from rich.console import Console
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
    with Progress(*columns, console=Console(stderr=True)) as progress:
        progress.add_task(label, total=total, completed=start)
        yield Bar(progress)
