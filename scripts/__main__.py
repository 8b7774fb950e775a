# SPDX-License-Identifier: Apache-2.0
"""The command line: `python -m scripts VERB`."""

from __future__ import annotations

import sys

import typer

from scripts import interrupt, usage
from scripts.cli import app
from scripts.console import err
from scripts.errors import ForkError


def main(commands: typer.Typer = app, name: str = "python -m scripts") -> int:
    """Run one verb; 0 ok, 1 a finding, 2 usage or environment, 130 Ctrl-C."""
    args = usage.given(sys.argv[1:])
    try:
        try:
            interrupt.loaded()
            code = commands(args, prog_name=name, standalone_mode=False)
        finally:
            interrupt.over()
    except ForkError as e:
        err.print(str(e))
        return e.exit_code
    except KeyboardInterrupt:
        code = interrupt.CODE
    except usage.Wrong as e:
        if len(sys.argv) == 1:
            e.show()  # type: ignore[attr-defined]
        else:
            err.print(str(usage.error(e, args, name)))
        return 2
    if code == interrupt.CODE:
        err.print(interrupt.words())
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
