# SPDX-License-Identifier: Apache-2.0
"""The command line, of which only the verb that is called is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from scripts.cli.plain import without_pydantic


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return without_pydantic(super().get_params(ctx))


class _Program(typer.Typer):
    def command(
        self, name: str | None = None, **kwargs: Any
    ) -> Callable[[typer.models.CommandFunctionType], typer.models.CommandFunctionType]:
        return super().command(name, cls=_Command, **kwargs)


app = _Program(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keep the SM12x patch series on a pinned vLLM. "
    "Exit codes: 0 ok, 1 a finding, 2 usage or environment.",
)


@app.callback()
def _group() -> None:
    # Without one, typer takes an only verb for the whole program.
    return


def load(args: Sequence[str] = ()) -> typer.Typer:
    """The program with the verb that `args` begin with, or with all of them.

    The source says which module registers it: to import each takes half a second.
    """
    folder = Path(__file__).parent
    modules = {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("*.py"))
        if path.stem not in ("__init__", "program")
    }
    verb = re.escape(args[0]) if args else "-"
    asked = re.compile(rf'^@app\.command\(\s*"{verb}"', re.MULTILINE)
    named = [name for name, text in modules.items() if asked.search(text)]
    # typer loads pydantic, a third of a verb's --help, to read the program's own.
    app.info.add_help_option = not named
    for name in named or modules:
        import_module(f"scripts.cli.{name}")
    return app
