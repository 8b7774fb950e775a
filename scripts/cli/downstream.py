# SPDX-License-Identifier: Apache-2.0
"""Verbs for packagers: export-debian and the like, merge-series, unmerge-series."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.console import say

if TYPE_CHECKING:
    from scripts.downstream.formats import Wanted

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


def _export(wanted: Wanted) -> None:
    from scripts.downstream.formats import export

    done = export(Checkout(), wanted)
    theirs = f", {done.theirs} of them yours" if done.theirs else ""
    say(f"{os.path.relpath(done.path)}: {done.patches} patches{theirs}")
    same = (
        "no longer the lock's: your patches are in it" if done.theirs else "the lock's"
    )
    say(f"tree {done.tree} ({same})")


@app.command(
    "export-debian",
    epilog="Example: python -m scripts export-debian --after ../vllm/debian/patches",
)
def debian_verb(
    before: Before = None,
    after: After = None,
    out: Out = None,
    maintainer: Annotated[
        str | None, typer.Option(help="Name <address>, for control and changelog.")
    ] = None,
    force: Force = False,
) -> None:
    """Write debian/ of a 3.0 (quilt) source package, and upstream's archive.

    The patches have DEP-3 headers made of their trailers. docs/packagers.md
    has the session that builds and unpacks the source package.
    """
    from scripts.downstream.formats import Format, Wanted

    _export(Wanted(Format.DEBIAN, before, after, out, maintainer, force))


@app.command("export-rpm", epilog="Example: python -m scripts export-rpm --out SOURCES")
def rpm_verb(
    before: Before = None, after: After = None, out: Out = None, force: Force = False
) -> None:
    """Write the patches, a list of them to include, and a spec file."""
    from scripts.downstream.formats import Format, Wanted

    _export(Wanted(Format.RPM, before, after, out, force=force))


@app.command(
    "export-nix", epilog="Example: python -m scripts export-nix --out pkgs/vllm-sm12x"
)
def nix_verb(
    before: Before = None, after: After = None, out: Out = None, force: Force = False
) -> None:
    """Write an expression with the source's hash, the patches and an override."""
    from scripts.downstream.formats import Format, Wanted

    _export(Wanted(Format.NIX, before, after, out, force=force))


@app.command(
    "export-arch", epilog="Example: python -m scripts export-arch --after my-patches"
)
def arch_verb(
    before: Before = None, after: After = None, out: Out = None, force: Force = False
) -> None:
    """Write a PKGBUILD with sources, digests and prepare()."""
    from scripts.downstream.formats import Format, Wanted

    _export(Wanted(Format.ARCH, before, after, out, force=force))


@app.command(
    "export-conda", epilog="Example: python -m scripts export-conda --out recipe"
)
def conda_verb(
    before: Before = None, after: After = None, out: Out = None, force: Force = False
) -> None:
    """Write a recipe of schema version 1 with the source and the patches."""
    from scripts.downstream.formats import Format, Wanted

    _export(Wanted(Format.CONDA, before, after, out, force=force))


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
    from scripts.downstream.merge import merge

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
    from scripts.downstream.merge import unmerge

    done = unmerge(folder, force=force)
    say(f"{folder}: took out {done.patches} patches of {done.fork}")
    if done.theirs_kept:
        say("series was edited since; what you changed there stays")
