# SPDX-License-Identifier: Apache-2.0
"""A verb takes texts and paths as typer does, without the library behind it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer._click.exceptions import BadParameter
from typer._coercion import build_runtime_param

from scripts import ROOT
from scripts.cli import app
from scripts.cli.plain import without_pydantic

CALLED = """
import sys
import scripts.__main__ as program

sys.argv = ["x", "wheel", "--arch", "riscv64", "--out", "dist"]
code = program.main()
print(code, *{name.partition(".")[0] for name in sys.modules})
"""


def test_a_call_with_texts_and_paths_does_not_load_it() -> None:
    call = [sys.executable, "-c", CALLED]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    code, *names = done.stdout.split()
    assert code == "2", done.stderr
    assert "typer" in names
    assert "pydantic" not in names


@pytest.fixture(scope="module")
def params() -> list[tuple[Any, Any]]:
    """Every parameter of every verb, and the context of its command."""
    group: Any = typer.main.get_command(app)
    found = []
    for command in group.commands.values():
        context = typer.Context(command)
        found += [(param, context) for param in command.get_params(context)]
    return found


def _outcome(runtime: Any, value: object, param: Any, context: Any) -> object:
    try:
        return runtime.coerce(value, param, context)
    except BadParameter as e:
        return e.format_message()


def test_values_and_refusals_are_those_of_typer(
    params: list[tuple[Any, Any]], tmp_path: Path
) -> None:
    tmp_path.joinpath("file").touch()
    texts = ["", "./", "x", "3", "0", "-1", "json", "ä", "\udcff", str(tmp_path)]
    texts += [str(tmp_path / name) for name in ("file", "none")]
    kinds = set()
    for param, context in params:
        ours, theirs = param._runtime_param, build_runtime_param(param.type_descriptor)
        assert type(ours) is not type(theirs)
        many = param.multiple or param.nargs != 1
        given: list[object] = [[text] for text in texts] if many else [*texts]
        for value in (None, param.get_default(context), *given):
            found = _outcome(ours, value, param, context)
            expected = _outcome(theirs, value, param, context)
            assert found == expected, (context.command.name, param.name, value)
            assert type(found) is type(expected)
            kinds.add(type(found))
    assert {str, type(Path()), type(None), int, list, tuple} <= kinds


def test_the_order_is_that_of_the_command(params: list[tuple[Any, Any]]) -> None:
    command = params[0][1].command
    assert without_pydantic(command.params) == command.params
