# SPDX-License-Identifier: Apache-2.0
"""Plots of `make bench-sm12x`: a layer's time by number of tokens, a model served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log10
from typing import Any

from scripts.hardware.serve import BACKENDS
from scripts.site.plot import WIDTH, Tick
from scripts.site.tables import Table, Value, shown

FORK = {"MoE": "flashinfer_cutedsl_sm12x", "linear": "auto"}
"""By type of layer, the backend that the series brings or selects."""
OTHERS = tuple(b for b in BACKENDS if b != FORK["MoE"])
"""Backends beside it; each has its own stroke in all plots."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 46
_HEIGHT = 300
_ROW, _HEAD = 36, 24
_APART = 36
Row = tuple[Value, ...]


@dataclass(frozen=True)
class Point:
    """A median and its spread, as coordinates of the view box."""

    x: float
    y: float
    top: float
    """Of the 90th percentile, or the most."""
    bottom: float
    says: str


@dataclass(frozen=True)
class Curve:
    """One backend; `style` is `fork` or the number of its stroke."""

    name: str
    style: str
    points: tuple[Point, ...]

    @property
    def path(self) -> str:
        return " ".join(f"{p.x:g},{p.y:g}" for p in self.points)


@dataclass(frozen=True)
class Curves:
    """Microseconds of one type of layer over tokens, both axes logarithmic."""

    layer: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = _HEIGHT - _BOTTOM


def plots(sweep_: Table | None, serve: Table | None) -> dict[str, list[Any]]:
    """What templates/speed.html draws: `sweep` and `serve`, empty where not measured.

    Raises:
        ValueError: As `sweep` and `served`.
    """
    return {
        "sweep": sweep(sweep_) if sweep_ else [],
        "serve": served(serve) if serve else [],
    }


def sweep(table: Table) -> list[Curves]:
    """A plot of each type of layer.

    Args:
        table: Rows of layer, backend, tokens, and median, 10th and 90th percentile in
            microseconds.

    Raises:
        ValueError: A figure is missing, or not above zero.
    """
    layers: dict[str, dict[str, list[Row]]] = {}
    for row in table.rows:
        layers.setdefault(str(row[0]), {}).setdefault(str(row[1]), []).append(row)
    return [_curves(layer, backends) for layer, backends in layers.items()]


def _curves(layer: str, backends: Mapping[str, Sequence[Row]]) -> Curves:
    rows = [row for each in backends.values() for row in each]
    tokens = sorted({_positive(row, 2) for row in rows})
    times = [_positive(row, i) for row in rows for i in (3, 4, 5)]
    marks = _marks(min(times), max(times))
    x = _scale(tokens[0], tokens[-1], _LEFT + 10, WIDTH - _RIGHT - 10)
    y = _scale(marks[0], marks[-1], _HEIGHT - _BOTTOM, _TOP)

    def point(row: Row) -> Point:
        median, low, high = (y(_positive(row, i)) for i in (3, 4, 5))
        says = f"{row[1]}, M={row[2]}: {row[3]} us ({row[4]} to {row[5]})"
        return Point(x(_positive(row, 2)), median, high, low, says)

    curves = [
        Curve(name, _style(name, layer), tuple(map(point, each)))
        for name, each in backends.items()
    ]
    named: list[float] = []
    for count in tokens:  # as many as stay apart
        if not named or x(count) - x(named[-1]) >= _APART:
            named.append(count)
    return Curves(
        layer,
        tuple(curves),
        tuple(Tick(x(t), f"{t:g}") for t in named),
        tuple(Tick(y(mark), f"{mark:g}") for mark in marks),
    )


@dataclass(frozen=True)
class Bar:
    name: str
    style: str
    y: float
    width: float
    least: float
    most: float
    label: str


@dataclass(frozen=True)
class Group:
    """One figure at one number of requests at once."""

    name: str
    height: float
    bars: tuple[Bar, ...]
    width: int = WIDTH


def served(table: Table) -> list[Group]:
    """Bars of each figure, by number of requests at once.

    Args:
        table: Rows of backend, requests at once, figure, median, least, most, rounds.

    Raises:
        ValueError: A figure is missing, or not above zero.
    """
    groups: dict[str, list[Row]] = {}
    for row in table.rows:
        groups.setdefault(f"{row[2]}, {row[1]} at once", []).append(row)
    return [_group(name, rows) for name, rows in groups.items()]


def _group(name: str, rows: Sequence[Row]) -> Group:
    room = WIDTH - 8
    scale = room / max(_positive(row, 5) for row in rows)
    bars = []
    for i, row in enumerate(rows):
        median, least, most = (round(_positive(row, j) * scale, 1) for j in (3, 4, 5))
        style = _style(str(row[0]), "MoE")
        label = f"{shown(row[3])} ({shown(row[4])} to {shown(row[5])})"
        y = i * _ROW + _HEAD
        bars.append(Bar(str(row[0]), style, y, median, least, most, label))
    return Group(name, len(rows) * _ROW + _HEAD, tuple(bars))


def _style(backend: str, layer: str) -> str:
    if backend == FORK.get(layer):
        return "fork"
    known = backend in OTHERS
    return f"other-{OTHERS.index(backend) + 1 if known else len(OTHERS) + 1}"


def _positive(row: Row, column: int) -> float:
    value = row[column]
    if isinstance(value, str | bool | None) or not 0 < value < inf:
        raise ValueError(
            f"{value!r} in column {column + 1} of {list(row)} is no figure"
        )
    return float(value)


def _scale(low: float, high: float, first: float, last: float) -> Scale:
    return Scale(log10(low), max(log10(high / low), 1e-9), first, last)


@dataclass(frozen=True)
class Scale:
    """From a figure to a coordinate, by its logarithm."""

    low: float
    span: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        part = (log10(value) - self.low) / self.span
        return round(self.first + part * (self.last - self.first), 1)


def _marks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade, from the last that is no more than `low`.

    >>> _marks(3, 90)
    [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    """
    marks = [float(f"{m}e{power}") for power in range(-6, 13) for m in (1, 2, 5)]
    first = max(m for m in marks if m <= low)
    last = min(m for m in marks if m >= high and m > first)
    return [m for m in marks if first <= m <= last]
