# SPDX-License-Identifier: Apache-2.0
"""Verb on the pin: pin."""

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
