# SPDX-License-Identifier: Apache-2.0
"""Verb that runs what was learned of other people's software: findings."""

from __future__ import annotations

from typing import Annotated

import typer

from scripts.base.console import note, say
from scripts.base.errors import Unusable
from scripts.cli.program import app


@app.command("findings", epilog="Example: python -m scripts findings ptxas-setmaxnreg")
def findings_verb(
    name: Annotated[
        str | None, typer.Argument(help="One script of findings/; else all.")
    ] = None,
) -> None:
    """Run the scripts of findings/: does each still see what its header states?

    Each installs pinned public packages into a temporary folder, so that this wants
    the network, and for all of them some gigabytes of downloads. One that
    sees something else exits 1; where the others hold and one could not be run, 2.
    """
    from scripts.evidence import findings

    todo = findings.chosen(findings.load(), name)
    findings.require_network()
    results = []
    note(f"1 of {len(todo)}: {todo[0].name}")
    for done in findings.run(todo):
        results.append(done)
        note(f"  {done.state.value}, {done.seconds:.0f} s")
        if (i := len(results)) < len(todo):
            note(f"{i + 1} of {len(todo)}: {todo[i].name}")
    say(findings.table(results))
    states = [done.state for done in results]
    if findings.State.OTHER in states:
        raise typer.Exit(1)
    if findings.State.NOT_RUN in states:
        raise Unusable(
            "some findings could not be run",
            where=", ".join(
                r.script.name for r in results if r.state is findings.State.NOT_RUN
            ),
            next="see above what was lacking",
        )
