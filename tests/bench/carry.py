# SPDX-License-Identifier: Apache-2.0
"""`make carry-matrix`: the series to every near release, beside the usual tools.

Backwards is as good a test as forwards: the pin is the newest release there is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from scripts import reports
from scripts.base.console import note, say
from scripts.checkout import Checkout
from scripts.series import folder
from tests.bench.carried import OURS, Cell, measure
from tests.bench.command import program, run
from tests.unit.port import kinds

RELEASES = ("0.29.0", "0.30.0", "0.31.0", "0.32.0", "0.33.0")
AIM = 5.0
"""Seconds a release, once its archive is in the cache."""

app = program()


def table(cells: Sequence[Cell], patches: int) -> str:
    """Carried, silently wrong, seconds; a row a tool, a column a release."""
    releases = list(dict.fromkeys(c.release for c in cells))
    tools = list(dict.fromkeys(c.tool for c in cells))
    head = f"{'of ' + str(patches) + ' patches':<18}" + "".join(
        f"{release:>24}" for release in releases
    )
    rows = [head]
    for tool in tools:
        row = f"{tool:<18}"
        for cell in (c for c in cells if c.tool == tool):
            text = f"{cell.carried}, {len(cell.wrong)} wrong, "
            text += f"{cell.seconds:.1f}/{cell.processor:.1f} s"
            row += f"{text if cell.ran else 'not installed':>24}"
        rows.append(row)
    for cell in cells:
        rows += [f"  {cell.release} {cell.tool} wrong: {what}" for what in cell.wrong]
    mine = [c for c in cells if c.tool == OURS]
    slow = [c.release for c in mine if c.seconds > AIM]
    rows.append("")
    rows.append(
        "carried: applied, and for make port also: stands on no patch that was not. "
        "wrong: lands in another symbol, or loses a line of upstream's, judged by "
        "Python's own parser. Seconds by the clock/of the processor; those of make "
        "port hold reading both archives."
    )
    if slow:
        rows.append(f"aim not met: more than {AIM:.0f} s on {', '.join(slow)}")
    return "\n".join(rows)


def as_data(cells: Sequence[Cell], patches: int, load: float) -> dict[str, Any]:
    """What the table says, for machines; the schema has a number."""
    return {
        "schema": 1,
        "patches": patches,
        "aim_seconds": AIM,
        "machine": {"cpus": os.cpu_count(), "load_before": round(load, 2)},
        "cells": [asdict(cell) for cell in cells],
    }


@app.command(epilog="Example: python -m tests.bench.carry --release 0.32.0")
def carry_matrix(
    release: Annotated[
        list[str] | None, typer.Option(help="One release; may be given again.")
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="JSON in place of the table.")
    ] = False,
) -> None:
    """Carry the series to each release with make port and with the usual tools.

    Then the changes of upstream that tests/unit/port has, made by hand, by kind.
    Nobody's recorded decisions are used. What comes out is printed and kept as
    build/reports/carry-matrix.json. Exits 1 if make port lands anything in the
    wrong place, or answers a change of upstream's wrongly.
    """
    load = os.getloadavg()[0]
    cells = measure(release or RELEASES)
    count = len(folder.names())
    note("the changes made by hand, by every tool")
    by_kind = kinds.tally()
    data = as_data(cells, count, load) | {"kinds": kinds.as_data(by_kind)}
    reports.write(Checkout(), "carry-matrix", data)
    text = f"{table(cells, count)}\n\n{kinds.table(by_kind)}"
    say(json.dumps(data, indent=1) if json_ else text)
    bad = any(c.wrong for c in cells if c.tool == OURS) or by_kind.wrong
    raise typer.Exit(int(bool(bad)))


if __name__ == "__main__":
    sys.exit(run(app, "python -m tests.bench.carry"))
