# SPDX-License-Identifier: Apache-2.0
"""Plots of what an owner of the GPU measured."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from scripts.site import hardware, speed
from scripts.site.tables import Table
from tests.unit.site.samples import EVIL, Page, benched

MACHINE = {"device": "RTX", "capability": "12.0", "hardware": True}


def table(of: dict[str, Any]) -> Table:
    rows = tuple(map(tuple, of["rows"]))
    return Table(of["title"], tuple(of["columns"]), rows, tuple(of["notes"]))


def test_a_curve_has_each_figure_in_its_place() -> None:
    plots = speed.sweep(table(benched()["sweep"]))
    assert [p.layer for p in plots] == ["MoE", "linear"]
    for plot in plots:
        assert [c.style for c in plot.curves] == [
            *("fork", "other-1", "other-2", "other-4", "other-5"),
        ]
        for curve in plot.curves:
            assert len(curve.points) == 13
            xs = [p.x for p in curve.points]
            assert xs == sorted(xs) and plot.left < xs[0] and xs[-1] < plot.right
            # Longer is higher, and the spread goes around the median.
            ys = [p.y for p in curve.points]
            assert ys == sorted(ys, reverse=True)
            assert all(p.top <= p.y <= p.bottom <= plot.bottom for p in curve.points)
        names = [t.at for t in plot.x_ticks]
        gaps = [b - a for a, b in pairwise(names)]
        assert min(gaps) >= 36, "names of ticks would overlap"


def test_both_axes_are_logarithmic() -> None:
    rows = [("MoE", "marlin", 10**i, *(10.0**i,) * 3) for i in range(3)]
    (plot,) = speed.sweep(Table("T", ("",) * 6, tuple(rows)))
    one, two, three = plot.curves[0].points
    assert two.x - one.x == pytest.approx(three.x - two.x, abs=0.2)
    assert one.y - two.y == pytest.approx(two.y - three.y, abs=0.2)
    assert [t.label for t in plot.y_ticks] == ["1", "2", "5", "10", "20", "50", "100"]


def test_a_single_figure_can_be_drawn() -> None:
    (plot,) = speed.sweep(Table("T", ("",) * 6, (("MoE", "b12x", 1, 7, 7, 7),)))
    assert plot.curves[0].path


def test_bars_are_as_long_as_their_figures() -> None:
    for group in speed.served(table(benched()["serve"])):
        assert [b.style for b in group.bars] == ["fork", "other-2", "other-5"]
        assert all(b.least < b.width < b.most <= group.width for b in group.bars)
        assert group.bars[1].width > group.bars[0].width
        assert group.height >= group.bars[-1].y + 24


@pytest.mark.parametrize("value", [0, -1, None, "n/a", True, inf, nan])
def test_what_is_no_figure_is_refused(value: Any) -> None:
    sweep = table(benched()["sweep"])
    rows = (("MoE", "b12x", 1, value, 1, 1), *sweep.rows)
    with pytest.raises(ValueError, match="is no figure"):
        hardware.Hardware(MACHINE, True, sweep=replace(sweep, rows=rows))


@pytest.mark.parametrize("real", [True, False])
def test_the_bench_writes_one_page_of_its_own(real: bool) -> None:
    found = {"machine": MACHINE | {"hardware": real}, "ok": True, **benched()}
    text = hardware.bench_page(found).decode()
    Page(Path("bench-sm12x.html"), text)
    assert text.count('<g class="curve fork">') == 4  # two plots, two legends
    assert text.count('class="plot speed"') == 2 + 4
    assert ("says nothing of the hardware" in text) is not real
    assert EVIL not in text and '<link rel="stylesheet"' not in text
