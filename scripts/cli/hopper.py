# SPDX-License-Identifier: Apache-2.0
"""Verb of the real kernels on a Hopper GPU: hopper."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Annotated

import typer

from scripts.checkout import Checkout
from scripts.cli import app
from scripts.console import note, say


class Step(enum.StrEnum):
    """Of ``make hopper``, in order; each can be run alone."""

    # Compile, translate, assemble and link: a folder to take to the GPU.
    prepare = "prepare"
    # Run that folder, with the Python of a machine with a Hopper GPU.
    run = "run"
    # Hold the results against the bounds and keep them in the repository.
    record = "record"


@app.command("hopper", epilog="Example: python -m scripts hopper --recorded")
def hopper_verb(
    step: Annotated[
        Step | None, typer.Option(help="This one alone; else prepare and run.")
    ] = None,
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="Print the repository's records; run nothing."),
    ] = False,
    flashinfer: Annotated[
        str | None, typer.Option(help="Another release than the lock's.")
    ] = None,
    python: Annotated[
        str, typer.Option(help="Interpreter on the machine with the GPU.")
    ] = "python3",
    parts: Annotated[
        str | None, typer.Option(help="Of the run, with commas between; else all.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Of the layers of real models, with commas; else all."),
    ] = None,
    results: Annotated[
        list[Path] | None, typer.Option(help="Files of runs, to record together.")
    ] = None,
    as_data: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Run FlashInfer's SM12x kernels on a Hopper GPU, and hold every claim to them.

    The PTX that CuTe DSL makes for sm_120a, with the instructions that Hopper lacks
    replaced by exact sequences, under the patched vLLM. It proves arithmetic,
    addressing and synchronisation; not what ptxas makes for sm_120, and no speed.
    Results that break a bound exit 1; without a Hopper GPU a run exits 2.
    """
    from scripts import lock as lockfile
    from scripts import reports
    from scripts.hopper import judge, record, render, runner

    at = Checkout()
    tree = lockfile.load(at.lock).patched_tree
    if recorded:
        found = record.recorded()
        say(
            json.dumps(found, indent=1)
            if as_data
            else "\n\n".join(render.as_text(one, tree) for one in found)
        )
        return
    release = flashinfer or lockfile.load(at.lock).companions["flashinfer-python"]
    bundle = at.build / "hopper" / release
    only = tuple(filter(None, (models or "").split(",")))
    if step in (None, Step.prepare):
        runner.prepared(at, release, bundle, only)
    if step in (None, Step.run):
        results = [runner.run(bundle, python, parts, only)]
    if step is Step.prepare:
        return
    made = record.merged(
        [record.load(path) for path in results or runner.found(bundle)]
    )
    reports.write(at, "hopper", {"runs": [render.as_data(made)]})
    say(json.dumps(made, indent=1) if as_data else render.as_text(made, tree))
    if why := judge.broken(made):
        for line in why:
            note(f"broken: {line}")
        raise typer.Exit(1)
    if step is Step.record:
        note(f"recorded in {record.save(made)}")
