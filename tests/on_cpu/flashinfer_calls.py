# SPDX-License-Identifier: Apache-2.0
"""What vLLM calls of FlashInfer, by its syntax trees.

A name is followed from vLLM's import, or from its lazy wrapper.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.on_cpu.flashinfer_release import Name
from tests.on_cpu.flashinfer_release import tree as parsed

_LAZY = "_lazy_import_wrapper"


_HOME = "vllm.utils.flashinfer"
"""Where the lazy wrappers are, which other modules import from."""


@dataclass(frozen=True)
class Call:
    """One call: where, of what, and with how many and which arguments."""

    where: str
    name: Name
    positional: int
    keywords: frozenset[str]
    open: bool
    """It passes ``*args`` or ``**kwargs``, so that not all is seen."""


@dataclass(frozen=True)
class Uses:
    names: frozenset[Name]
    calls: tuple[Call, ...]


def uses(vllm: Path) -> Uses:
    """What the package at this folder takes from FlashInfer, and how it calls it."""
    home = vllm.joinpath(*_HOME.split(".")[1:]).with_suffix(".py")
    lazy = dict(_lazy(home))
    names: set[Name] = set(lazy.values())
    calls: list[Call] = []
    for path in sorted(vllm.rglob("*.py")):
        if "flashinfer" not in path.read_text(encoding="utf-8"):
            continue
        tree = parsed(path)
        known = {**(lazy if path == home else {}), **dict(_imported(tree, lazy))}
        modules = dict(_modules(tree))
        names.update(known.values())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = _called(node.func, known, modules)
                if name is not None:
                    names.add(name)
                    calls.append(_call(path.relative_to(vllm.parent), node, name))
    return Uses(frozenset(names), tuple(calls))


def bind(call: Call, signature: inspect.Signature) -> str | None:
    """Why the call does not fit the signature, or None."""
    keywords = dict.fromkeys(call.keywords)
    try:
        how = signature.bind_partial if call.open else signature.bind
        how(*[None] * call.positional, **keywords)
    except TypeError as error:
        return str(error)
    return None


def _lazy(home: Path) -> Iterator[tuple[str, Name]]:
    for node in parsed(home).body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=target)],
                value=ast.Call(
                    func=ast.Name(id=called),
                    args=[ast.Constant(value=module), ast.Constant(value=name), *_],
                ),
            ) if called == _LAZY:
                yield target, Name(str(module), str(name))


def _imported(tree: ast.Module, lazy: dict[str, Name]) -> Iterator[tuple[str, Name]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
            continue
        for alias in node.names:
            local = alias.asname or alias.name
            if node.module.partition(".")[0] == "flashinfer":
                yield local, Name(node.module, alias.name)
            elif node.module == _HOME and alias.name in lazy:
                yield local, lazy[alias.name]


def _modules(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "flashinfer":
                    yield (
                        (alias.asname, alias.name)
                        if alias.asname
                        else ("flashinfer", "flashinfer")
                    )


def _called(
    func: ast.expr, known: dict[str, Name], modules: dict[str, str]
) -> Name | None:
    if isinstance(func, ast.Name):
        return known.get(func.id)
    parts: list[str] = []
    while isinstance(func, ast.Attribute):
        parts.insert(0, func.attr)
        func = func.value
    if not isinstance(func, ast.Name) or not parts:
        return None
    if func.id in modules:
        return Name(".".join([modules[func.id], *parts[:-1]]), parts[-1])
    if func.id in known:  # of a class, or of a module that was imported by name
        name = known[func.id]
        return Name(".".join([str(name), *parts[:-1]]), parts[-1])
    return None


def _call(path: Path, node: ast.Call, name: Name) -> Call:
    starred = any(isinstance(a, ast.Starred) for a in node.args)
    named = [k.arg for k in node.keywords]
    return Call(
        f"{path}:{node.lineno}",
        name,
        sum(not isinstance(a, ast.Starred) for a in node.args),
        frozenset(k for k in named if k is not None),
        starred or None in named,
    )
