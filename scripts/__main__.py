# SPDX-License-Identifier: Apache-2.0
"""The command line: `python -m scripts VERB`."""

from __future__ import annotations

import sys

import typer

from scripts.base import interrupt
from scripts.base.console import note
from scripts.base.errors import ForkError
from scripts.cli import usage
from scripts.cli.program import load


def main(commands: typer.Typer | None = None, name: str = "python -m scripts") -> int:
    """Run one verb; 0 ok, 1 a finding, 2 usage or environment, 130 Ctrl-C."""
    args = usage.given(sys.argv[1:])
    program = commands or load(args)
    try:
        try:
            interrupt.loaded()
            code = program(args, prog_name=name, standalone_mode=False)
        finally:
            interrupt.over()
    except ForkError as e:
        note(str(e))
        return e.exit_code
    except KeyboardInterrupt:
        code = interrupt.CODE
    except usage.Wrong as e:
        if len(sys.argv) == 1:
            e.show()  # type: ignore[attr-defined]
        else:
            note(str(usage.error(e, args, name)))
        return 2
    if code == interrupt.CODE:
        note(interrupt.words())
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
