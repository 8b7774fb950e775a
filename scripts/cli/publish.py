# SPDX-License-Identifier: Apache-2.0
"""Verbs on what is published: provenance, reproduce, release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.checkout import Checkout
from scripts.cli.program import app
from scripts.console import say
from scripts.usage import alone

Builder = Annotated[
    str | None,
    typer.Option(
        "--builder-id",
        envvar="BUILDER_ID",
        help="URI of who builds, such as a workflow's address; local if absent.",
    ),
]


@app.command(
    "provenance",
    epilog="Example: python -m scripts provenance "
    "dist/vllm-0.33.0+sm12x.1-cp38-abi3-manylinux_2_28_x86_64.whl",
)
def provenance_verb(
    built: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="A wheel, or the sdist."),
    ],
    builder: Builder = None,
    predicate: Annotated[
        Path | None,
        typer.Option(help="Write the predicate alone here too, for a signing tool."),
    ] = None,
) -> None:
    """Write the unsigned in-toto statement beside a built file.

    It is SLSA provenance v1; docs/provenance.md says what is in it and how it
    is signed. The commit is named only where the checkout is clean.
    """
    from scripts import lock as lockfile
    from scripts.publish import provenance
    from scripts.publish.build import arch_or_sdist, origin
    from scripts.series import folder

    at = Checkout()
    lock = lockfile.load(at.lock)
    arch = arch_or_sdist(lock, built)
    patches = folder.load(at.patches)
    made = provenance.save(built, lock, patches, origin(at, builder), arch)
    say(str(made))
    if predicate is not None:
        provenance.save_predicate(made, predicate)
        say(str(predicate))


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

    A file of another series exits 2 and names the commit to check out. What
    differs is listed, and diffoscope's words follow where it is installed.
    """
    from scripts.publish.reproduce import reproduce

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
    builder: Builder = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path(
        "dist"
    ),
    raise_number: Annotated[
        bool,
        typer.Option("--next", help="Raise series.release in the lock; nothing else."),
    ] = False,
) -> None:
    """Make everything that is published, each file verified; nothing is pushed.

    Both wheels, the sdist, bills of materials, provenance, checksums and a
    static package index. What is in dist/ already and passes is kept. The
    change log is written first; commit it and run this again.
    """
    from scripts import lock as lockfile
    from scripts.publish.run import Wanted, release

    at = Checkout()
    if raise_number:
        alone("NEXT=1", {"DRY_RUN": dry_run, "TAG": tag, "FILES_URL": files_url})
        lock = lockfile.load(at.lock)
        following = {"series.release": lock.release + 1, "series.released-tree": None}
        lockfile.update(at.lock, following)
        say(f"upstream.lock: {lockfile.load(at.lock).release_version}; commit it")
        return
    wanted = Wanted(dry_run, tag, files_url, builder, out)
    for text in release(at, wanted):
        say(text)
