# SPDX-License-Identifier: Apache-2.0
"""Names that Python's code says in a text, and arguments that a call does not show."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from scripts.port.merge.values import keys_of
from scripts.port.names.used import Call, last_word

Parts = tuple[str, ...]

_DOTTED = re.compile(r"(?:vllm|tests)(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_]\w*)?")
_PUTS = {"setattr", "delattr", "object", "getattr", "hasattr"}
"""What puts a double in place of a name that is given as a text, or asks for it."""
_COPIES = {"replace", "_replace"}
"""What copies with other fields."""


def dotted_text(said: object) -> Parts:
    """The dotted name that a text is, as `module:name` too; empty for all else."""
    if isinstance(said, str) and _DOTTED.fullmatch(said):
        return tuple(re.split("[.:]", said))
    return ()


def of_call(node: ast.Call) -> Iterator[Parts]:
    """Dotted names of which a call gives the last part as a text, or as a keyword."""
    word = last_word(node.func)
    if word in _PUTS and len(node.args) > 1:
        name = node.args[1]
        if isinstance(name, ast.Constant):
            yield from _joined(node.args[0], str(name.value))
    elif word in _COPIES:
        whole = node.args[0] if node.args else None
        if word == "_replace" and isinstance(node.func, ast.Attribute):
            whole = node.func.value
        for one in node.keywords if whole is not None else ():
            if one.arg:
                yield from _joined(whole, one.arg)  # type: ignore[arg-type]


def of_key(node: ast.Subscript) -> Iterator[Parts]:
    """A member of an enum, or a key, that is asked for by its name."""
    name = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if isinstance(name, str) and name.isidentifier():
        for *where, _ in _joined(node.value, name):
            yield (*where, f'["{name}"]')


def _joined(node: ast.expr, name: str) -> Iterator[Parts]:
    where = ast.unparse(node).split(".")
    if all(part.isidentifier() for part in (*where, name)):
        yield (*where, name)


def arguments(node: ast.Call, dicts: Mapping[str, frozenset[str]]) -> Call:
    """The arguments of a call, with the keys of a dict that `**` takes apart.

    Args:
        node: The call.
        dicts: Local names of dicts that are written out, and their keys.
    """
    names = [k.arg for k in node.keywords if k.arg]
    hidden = any(isinstance(a, ast.Starred) for a in node.args)
    for one in node.keywords:
        if one.arg is None:
            keys = keys_of(one.value)
            if isinstance(one.value, ast.Name):
                keys = dicts.get(one.value.id)
            names += sorted(keys or ())
            hidden = True
    return Call(len(node.args), tuple(names), hidden)


_STARTS = {"num_warps", "num_stages", "num_ctas", "maxnreg", "launch_pdl"}
"""What Triton takes when a kernel starts, and the kernel does not."""


def launch(call: Call) -> Call:
    """The arguments of a kernel that Triton starts, without those of the start."""
    return replace(call, names=tuple(n for n in call.names if n not in _STARTS))
