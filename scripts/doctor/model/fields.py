# SPDX-License-Identifier: Apache-2.0
"""Numbers of config.json, each looked at before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.base.errors import Finding

_LARGEST = 1 << 32
"""No size, count or length of a real model is larger."""


class Fields:
    """A part of config.json."""

    def __init__(self, data: Mapping[str, Any], where: str = "config.json") -> None:
        self.data = data
        self.where = where

    def count(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """A whole number under the first of these names that is there.

        Raises:
            Finding: There is none and no default, or it is no such number.
        """
        for name in names:
            value = self.data.get(name)
            if value is None:
                continue
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if type(value) is not int or not least <= value < _LARGEST:
                raise self.wrong(name, f"a whole number from {least}", repr(value))
            return value
        if default is None:
            raise self.wrong(names[0], "a number", "nothing")
        return default

    def number(self, name: str, default: float) -> float:
        """A positive number, or the default."""
        value = self._given(name, default)
        if type(value) not in (int, float) or not 0 < value < _LARGEST:
            raise self.wrong(name, "a positive number", repr(value))
        return float(value)

    def _given(self, name: str, default: Any) -> Any:
        """What is there; the default in the place of null, too."""
        value = self.data.get(name)
        return default if value is None else value

    def has(self, name: str) -> bool:
        """Whether it is there and neither null, false, nor 0."""
        return bool(self.data.get(name))

    def text(self, name: str, default: str = "") -> str:
        value = self._given(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, "a text", repr(value))
        return value or default

    def texts(self, name: str, length: int) -> list[str]:
        """One text for each layer; an empty list if it is not there."""
        value = self._given(name, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.wrong(name, "a list of texts", repr(value))
        if value and len(value) < length:
            raise self.wrong(name, f"{length} texts, one a layer", str(len(value)))
        return value

    def numbers(self, name: str) -> set[int]:
        """A list of whole numbers; empty if it is not there."""
        value = self._given(name, [])
        if not isinstance(value, list) or not all(type(v) is int for v in value):
            raise self.wrong(name, "a list of whole numbers", repr(value))
        return set(value)

    def inner(self, name: str) -> Fields | None:
        """An object below it, or None if it is not there."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "an object", repr(value))
        return Fields(value, f"{self.where}: {name}")

    def wrong(self, name: str, expected: str, found: str) -> Finding:
        return Finding(
            f"{self.where} does not say what {name} is",
            where=f"{self.where}: {name}",
            expected=expected,
            found=found[:120],
            next="take config.json from the checkpoint's publisher again",
        )
