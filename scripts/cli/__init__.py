# SPDX-License-Identifier: Apache-2.0
"""One subcommand a verb; what a verb does stands in its own module.

`scripts.cli.app` is the program with all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def __getattr__(name: str) -> typer.Typer:
    if name != "app":
        raise AttributeError(name)
    from scripts.cli.program import load

    return load()
