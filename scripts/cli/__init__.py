# SPDX-License-Identifier: Apache-2.0
"""One subcommand a verb; what a verb does stands in its own module."""

from __future__ import annotations

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keep the SM12x patch series on a pinned vLLM. "
    "Exit codes: 0 ok, 1 a finding, 2 usage or environment.",
)

# Importing a module registers its verbs.
from scripts.cli import (  # noqa: E402
    bot,
    downstream,
    evidence,
    findings,
    footprint,
    hardware,
    hopper,
    install,
    kernels,
    pin,
    port,
    publish,
    selection,
    series,
    site,
    wheel,
)

__all__ = [
    "app",
    "bot",
    "downstream",
    "evidence",
    "findings",
    "footprint",
    "hardware",
    "hopper",
    "install",
    "kernels",
    "pin",
    "port",
    "publish",
    "selection",
    "series",
    "site",
    "wheel",
]
