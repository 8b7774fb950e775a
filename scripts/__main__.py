# SPDX-License-Identifier: Apache-2.0
"""The command line: `python -m scripts VERB`."""

from __future__ import annotations

import sys

import typer

from scripts.cli import app
from scripts.console import err
from scripts.errors import ForkError


def main(commands: typer.Typer = app, name: str = "python -m scripts") -> int:
    """Run one verb; 0 ok, 1 a finding, 2 usage or environment."""
    try:
        commands(prog_name=name)
    except ForkError as e:
        err.print(str(e))
        return e.exit_code
    except KeyboardInterrupt:
        err.print("stopped; run the same command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
