# SPDX-License-Identifier: Apache-2.0
"""Verb on memory: footprint."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scripts.base.console import note, say
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.cli.usage import alone


@app.command("footprint", epilog="Example: python -m scripts footprint --recorded")
def footprint_verb(
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="Print the repository's table; ask nothing."),
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write what was found as that table.")
    ] = False,
    as_data: Annotated[
        bool, typer.Option("--json", help="The table as JSON, for a program.")
    ] = False,
) -> None:
    """Count the bytes of experts of real models, fork beside upstream's default.

    Both trees lay the weights out on the meta device, through vLLM's own code, with a
    double of the GPU. More than 1.10 times upstream's bytes where nothing was named,
    or a row that is not the recorded one, exits 1.
    """
    from scripts import reports
    from scripts.footprint import count, models, record, table
    from scripts.selection.matrix import trees
    from scripts.series.identity import Identity
    from scripts.upstream import lock as lockfile

    if recorded:
        alone("RECORDED=1", {"UPDATE": update}, ("JSON",))
    at = Checkout()
    if recorded:
        found = record.read()
        here = Identity(lockfile.load(at.lock).patched_tree)
        whose = reports.of_series(Identity(found.tree), here)
        note(f"recorded on {found.day}, of {whose}")
    else:
        found = record.of(at, count.rows(trees(at), models.load()))
    data = table.as_data(found.rows)
    say(json.dumps(data, indent=1) if as_data else table.render(found.rows))
    if recorded:
        return
    reports.write(at, "footprint", data)
    table.hold(found.rows)
    if update:
        record.keep(found)
    else:
        record.hold(found, record.read())
