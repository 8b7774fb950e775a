# SPDX-License-Identifier: Apache-2.0
"""The report `matrix`: what vLLM selects, fork beside upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scripts.selection.report import Tally


@dataclass(frozen=True)
class Choice:
    fork: str
    upstream: str

    @property
    def changed(self) -> bool:
        return self.fork != self.upstream


@dataclass(frozen=True)
class Default:
    """What one capability gets without a flag, one choice a kind of layer."""

    capability: str
    devices: str
    ours: bool
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Change:
    """What leads away from the default on SM12x, and why."""

    layer: str
    given: str
    gets: str
    since: str


@dataclass(frozen=True)
class Matrix:
    """As `scripts.selection.report.as_data` writes it."""

    kinds: tuple[str, ...]
    defaults: tuple[Default, ...]
    changes: tuple[Change, ...]
    cases: int
    tallies: Mapping[str, Tally]

    def __post_init__(self) -> None:
        for row in self.defaults:
            if len(row.choices) != len(self.kinds):
                raise ValueError(
                    f"{row.capability} has {len(row.choices)} choices for "
                    f"{len(self.kinds)} kinds of layers"
                )

    @property
    def first(self) -> list[Default]:
        """SM12x before the others."""
        return sorted(self.defaults, key=lambda row: not row.ours)
