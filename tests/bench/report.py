# SPDX-License-Identifier: Apache-2.0
"""Rows of the bench: figures, ratios and aims, apart from how they came."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from statistics import median
from typing import Any

from tests.bench.measure import Took


class Unit(Enum):
    """What a row's figures count."""

    SECONDS = "s"
    BYTES = "bytes"


class Verdict(Enum):
    """How a row stands to its aim."""

    MET = "met"  # the medians reach the aim
    MISSED = "not met"  # they do not
    NONE = "-"  # the row has no aim; it is there for the reader
    SKIPPED = "skipped"  # the other side is not on this machine


class Sense(Enum):
    """How an aim's limit is meant."""

    RATIO = "ours/theirs <= {:g}"  # ours takes at most so many times theirs
    WITHIN = "<= {:g} s"  # our median takes at most so long
    FASTER = "{:g} x faster"  # theirs takes at least so many times ours
    BELOW = "every peak < {:g} MB"  # no round reaches so many 10**6 bytes


@dataclass(frozen=True)
class Aim:
    """What the issue asks of a row."""

    sense: Sense
    limit: float

    def __str__(self) -> str:
        return self.sense.value.format(self.limit)


@dataclass(frozen=True)
class Side:
    """One of the two sides of a row."""

    what: str
    values: tuple[float, ...]
    """One a round, in the row's unit."""
    processor: tuple[float, ...] = ()
    """Seconds of the processor, user and system, beside those of the clock."""

    @property
    def median(self) -> float:
        return median(self.values)

    @classmethod
    def timed(cls, what: str, took: Sequence[Took]) -> Side:
        """A side of seconds by the clock, with those of the processor beside."""
        seconds = tuple(each.seconds for each in took)
        return cls(what, seconds, tuple(each.processor for each in took))


@dataclass(frozen=True)
class Row:
    """A comparison; without `theirs` a figure of our own."""

    job: str
    unit: Unit
    ours: Side
    theirs: Side | None = None
    aim: Aim | None = None
    skipped: str | None = None
    """Why there is no other side."""

    @property
    def ratio(self) -> float | None:
        """Median of ours by median of theirs."""
        return self.ours.median / self.theirs.median if self.theirs else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """Least and greatest ratio of one round."""
        if self.theirs is None:
            return None
        pairs = zip(self.ours.values, self.theirs.values, strict=True)
        ratios = [a / b for a, b in pairs]
        return min(ratios), max(ratios)

    @property
    def verdict(self) -> Verdict:
        if self.skipped:
            return Verdict.SKIPPED
        if self.aim is None:
            return Verdict.NONE
        limit = self.aim.limit
        if self.aim.sense is Sense.BELOW:
            met = max(self.ours.values) < limit * 1e6
        elif self.aim.sense is Sense.WITHIN:
            met = self.ours.median <= limit
        else:
            assert self.ratio is not None, "an aim on a ratio needs two sides"
            most = limit if self.aim.sense is Sense.RATIO else 1 / limit
            met = self.ratio <= most
        return Verdict.MET if met else Verdict.MISSED


def figure(value: float, unit: Unit) -> str:
    """A value for the table.

    >>> figure(0.12345, Unit.SECONDS), figure(51_500_000, Unit.BYTES)
    ('0.123 s', '51.5 MB')
    """
    return f"{value:.3f} s" if unit is Unit.SECONDS else f"{value / 1e6:.1f} MB"


def _side(side: Side, unit: Unit) -> str:
    low, high = (figure(f(side.values), unit) for f in (min, max))
    beside = f", cpu {median(side.processor):.3f} s" if side.processor else ""
    return f"{figure(side.median, unit)} ({low.split()[0]}-{high}){beside}"


def table(rows: Sequence[Row]) -> str:
    """The rows as text: median (least-greatest) of n rounds."""
    head = ("job", "ours", "theirs", "ours/theirs", "n", "aim", "verdict")
    lines: list[tuple[str, ...]] = [head]
    for row in rows:
        theirs, ratio = row.skipped or "-", "-"
        if row.theirs:
            theirs = f"{row.theirs.what}: {_side(row.theirs, row.unit)}"
            low, high = row.spread or (0, 0)
            ratio = f"{row.ratio:.3g} ({low:.3g}-{high:.3g})"
        lines.append(
            (
                row.job,
                f"{row.ours.what}: {_side(row.ours, row.unit)}",
                theirs,
                ratio,
                str(len(row.ours.values)),
                str(row.aim or "-"),
                row.verdict.value,
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, tuple("-" * w for w in widths))
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_data(row: Row) -> dict[str, Any]:
    """A row for JSON; figures are in `unit`, ratios have none."""
    data = asdict(row)
    data["unit"] = row.unit.value
    for name, side in (("ours", row.ours), ("theirs", row.theirs)):
        if side is not None:
            data[name]["median"] = side.median
            if side.processor:
                data[name]["processor_median"] = median(side.processor)
    if row.aim:
        data["aim"] = {"sense": row.aim.sense.name.lower(), "limit": row.aim.limit}
    return {
        **data,
        "ratio": row.ratio,
        "ratio_spread": row.spread,
        "rounds": len(row.ours.values),
        "verdict": row.verdict.value,
    }


def summary(data: Mapping[str, Any]) -> str:
    """The rows of a record, as README has them.

    Args:
        data: What `--json` prints: `machine` and `rows`, each of `as_data`.
    """
    lines = ["| what | here | beside it | ratio | asked |", "|---|---|---|---|---|"]
    for row in data["rows"]:
        unit = Unit(row["unit"])
        ours, theirs = (_short(row[side], unit) for side in ("ours", "theirs"))
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        asked = ""
        if aim := row.get("aim"):
            told = Aim(Sense[aim["sense"].upper()], aim["limit"])
            asked = f"{told}: {row['verdict']}"
        lines.append(f"| {row['job']} | {ours} | {theirs} | {ratio} | {asked} |")
    return "\n".join(lines) + "\n"


def _short(side: Mapping[str, Any] | None, unit: Unit) -> str:
    if side is None:
        return ""
    cpu = side.get("processor_median")
    beside = "" if cpu is None else f", {figure(cpu, Unit.SECONDS)} of the processor"
    return f"{side['what']}: {figure(side['median'], unit)}{beside}"


_TABLE = re.compile(r"^\| what \| here \|.*\n(?:\|.*\n)+", re.MULTILINE)


def into(readme: str, data: Mapping[str, Any]) -> str:
    """README with the table of this record in the place of the one that it has."""
    return _TABLE.sub(lambda _: summary(data), readme)
