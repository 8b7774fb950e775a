# SPDX-License-Identifier: Apache-2.0
"""Verbs for packagers: export-debian and the like, merge-series, unmerge-series."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from scripts.base.console import say
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.cli.usage import alone

Before = Annotated[
    Path | None,
    typer.Option(help="Folder with a series of your patches that come before ours."),
]
After = Annotated[
    Path | None,
    typer.Option(help="Folder with a series of your patches that come after ours."),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder for the result; build/export/FORMAT if absent."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Drop edits of what an earlier export wrote.")
]
Folder = Annotated[Path, typer.Argument(help="The folder that has your series.")]


@app.command(
    "export-debian",
    help="Write debian/ of a 3.0 (quilt) source package, and upstream's archive.\n\n"
    "The patches have DEP-3 headers made of their trailers. docs/packagers.md "
    "has the session that builds and unpacks the source package.",
    epilog="Example: python -m scripts export-debian --after ../vllm/debian/patches",
)
@app.command(
    "export-rpm",
    help="Write the patches, a list of them to include, and a spec file.",
    epilog="Example: python -m scripts export-rpm --out SOURCES",
)
@app.command(
    "export-nix",
    help="Write an expression with the source's hash, the patches and an override.",
    epilog="Example: python -m scripts export-nix --out pkgs/vllm-sm12x",
)
@app.command(
    "export-arch",
    help="Write a PKGBUILD with sources, digests and prepare().",
    epilog="Example: python -m scripts export-arch --after my-patches",
)
@app.command(
    "export-conda",
    help="Write a recipe of schema version 1 with the source and the patches.",
    epilog="Example: python -m scripts export-conda --out recipe",
)
def export_verb(
    called: typer.Context,
    before: Before = None,
    after: After = None,
    out: Out = None,
    maintainer: Annotated[
        str | None,
        typer.Option(help="Name <address>, for Debian's control and changelog."),
    ] = None,
    force: Force = False,
) -> None:
    """Write the series as a distribution takes it; the verb names the format."""
    from scripts.distro.formats import Format, Wanted, export

    form = Format(str(called.info_name).removeprefix("export-"))
    if form is not Format.DEBIAN:
        alone(f"export-{form.value}", {"MAINTAINER": maintainer})
    done = export(Checkout(), Wanted(form, before, after, out, maintainer, force))
    theirs = f", {done.theirs} of them yours" if done.theirs else ""
    say(f"{os.path.relpath(done.path)}: {done.patches} patches{theirs}")
    same = (
        "no longer the lock's: your patches are in it" if done.theirs else "the lock's"
    )
    say(f"tree {done.tree} ({same})")


@app.command(
    "merge-series",
    epilog="Example: python -m scripts merge-series ../vllm/debian/patches "
    "--behind fix-build.patch",
)
def merge_verb(
    folder: Folder,
    behind: Annotated[
        str | None,
        typer.Option(help="Your patch that ours come behind; ahead of all if absent."),
    ] = None,
) -> None:
    """Put the series into a quilt folder, among the patches that it has.

    Every patch, yours too, must stand at the lines that it names.
    """
    from scripts.distro.merge import merge

    done = merge(Checkout(), folder, behind)
    say(f"{folder}: put in {done.patches} patches of {done.fork}")
    say(f"tree {done.tree}, all patches applied")


@app.command(
    "unmerge-series",
    epilog="Example: python -m scripts unmerge-series ../vllm/debian/patches",
)
def unmerge_verb(
    folder: Folder,
    force: Annotated[
        bool, typer.Option("--force", help="Drop edits of our patches.")
    ] = False,
) -> None:
    """Take the series out of a quilt folder, to the bytes that were there."""
    from scripts.distro.merge import unmerge

    done = unmerge(folder, force=force)
    say(f"{folder}: took out {done.patches} patches of {done.fork}")
    if done.theirs_kept:
        say("series was edited since; what you changed there stays")
