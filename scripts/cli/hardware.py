# SPDX-License-Identifier: Apache-2.0
"""Verbs that want a GPU: cuda, test-sm12x, bench-sm12x."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scripts import lock as lockfile
from scripts import reports
from scripts.checkout import Checkout
from scripts.cli import app
from scripts.console import note, say

Json = Annotated[bool, typer.Option("--json", help="The same as JSON.")]


@app.command("cuda", epilog="Example: python -m scripts cuda --recorded")
def cuda_verb(
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="Print the repository's table; run nothing."),
    ] = False,
    python: Annotated[
        str, typer.Option(help="Interpreter that imports the patched vLLM.")
    ] = "python3",
    update: Annotated[
        bool, typer.Option("--update", help="Write what was found as that table.")
    ] = False,
    as_data: Json = False,
) -> None:
    """Run the Python side of the series on a real CUDA device of any capability.

    What is selected there, `apply` in a CUDA graph replayed after a reload, bytes
    really allocated, microseconds around the kernel, fork beside upstream. The
    kernel itself is not run.
    """
    from scripts.hardware import cuda

    at = Checkout()
    found = cuda.recorded() if recorded else cuda.measured(at, python)
    reports.write(at, "cuda", found)
    tree = lockfile.load(at.lock).patched_tree
    say(json.dumps(found, indent=1) if as_data else cuda.as_text(found, tree))
    if recorded:
        return
    if failed := cuda.failures(found):
        note("; ".join(failed))
        raise typer.Exit(1)
    if update:
        cuda.update(found)
