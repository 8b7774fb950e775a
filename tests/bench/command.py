# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks' commands have in common."""

from __future__ import annotations

import typer

from scripts.__main__ import main


def program() -> typer.Typer:
    """A command line like that of the tools."""
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )


def run(app: typer.Typer, name: str) -> int:
    """Run it; 0 measured, 1 a finding, 2 usage or environment."""
    return main(app, name)
