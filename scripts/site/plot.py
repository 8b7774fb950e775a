# SPDX-License-Identifier: Apache-2.0
"""Geometry of the plots: figures to coordinates. The template draws them.

Coordinates are those of the SVG's view box, y downwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

WIDTH = 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 78, 14, 46
_ROW, _BAR = 54, 13


def ticks(top: float, about: int = 4) -> list[float]:
    """Round steps from zero to the first one that is no less than `top`.

    >>> ticks(1.83), ticks(101376, 5)
    ([0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 25000.0, 50000.0, 75000.0, 100000.0, 125000.0])
    """
    if top <= 0:
        return [0.0, 1.0]
    power = floor(log10(top / about))
    unit = 10.0**power
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= top / about * 0.999)
    count = ceil(top / step - 1e-9)
    return [round(i * step, max(0, 2 - power)) for i in range(count + 1)]


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    says: str
    """What the dot stands for, shown by the browser when pointed at."""


@dataclass(frozen=True)
class Series:
    """One side of a comparison; `side` is `fork` or `upstream`, and its style."""

    side: str
    dots: tuple[Dot, ...]

    @property
    def path(self) -> str:
        return " ".join(f"{d.x:g},{d.y:g}" for d in self.dots)


@dataclass(frozen=True)
class Lines:
    """Series over named steps, the y axis from zero."""

    width: int
    height: int
    left: float
    right: float
    bottom: float
    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def lines(
    steps: Sequence[str], sides: Mapping[str, Sequence[float]], height: int = 260
) -> Lines:
    """Points of each side, one a step.

    Args:
        steps: Labels along x.
        sides: By side, one figure a step; finite and not negative.
        height: Of the view box.
    """
    marks = ticks(max(v for values in sides.values() for v in values))
    left, right, bottom = _LEFT, WIDTH - _RIGHT, height - _BOTTOM
    gap = (right - left) / max(1, len(steps))
    xs = [round(left + gap * (i + 0.5), 1) for i in range(len(steps))]

    def y(value: float) -> float:
        return round(bottom - value / marks[-1] * (bottom - _TOP), 1)

    return Lines(
        *(WIDTH, height, left, right, bottom),
        tuple(
            Series(
                side,
                tuple(
                    Dot(x, y(v), f"{side}, {step}: {v:.3f}")
                    for x, v, step in zip(xs, values, steps, strict=True)
                ),
            )
            for side, values in sides.items()
        ),
        tuple(map(Tick, xs, steps)),
        tuple(Tick(y(mark), f"{mark:g}") for mark in marks),
    )


@dataclass(frozen=True)
class Bar:
    side: str
    y: float
    width: float
    label: str
    none: bool = False
    """There is no figure; the label says why."""


@dataclass(frozen=True)
class Group:
    name: str
    y: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Bars:
    """Groups of horizontal bars from a common zero."""

    width: int
    height: int
    thick: int
    groups: tuple[Group, ...]


def bars(
    groups: Mapping[str, Mapping[str, tuple[float | None, str]]],
) -> Bars:
    """By group and side, a figure (None for none) and its label."""
    most = max(
        (v for sides in groups.values() for v, _ in sides.values() if v is not None),
        default=1,
    )
    # A label stands behind its bar.
    room = WIDTH - 96
    made = []
    for number, (name, sides) in enumerate(groups.items()):
        top = number * _ROW + 14
        made.append(
            Group(
                name,
                top,
                tuple(
                    Bar(
                        side,
                        top + 6 + i * (_BAR + 2),
                        round((value or 0) / (most or 1) * room, 1),
                        label,
                        value is None,
                    )
                    for i, (side, (value, label)) in enumerate(sides.items())
                ),
            )
        )
    return Bars(WIDTH, len(groups) * _ROW, _BAR, tuple(made))


@dataclass(frozen=True)
class Cloud:
    """Dots over two axes from zero, and a limit on y."""

    width: int
    height: int
    left: float
    right: float
    bottom: float
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    limit: Tick


def cloud(
    points: Sequence[tuple[float, float, str]], x_top: float, limit: float
) -> Cloud:
    """Dots at `(x, y, text)`, equal places once, under the line `limit`."""
    height = 280
    left, right, bottom = 64, WIDTH - 16, height - _BOTTOM
    xs = ticks(max([x_top, *(p[0] for p in points)]), 5)
    ys = ticks(max([limit * 1.05, *(p[1] for p in points)]), 5)

    def x(value: float) -> float:
        return round(left + value / xs[-1] * (right - left), 1)

    def y(value: float) -> float:
        return round(bottom - value / ys[-1] * (bottom - _TOP), 1)

    places: dict[tuple[float, float], list[str]] = {}
    for a, b, text in points:
        places.setdefault((a, b), []).append(text)
    return Cloud(
        *(WIDTH, height, left, right, bottom),
        tuple(
            Dot(x(a), y(b), "\n".join(texts))
            for (a, b), texts in sorted(places.items())
        ),
        tuple(Tick(x(v), f"{v:g}") for v in xs),
        tuple(Tick(y(v), f"{v:,.0f}") for v in ys),
        Tick(y(limit), f"{limit:,.0f}"),
    )
