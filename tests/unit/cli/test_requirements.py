# SPDX-License-Identifier: Apache-2.0
"""What a target installs is what its verb imports, and no verb lacks a package."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import ROOT

FOLDER = ROOT / "requirements"
OWN = ("scripts", "ci")
_VERB = re.compile(r'^@app\.command\(\s*"([a-z0-9-]+)"', re.MULTILINE)


def pinned(name: str) -> set[str]:
    """Packages that a file names, and those of the files that it includes."""
    found = set()
    for row in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if row.startswith("-r "):
            found |= pinned(row.removeprefix("-r ").removesuffix(".txt"))
        elif row and not row.startswith("#"):
            found.add(canonicalize_name(Requirement(row).name))
    return found


def installed(name: str) -> set[str]:
    """The same with what they require."""
    todo, found = pinned(name), set[str]()
    while todo:
        each = todo.pop()
        found.add(each)
        for row in requires(each) or ():
            need = Requirement(row)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                todo |= {canonicalize_name(need.name)} - found
    return found


def file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    choices = (path.with_suffix(".py"), path / "__init__.py")
    return next((p for p in choices if p.is_file()), None)


def names(nodes: Iterable[ast.AST]) -> set[str]:
    """What imports below these name, `a.b` for `from a import b` too."""
    found = set()
    for node in (each for top in nodes for each in ast.walk(top)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return found


@cache
def names_of(path: Path) -> set[str]:
    return names([ast.parse(path.read_text(encoding="utf-8"))])


def imported(module: str, verb: str) -> set[str]:
    """Top-level modules of others that a verb, and all below it, may import."""
    tree = ast.parse((ROOT / "scripts/cli" / f"{module}.py").read_text("utf-8"))
    whole = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    mine = [
        f for f in functions if f"'{verb}'" in "".join(map(ast.dump, f.decorator_list))
    ]
    for function in mine:  # and what it calls: the list grows
        said = ast.dump(function)
        mine += [f for f in functions if f not in mine and f"id='{f.name}'" in said]
    todo, seen, found = names([*whole, *mine]), set[Path](), set[str]()
    while todo:
        name = todo.pop()
        if name.partition(".")[0] not in OWN:
            found.add(name.partition(".")[0])
        elif (path := file(name)) and path not in seen:
            seen.add(path)
            todo |= names_of(path)
    return found - sys.stdlib_module_names


def targets() -> dict[str, tuple[str, str]]:
    """By verb, the file that its target installs, and the module that has it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^([a-z0-9-]+): .*?\.venv/\.(\w+)", makefile, re.MULTILINE)
    found = {}
    for path in sorted((ROOT / "scripts/cli").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for verb in _VERB.findall(text):
            found[verb] = (dict(rules)[verb], path.stem)
    return found


VERBS = targets()


@pytest.fixture(scope="module")
def whose() -> dict[str, set[str]]:
    """By top-level module, the packages that have it."""
    found = packages_distributions().items()
    return {name: {*map(canonicalize_name, of)} for name, of in found}


@pytest.mark.parametrize("name", ["tools", "page", "maintainer"])
def test_each_file_has_what_its_verbs_import(
    name: str, whose: dict[str, set[str]]
) -> None:
    have, verbs = installed(name), [v for v in VERBS if VERBS[v][0] == name]
    assert verbs
    for verb in verbs:
        needs = imported(VERBS[verb][1], verb)
        assert {m for m in needs if not whose[m] & have} == set(), verb


def test_a_user_installs_nothing_that_none_of_his_verbs_imports(
    whose: dict[str, set[str]],
) -> None:
    used = {
        each
        for verb, (given, module) in VERBS.items()
        if given == "tools"
        for name in imported(module, verb)
        for each in whose[name]
    }
    # pip is run, not imported.
    assert pinned("tools") - used == {"pip"}
