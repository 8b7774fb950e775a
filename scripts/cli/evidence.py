# SPDX-License-Identifier: Apache-2.0
"""Verbs on what is proved of each patch: evidence, mutants."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from scripts.base.console import note, say
from scripts.base.errors import Unusable
from scripts.base.files import one_run
from scripts.checkout import Checkout
from scripts.cli.program import app

Processes = Annotated[int, typer.Option(min=1, max=16, help="Test sessions at a time.")]


@app.command("evidence", epilog="Example: python -m scripts evidence --format markdown")
def evidence_verb(
    form: Annotated[
        str, typer.Option("--format", help="text, markdown or json.")
    ] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="--format json.")] = False,
    processes: Processes = 2,
) -> None:
    """Leave each patch out: the test that needs it fails, and no stranger's.

    Upstream's own tests, imports and selections off SM12x are held to what they
    are without the series; the mutants come from the repository's record. What was
    run once is kept in the cache, so that only what changed is run again.
    """
    from scripts import reports
    from scripts.evidence import main, render

    form = "json" if as_json else form
    if form not in ("text", "markdown", "json"):
        raise Unusable(
            "no such format",
            where="FORMAT",
            expected="text, markdown or json",
            found=form,
            next="make evidence FORMAT=markdown",
        )
    at = Checkout()
    with one_run(at.build / ".evidence.lock", "make evidence", wait=True):
        found = main.gather(at, processes)
    data = main.as_data(found)
    reports.write(at, "evidence", data)
    if form == "json":
        say(json.dumps(data, indent=1))
    else:
        say(render.markdown(found) if form == "markdown" else render.text(found))
    for problem in found.problems:
        note(f"problem: {problem}")
    if found.problems:
        raise typer.Exit(1)


@app.command("mutants", epilog="Example: python -m scripts mutants --patch 0003")
def mutants_verb(
    patch: Annotated[
        list[str] | None, typer.Option(help="Number of a patch; all if none is named.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write what was found to the record.")
    ] = False,
    processes: Processes = 2,
) -> None:
    """Change the series' lines one at a time, and see that a test fails each time.

    Takes long; an interrupted run resumes. Survivors are listed with their line.
    Fewer killed than nine in ten, or an entry of equivalent.toml that no surviving
    mutant has, exit 1.
    """
    from scripts import reports
    from scripts.evidence import main, record, render
    from scripts.series import folder

    at = Checkout()
    numbers = [each.zfill(4) for each in patch or ()]
    known = [p.number for p in folder.load(at.patches)]
    if wrong := sorted(set(numbers) - set(known)):
        raise Unusable(
            "no patch has that number",
            expected=", ".join(known),
            found=", ".join(wrong),
            next=f"make mutants PATCH={known[0]}" if known else "make check",
        )
    with one_run(at.build / ".evidence.lock", "make mutants", wait=True):
        found = main.kill(at, numbers, processes)
    data = {number: asdict(each) for number, each in found.patches.items()}
    reports.write(at, "mutants", {"patches": data, "unused": list(found.unused)})
    say(render.killing(found))
    for key in found.unused:
        note(f"problem: equivalent.toml argues for {key}, which no mutant needs")
    if update:
        kept = record.load() if numbers else {}
        record.save({**kept, **found.patches})
    if found.unused or not found.enough:
        raise typer.Exit(1)
