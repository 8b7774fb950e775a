# SPDX-License-Identifier: Apache-2.0
"""The report `errors`: output error, fork against upstream, and planted mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from scripts.site import plot


@dataclass(frozen=True)
class Loaded:
    """Relative norm errors of the layers of one checkpoint, by vLLM's own loader."""

    format: str
    sigma: float
    fork: tuple[float, ...]
    upstream: tuple[float, ...]
    promised: float

    def __post_init__(self) -> None:
        if not self.fork or not self.upstream:
            raise ValueError(f"no layer at sigma {self.sigma}")
        for value in (self.sigma, *self.fork, *self.upstream):
            if not 0 <= value < inf:
                raise ValueError(f"{value} at sigma {self.sigma} is no error")

    @property
    def worst(self) -> dict[str, float]:
        return {"fork": max(self.fork), "upstream": max(self.upstream)}


@dataclass(frozen=True)
class Planted:
    """What the same check says of a mistake made on purpose."""

    mistake: str
    found: tuple[str, ...]
    bound: float

    @property
    def name(self) -> str:
        return self.mistake.replace("_", " ")


@dataclass(frozen=True)
class Errors:
    """As `make test` writes it; either part may be absent."""

    loaded: tuple[Loaded, ...] = ()
    planted: tuple[Planted, ...] = ()

    def __post_init__(self) -> None:
        if not self.loaded and not self.planted:
            raise ValueError("it has neither `loaded` nor `planted`")

    @property
    def formats(self) -> dict[str, list[Loaded]]:
        """Rows by who wrote the checkpoint, the largest sigma first."""
        found: dict[str, list[Loaded]] = {}
        for row in sorted(self.loaded, key=lambda row: -row.sigma):
            found.setdefault(row.format, []).append(row)
        return found

    @property
    def smallest(self) -> Loaded | None:
        """The row of the smallest sigma, of the first format."""
        return next((rows[-1] for rows in self.formats.values()), None)

    def plots(self) -> dict[str, plot.Lines]:
        return {
            name: plot.lines(
                [f"{row.sigma:g}" for row in rows],
                {side: [r.worst[side] for r in rows] for side in ("fork", "upstream")},
            )
            for name, rows in self.formats.items()
        }
