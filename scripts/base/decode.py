# SPDX-License-Identifier: Apache-2.0
"""What a file holds, as the type that it should have; what does not fit is named."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from scripts.base.errors import ForkError, Unusable

T = TypeVar("T")
_AT = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.*)`")


@dataclass
class Unfit(Exception):
    """A value is not of the type that it should have."""

    path: str
    """Its place, as `vllm.sdist.size`; empty for the whole."""
    expected: str
    found: str


def convert(value: Any, kind: type[T]) -> T:
    """A value of plain Python objects as that type; nothing is turned into another.

    Raises:
        Unfit: It is none.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        raise _unfit(value, kind, str(e)) from e


def read(
    path: Path,
    kind: type[T],
    what: str,
    next: str | None = None,
    error: type[ForkError] = Unusable,
) -> T:
    """A JSON file as that type.

    Args:
        path: The file.
        kind: A dataclass, a struct, or what msgspec else takes.
        what: The error's first line.
        next: What to do then.
        error: Raised for a file that is none.

    Raises:
        Unusable, Finding: It cannot be read, or does not fit; the key is named.
    """
    try:
        return convert(msgspec.json.decode(path.read_bytes()), kind)
    except Unfit as e:
        where = f"{path}, {e.path}" if e.path else str(path)
        raise error(what, where, e.expected, e.found, next) from e
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise error(what, where=str(path), found=str(e), next=next) from e


def of_schema(path: Path, kind: type[T], schema: int, what: str, next: str) -> T:
    """A JSON file whose key `schema` says how it is to be read, as that type.

    Args:
        path: The file.
        kind: As of `read`.
        schema: The one that `kind` is.
        what: The error's first line.
        next: What to do then.

    Raises:
        Unusable: It is of another schema, which is said first, or does not fit.
    """
    found = read(path, dict[str, Any], what, next).get("schema")
    if found != schema:
        raise Unusable(what, str(path), f"schema {schema}", f"schema {found}", next)
    return read(path, kind, what, next)


def _unfit(value: Any, kind: Any, said: str) -> Unfit:
    at = _AT.search(said)
    path = _named(value, kind, at[1] if at else "")
    words = _AT.sub("", said)
    if missing := _MISSING.search(words):
        path = f"{path}.{missing[1]}".lstrip(".")
        return Unfit(path, "a value", "none")
    expected = words.removeprefix("Expected ").partition(", got ")[0].replace("`", "")
    found = _walk(value, path)
    return Unfit(path, expected, repr(found))


def _keys(path: str) -> list[str]:
    return re.findall(r"[^.\[\]]+", path)


def _walk(value: Any, path: str) -> Any:
    for key in _keys(path):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit():
            value = value[int(key)]
    return value


def _named(value: Any, kind: Any, path: str) -> str:
    """The path with the key where msgspec leaves it out: `[...]`."""
    while "[...]" in path:
        head, _, tail = path.partition("[...]")
        table = _walk(value, head)
        for key, one in table.items() if isinstance(table, dict) else ():
            try:
                msgspec.convert(_with(value, _keys(head), {key: one}), kind)
            except msgspec.ValidationError:
                path = f"{head}.{key}{tail}".lstrip(".")
                break
        else:
            return path
    return path


def _with(value: Any, keys: list[str], table: Any) -> Any:
    """A copy of the value with another table at that place."""
    if not keys:
        return table
    made = copy(value)
    key: Any = int(keys[0]) if isinstance(value, list) else keys[0]
    made[key] = _with(value[key], keys[1:], table)
    return made
