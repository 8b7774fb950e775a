# SPDX-License-Identifier: Apache-2.0
"""Verbs that carry the series to another upstream: port, port-continue."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from scripts.base.console import say
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.cli.usage import alone


class Format(Enum):
    """How a port is reported."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


AsFormat = Annotated[Format, typer.Option("--format", help="How to report.")]
NoProof = Annotated[
    bool, typer.Option("--no-proof", help="Carry only; pin, apply and test nothing.")
]


@app.command("port", epilog="Example: python -m scripts port 0.32.0 --dry-run")
def port_verb(
    to: Annotated[str, typer.Argument(help="A release, or a git ref with --git.")],
    git: Annotated[
        Path | None,
        typer.Option(
            "--git",
            help="A clone of upstream: TO may be a ref of it; its history is searched "
            "for reverts, and names the commit that broke what is not carried.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Report in build/reports, and write nothing else."
        ),
    ] = False,
    no_proof: NoProof = False,
    proof: Annotated[
        bool,
        typer.Option("--proof", help="Prove a git ref too, on its Python alone."),
    ] = False,
    no_history: Annotated[
        bool,
        typer.Option("--no-history", help="Do not look for reverts in between."),
    ] = False,
    form: AsFormat = Format.TEXT,
) -> None:
    """Carry the series to another upstream, as far as can be proved.

    Every patch is tried and reported. What was carried is applied, checked and
    tested on the new release before patches/, the lock and the README change; where
    a person has to decide, the first such patch waits in build/port/vllm, with a
    note in build/port/CONFLICT.md. With --git each file that is not carried is
    traced to upstream's commit, by bisecting a slim mirror of the clone. A git ref is
    proved only with --proof, and never written.
    """
    from scripts.port.run import Wanted, port

    if no_proof:
        alone("NO_PROOF=1", {"PROOF": proof})
    wanted = Wanted(to, git, dry_run, not no_proof, proof, not no_history)
    _report(port(Checkout(), wanted), form)


@app.command(
    "port-continue",
    epilog="Example: python -m scripts port-continue --reason 'upstream renamed it'",
)
def continue_verb(
    reason: Annotated[str, typer.Option(help="Why the fixed files are right.")],
    no_proof: NoProof = False,
    form: AsFormat = Format.TEXT,
) -> None:
    """Write down what was decided in build/port/vllm, and go on with the port."""
    from scripts.port.run import resume

    _report(resume(Checkout(), reason, not no_proof), form)


def _report(summary: object, form: Format) -> None:
    from scripts import reports
    from scripts.port.report import render
    from scripts.port.report.summary import Outcome, Summary

    assert isinstance(summary, Summary)
    # What was only tried does not take the place of what was done.
    name = "port-dry-run" if summary.dry_run else "port"
    reports.write(Checkout(), name, render.as_data(summary))
    shapes = {
        Format.TEXT: render.as_text,
        Format.JSON: render.as_json,
        Format.MARKDOWN: render.as_markdown,
    }
    say(shapes[form](summary))
    good = (Outcome.IDENTITY, Outcome.PROVED, Outcome.CARRIED)
    raise typer.Exit(0 if summary.outcome in good else 1)
