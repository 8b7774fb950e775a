# SPDX-License-Identifier: Apache-2.0
"""Texts and paths of a command line without pydantic.

typer turns every value by it, and loads it for that, which takes as long as all else
of a short verb. A text that is a text, a path and a default of its own kind need no
turning; whatever else is given is left to typer, with its refusals.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from typer._click.exceptions import BadParameter
from typer._coercion import RuntimeParam, TypeDescriptor, build_runtime_param
from typer._param_types import coerce_cli_path


@dataclass
class _Plain:
    """In the place of typer's own, which it makes when a value is first given."""

    descriptor: TypeDescriptor

    @cached_property
    def full(self) -> RuntimeParam:
        return build_runtime_param(self.descriptor)

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        kind, info = self.descriptor.annotation, self.descriptor.parameter_info
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if kind is str and isinstance(value, str) and value.isascii():
            return value  # one that is no UTF-8 is refused
        if kind is Path and (isinstance(value, Path) or str(value).isascii()):
            with suppress(BadParameter):  # typer names it as it was given
                return coerce_cli_path(Path(value), info, path_type=Path)
        if (
            isinstance(kind, type)
            and issubclass(kind, Enum)
            and isinstance(value, kind)
        ):
            return value
        return self.full.coerce(value, param, ctx)


def without_pydantic(params: Iterable[Any]) -> list[Any]:
    """The parameters of a typer command; what is plain they take as it is."""
    params = list(params)
    for param in params:
        param._runtime_param = _Plain(param.type_descriptor)
    return params
