# SPDX-License-Identifier: Apache-2.0
"""Verbs on what a user gets: matrix, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from scripts.checkout import Checkout
from scripts.cli import app
from scripts.console import note, say
from scripts.errors import Unusable


@app.command("matrix", epilog="Example: python -m scripts matrix --recorded")
def matrix_verb(
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="Print the repository's table; ask nothing."),
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write what was found as that table.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every row, not the short form.")
    ] = False,
    as_data: Annotated[
        bool, typer.Option("--json", help="Every row, as a JSON array of objects.")
    ] = False,
) -> None:
    """Say what vLLM selects for NVFP4 layers, with the series and without.

    Both trees are asked on the CPU, through vLLM's own code, with a double of
    the GPU; the answers are compared with the repository's table. The first
    run makes an environment of some gigabytes in the cache and takes minutes.
    """
    from scripts import reports
    from scripts.selection import main, report

    found = main.recorded() if recorded else main.asked(Checkout())
    show = main.as_json if as_data else main.whole if everything else main.short
    say(show(found))
    if recorded:
        return
    reports.write(Checkout(), "matrix", report.as_data(found.table))
    if update:
        note(main.update(found))
        return
    main.hold(found)


@app.command(
    "doctor",
    epilog="Example: python -m scripts doctor --python venv/bin/python",
)
def doctor_verb(
    python: Annotated[
        str, typer.Option(help="Interpreter of the environment that runs vLLM.")
    ] = "python3",
    capability: Annotated[
        str | None,
        typer.Option(help="Of which GPU, as 12.1; this machine's if absent."),
    ] = None,
    as_data: Annotated[
        bool, typer.Option("--json", help="The same as JSON, for a program.")
    ] = False,
) -> None:
    """Look at a machine and its vLLM: what would be selected, and what to mend.

    Without a GPU and a capability it answers for both of SM12x; without a vLLM
    it reads the answers from the repository's table. A fault exits 1.
    """
    from scripts.selection.cases import CAPABILITIES, NO_GPU

    if capability is not None and capability not in CAPABILITIES:
        raise Unusable(
            "there is no such capability here",
            where="--capability",
            expected=", ".join(c for c in CAPABILITIES if c != NO_GPU),
            found=capability,
            next="make doctor CAPABILITY=12.1",
        )
    if not diagnose(Checkout(), python, capability, as_data=as_data):
        raise typer.Exit(1)


def diagnose(
    at: Checkout, python: str, capability: str | None = None, *, as_data: bool = False
) -> bool:
    """Look, say what was seen, and tell whether all is well."""
    from scripts import lock as lockfile
    from scripts.doctor import facts, findings, render, selection
    from scripts.series import folder

    patches = folder.load(at.patches)
    series = {patch.name: patch.sha256 for patch in patches}
    found = facts.look(python)
    diagnosis = render.Diagnosis(
        found,
        selection.select(found, capability),
        findings.remarks(found, lockfile.load(at.lock), series),
        series,
    )
    say(render.data(diagnosis) if as_data else render.text(diagnosis))
    return diagnosis.ok
