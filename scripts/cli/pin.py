# SPDX-License-Identifier: Apache-2.0
"""Verbs on the pin: pin, fetch."""

from __future__ import annotations

from typing import Annotated

import typer

from scripts.base.console import say
from scripts.checkout import Checkout
from scripts.cli.program import app


@app.command("pin", epilog="Example: python -m scripts pin 0.33.0   (make pin)")
def pin_verb(
    version: Annotated[str, typer.Argument(help="Upstream release, such as 0.33.0.")],
) -> None:
    """Write upstream.lock for a release, after checking every file of it.

    Another version than the pinned one starts a new series: N is 1, and the
    patches have to be carried over.
    """
    from scripts.base.files import one_run
    from scripts.upstream.pin import pin

    at = Checkout()
    with one_run(at.run_lock, "make pin"):
        done = pin(version, at.lock)
    say(f"pinned vLLM {done.version} ({done.tag}, commit {done.commit})")
    say(f"tree {done.tree}")


@app.command("fetch", epilog="Example: python -m scripts fetch --arch all")
def fetch_verb(
    arch: Annotated[
        str,
        typer.Option(help="Wheels to bring: x86_64, aarch64, all, or none."),
    ] = "all",
) -> None:
    """Bring what the lock names into the cache and check it.

    Looked for in UPSTREAM_DIR, then in the cache, then on the package index.
    """
    from scripts.upstream import lock as lockfile
    from scripts.upstream.fetch import obtain

    lock = lockfile.load()
    everything = {"all": list(lock.wheels.values()), "none": []}
    wheels = everything[arch] if arch in everything else [lock.wheel(arch)]
    for artifact in [lock.sdist, *wheels]:
        say(f"{artifact.sha256}  {obtain(artifact)}")
