# SPDX-License-Identifier: Apache-2.0
"""Verb of the rebase bot: bot."""

from __future__ import annotations

from typing import Annotated

import typer

from scripts.base.console import say
from scripts.checkout import Checkout
from scripts.cli.program import app


@app.command("bot", epilog="Example: python -m scripts bot --to 0.34.0   (make bot)")
def bot_verb(
    to: Annotated[
        str | None,
        typer.Option("--to", help="The release; the newest on the index if absent."),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Push and write at the forge.")
    ] = False,
    no_proof: Annotated[
        bool, typer.Option("--no-proof", help="Leave the long steps out; show only.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Do the work anew, changed or not.")
    ] = False,
    made: Annotated[
        bool,
        typer.Option("--made", help="Only what an earlier run made; do no long work."),
    ] = False,
    remote: Annotated[
        str, typer.Option(help="Git remote that pull requests are opened at.")
    ] = "origin",
    base: Annotated[str, typer.Option(help="Branch that they are for.")] = "main",
    tags: Annotated[
        str | None,
        typer.Option(help="Upstream's git address; a release needs a tag there."),
    ] = None,
) -> None:
    """Carry the series to a new release and propose it: one pull request a release.

    Works on the last commit, in a clone below build/bot, and says what it would
    do; with --apply it pushes and writes by the GitHub CLI. Where the series
    does not carry, or a step fails on it, that is one issue instead, and exit
    code 1 without --apply.
    """
    from ci.bot import bot
    from ci.forge_state import Wanted
    from ci.github import GitHub
    from ci.render import as_data, as_text
    from scripts import reports

    at = Checkout()
    wanted = Wanted(to, apply, not no_proof, again, made, remote, base, tags)
    result = bot(at, wanted, GitHub(at.root))
    reports.write(at, "bot", as_data(result))
    say(as_text(result))
    proposal = result.proposal
    if proposal is not None and proposal.failed and not result.done:
        raise typer.Exit(1)
