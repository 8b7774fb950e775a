# SPDX-License-Identifier: Apache-2.0
"""Verbs on the series: apply, export, check."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from scripts.base.console import say
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.series.origin import UPSTREAM_URL, Source

Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="UPSTREAM_URL", help="Upstream's repository, for --source git."
    ),
]


@app.command(
    "apply", epilog="Example: python -m scripts apply --until 0001   (make apply)"
)
def apply_verb(
    source: Annotated[
        Source, typer.Option(help="Released archive, or upstream's repository.")
    ] = Source.SDIST,
    url: Url = UPSTREAM_URL,
    until: Annotated[
        str | None, typer.Option(help="Number of the last patch to apply; 0 for none.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Overwrite work in build/vllm, after a backup under a ref."
        ),
    ] = False,
) -> None:
    """Make build/vllm: the pinned upstream and one commit a patch.

    Every preimage and every result is compared with the blob that the patch
    names, and the tree at the end with upstream.lock.
    """
    from scripts.series.apply import Wanted, apply
    from scripts.series.workbench import Workbench

    done = apply(Wanted(Checkout(), source, url, until, force))
    path = os.path.relpath(done.path)
    if done.backup:
        say(f"kept what stood in {path} as {done.backup}")
        say(Workbench(done.path).back(done.backup))
    if not done.changed:
        say(f"nothing to do: {path} holds {done.patches} patches, tree {done.tree}")
        return
    prefix = f" (until {until})" if until else ""
    say(f"applied {done.patches} patches{prefix} to {path}")
    say(f"base {done.base}")
    say(f"tip  {done.tip}")
    same = "not compared: a prefix" if until else "as in upstream.lock"
    say(f"tree {done.tree} ({same})")


@app.command("export", epilog="Example: python -m scripts export   (make export)")
def export_verb(
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Overwrite patches that changed since they were applied."
        ),
    ] = False,
) -> None:
    """Write the commits of build/vllm to patches/, and the tree id to the lock.

    The patches are replayed and compared with the commits, tree by tree,
    before the first file is written.
    """
    from scripts.series.export import export
    from scripts.series.table import render
    from scripts.upstream import lock as lockfile

    done = export(Checkout(), force, render)
    for name, change in sorted(done.changes.items()):
        say(f"{change.value:<8} patches/{name}")
    for name in done.others:
        say(f"followed {name}")
    if not (done.changes or done.others):
        say("patches/ is as the commits are; nothing was written")
    say(f"{len(done.patches)} patches, tree {done.tree}")
    say(f"built of it: vLLM {lockfile.load(Checkout().lock).local_version}")


@app.command("check", epilog="Example: python -m scripts check --json   (make check)")
def check_verb(
    as_data: Annotated[
        bool, typer.Option("--json", help="A JSON array in place of lines and table.")
    ] = False,
) -> None:
    """Say everything that can be said of the series without running it.

    Findings are `file:line: rule: message`; an error among them exits 1.
    """
    from scripts.series.check.run import main

    raise typer.Exit(main(Checkout(), as_data))
