# SPDX-License-Identifier: Apache-2.0
"""Verbs on what is published: reproduce, release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.base.console import say
from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.cli.usage import alone


@app.command(
    "reproduce",
    epilog="Example: python -m scripts reproduce "
    "downloads/vllm-0.33.0+sm12x.1-cp38-abi3-manylinux_2_28_x86_64.whl",
)
def reproduce_verb(
    published: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="A published wheel or source archive."
        ),
    ],
) -> None:
    """Build a published wheel or sdist again and compare, byte for byte.

    A file of another series exits 2 and names the commit to check out. Where a
    wheel differs is said by verify-wheel, of an sdist by each file.
    """
    from scripts.release.reproduce import reproduce

    answer = reproduce(Checkout(), published)
    say(str(answer))
    if not answer.same:
        raise typer.Exit(1)


@app.command("release", epilog="Example: python -m scripts release --dry-run")
def release_verb(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    tag: Annotated[
        bool, typer.Option("--tag", help="Tag HEAD at the end, in this clone only.")
    ] = False,
    files_url: Annotated[
        str,
        typer.Option(help="Where the files will lie, for the index; here if empty."),
    ] = "",
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path(
        "dist"
    ),
    raise_number: Annotated[
        bool,
        typer.Option("--next", help="Raise series.release in the lock; nothing else."),
    ] = False,
) -> None:
    """Make everything that is published, each file verified; nothing is pushed.

    Both wheels, the sdist, bills of materials, checksums and a static package
    index. What is in dist/ already and passes is kept. The
    change log is written first; commit it and run this again.
    """
    from scripts.release.run import Wanted, release
    from scripts.upstream import lock as lockfile

    at = Checkout()
    if raise_number:
        alone("NEXT=1", {"DRY_RUN": dry_run, "TAG": tag, "FILES_URL": files_url})
        lock = lockfile.load(at.lock)
        following = {"series.release": lock.release + 1, "series.released-tree": None}
        lockfile.update(at.lock, following)
        say(f"upstream.lock: {lockfile.load(at.lock).release_version}; commit it")
        return
    wanted = Wanted(dry_run, tag, files_url, out)
    for text in release(at, wanted):
        say(text)
