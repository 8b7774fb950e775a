# SPDX-License-Identifier: Apache-2.0
"""What was counted, as the repository keeps it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from scripts import RECORDS
from scripts.base import decode
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.checkout import Checkout
from scripts.footprint.count import Row
from scripts.upstream import lock as lockfile
from scripts.upstream.environments import asked_with

PATH = RECORDS / "footprint.json"


class Record(msgspec.Struct, frozen=True):
    """Rows, of which patched tree, beside which FlashInfer, and when."""

    tree: str
    flashinfer: str
    day: str
    rows: tuple[Row, ...]


def read(path: Path = PATH) -> Record:
    """The repository's record.

    Raises:
        Finding: There is none, or it cannot be read.
    """
    what, again = "there is no record of the footprint", "make footprint UPDATE=1"
    return decode.read(path, Record, what, again, Finding)


def of(at: Checkout, rows: tuple[Row, ...]) -> Record:
    """A record of this checkout, made today."""
    return Record(
        tree=lockfile.load(at.lock).patched_tree,
        flashinfer=asked_with()["flashinfer-python"],
        day=datetime.now(UTC).strftime("%Y-%m-%d"),
        rows=rows,
    )


def keep(record: Record, path: Path = PATH) -> None:
    """Write it into the repository."""
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    write(path, text + b"\n")


def hold(found: Record, recorded: Record) -> None:
    """Raise unless the same bytes were recorded.

    Raises:
        Finding: They were not; the first rows that differ are named.
    """
    was = {_key(row): row for row in recorded.rows}
    now = {_key(row): row for row in found.rows}
    changed = [key for key in {**was, **now} if was.get(key) != now.get(key)]
    if changed:
        named = ", ".join(f"{name} TP {ranks}" for name, ranks in changed[:12])
        raise Finding(
            f"{len(changed)} rows are not those of the record",
            where=PATH.name,
            found=named,
            next="fix the series, or record what it does now: make footprint UPDATE=1",
        )


def _key(row: Row) -> tuple[str, int]:
    return row.model.name, row.tensor_parallel
