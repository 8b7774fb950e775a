# SPDX-License-Identifier: Apache-2.0
"""What a release of FlashInfer has, by its sources, and how two of them differ.

Nothing is imported: half of FlashInfer cannot be without a GPU. A name is followed
through FlashInfer's own imports to where it is defined; of a class, each method counts.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_POSITIONAL = inspect.Parameter.POSITIONAL_ONLY


@dataclass(frozen=True, order=True)
class Name:
    """Something of FlashInfer: ``flashinfer.decode`` and ``cudnn_batch_decode``."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"


class Release:
    """The sources of one FlashInfer.

    Args:
        folder: The one that ``flashinfer`` lies in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def signatures(self, name: Name) -> dict[str, inspect.Signature] | None:
        """Of a function one, under "", of a class those of its methods.

        Returns:
            None if there is no such name; no signature if it is a value or a module,
            or if a decorator gives it.
        """
        if self._path(name.module) is None:
            outer, _, owner = name.module.rpartition(".")
            methods = self.signatures(Name(outer, owner)) if outer else None
            if not methods or "" in methods:
                return None if methods is None else {}
            method = methods.get(name.attribute)
            return None if method is None else {"": method}
        match self._find(name.module, name.attribute):
            case (module, ast.ClassDef() as found):
                return dict(self._methods(module, found))
            case (_, ast.FunctionDef() as found):
                return {"": signature(found)}
            case None:
                return None
        return {}

    def _methods(
        self, module: str, owner: ast.ClassDef
    ) -> Iterator[tuple[str, inspect.Signature]]:
        for base in owner.bases:
            match isinstance(base, ast.Name) and self._find(module, base.id):
                case (home, ast.ClassDef() as parent):
                    yield from self._methods(home, parent)
        for each in owner.body:
            # Of those that are overloaded the last is the one that runs.
            if isinstance(each, ast.FunctionDef):
                bound = signature(each)
                first, *others = bound.parameters.values() or (None,)
                if first is not None and first.name in ("self", "cls"):
                    bound = bound.replace(parameters=others)
                yield each.name, bound

    def _find(self, module: str, attribute: str) -> tuple[str, ast.AST] | None:
        """Module and definition of a name, through whatever it was imported by."""
        path = self._path(module)
        if path is None:
            return None
        if self._path(f"{module}.{attribute}") and not _defines(path, attribute):
            return module, ast.Module([], [])
        for node in reversed(_statements(path)):
            match node:
                case ast.FunctionDef() | ast.ClassDef() if node.name == attribute:
                    return module, node
                case ast.ImportFrom():
                    source = _absolute(module, path, node)
                    for alias in node.names:
                        if (alias.asname or alias.name) == attribute:
                            return self._find(source, alias.name) or (module, node)
                        every = alias.name == "*" and source != module
                        if every and (found := self._find(source, attribute)):
                            return found
                case ast.Assign() | ast.AnnAssign():
                    targets = (
                        node.targets if isinstance(node, ast.Assign) else [node.target]
                    )
                    if any(
                        isinstance(t, ast.Name) and t.id == attribute for t in targets
                    ):
                        return module, node
        return None

    def _path(self, module: str) -> Path | None:
        stem = self.folder.joinpath(*module.split("."))
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if path.is_file():
                return path
        return None


def differences(old: Release, new: Release, names: Iterable[Name]) -> dict[str, str]:
    """What of these names a caller of the old release may notice in the new one.

    Arguments and methods that came, and that nobody has to know, are left out.
    """
    found: dict[str, str] = {}
    for name in names:
        before, after = old.signatures(name), new.signatures(name)
        if before is None:
            continue
        if after is None:
            found[str(name)] = "gone"
            continue
        for method, one in before.items():
            if method.startswith("_") and method != "__init__":
                continue
            other = after.get(method)
            said = "gone" if other is None else _moved(one, other)
            if said:
                found[f"{name}.{method}".rstrip(".")] = said
    return found


def _moved(one: inspect.Signature, other: inspect.Signature) -> str:
    old, new = one.parameters, other.parameters
    said = [f"{n} is gone" for n in old if n not in new]
    said += [
        f"{n} is asked for"
        for n, p in new.items()
        if n not in old
        and p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    said += [
        f"{_told(old[n])} is {_told(new[n])}"
        for n in old
        if n in new and _told(old[n]) != _told(new[n])
    ]
    plain = (_POSITIONAL, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    places = [[n for n, p in s.items() if p.kind in plain] for s in (old, new)]
    if places[1][: len(places[0])] != places[0] and not said:
        said.append("other places of arguments")
    return "; ".join(said)


def _told(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is parameter.empty else f"={parameter.default}"
    said = ""
    if parameter.kind in (parameter.KEYWORD_ONLY, _POSITIONAL):
        said = f"{parameter.kind.description} "
    return f"{said}{parameter.name}{default}"


def signature(node: ast.FunctionDef) -> inspect.Signature:
    """The signature that a definition gives, with its defaults as source text."""
    kind = inspect.Parameter
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults))
    defaults += args.defaults
    found = [
        _parameter(
            a.arg,
            kind.POSITIONAL_ONLY
            if i < len(args.posonlyargs)
            else kind.POSITIONAL_OR_KEYWORD,
            default,
        )
        for i, (a, default) in enumerate(zip(plain, defaults, strict=True))
    ]
    if args.vararg:
        found.append(kind(args.vararg.arg, kind.VAR_POSITIONAL))
    found += [
        _parameter(a.arg, kind.KEYWORD_ONLY, default)
        for a, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    if args.kwarg:
        found.append(kind(args.kwarg.arg, kind.VAR_KEYWORD))
    return inspect.Signature(found)


def _parameter(name: str, kind: object, default: ast.expr | None) -> inspect.Parameter:
    value = inspect.Parameter.empty if default is None else ast.unparse(default)
    return inspect.Parameter(name, kind, default=value)  # type: ignore[arg-type]


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _statements(path: Path) -> tuple[ast.stmt, ...]:
    """Those of the module itself, also below ``if`` and ``try``."""

    def inside(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            yield node
            if isinstance(node, ast.If | ast.Try | ast.With):
                for part in ("body", "handlers", "orelse", "finalbody"):
                    for below in getattr(node, part, ()):
                        if isinstance(below, ast.ExceptHandler):
                            yield from inside(below.body)
                        else:
                            yield from inside([below])

    return tuple(inside(tree(path).body))


def _defines(path: Path, attribute: str) -> bool:
    return any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute
        for node in _statements(path)
    )


def _absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts if path.name == "__init__.py" else parts[:-1]
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])
