# SPDX-License-Identifier: Apache-2.0
"""Real models whose experts are counted; their sizes are facts with a source."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from scripts.base.errors import Unusable
from scripts.kernels import shapes

PATHS = (shapes.PATH, Path(__file__).with_name("models.toml"))
TENSOR_PARALLEL = (1, 2, 4, 8)


class Model(msgspec.Struct, frozen=True, rename="kebab"):
    """Experts of one model; sizes are those of the whole model.

    Attributes:
        layers: Those that have experts.
        activation: vLLM's name of it.
    """

    name: str
    layers: int
    experts: int
    top_k: int
    hidden: int
    intermediate: int
    activation: str

    @property
    def gated(self) -> bool:
        return not self.activation.endswith("no_mul")

    def rank(self, tensor_parallel: int) -> int | None:
        """Intermediate size of one rank; None where it does not divide."""
        whole, rest = divmod(self.intermediate, tensor_parallel)
        return None if rest else whole


def load(paths: tuple[Path, ...] = PATHS) -> tuple[Model, ...]:
    """All that name their layers, in order.

    Raises:
        Unusable: A file is no TOML, an entry lacks a key, or a name comes twice.
    """
    found: dict[str, Model] = {}
    for path in paths:
        for entry in _entries(path):
            if "layers" not in entry:
                continue
            try:
                model = msgspec.convert(entry, Model)
            except msgspec.ValidationError as e:
                raise _bad(path, f"{entry.get('name')}: {e}") from e
            if model.name in found:
                raise _bad(path, f"two models of the name {model.name}")
            found[model.name] = model
    return tuple(found.values())


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        return list(tomllib.loads(path.read_text(encoding="utf-8"))["model"])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as e:
        raise _bad(path, str(e)) from e


def _bad(path: Path, found: str) -> Unusable:
    return Unusable(
        "the list of models cannot be used",
        where=str(path),
        expected="[[model]] tables as in its comments",
        found=found,
        next="correct that entry",
    )
