# SPDX-License-Identifier: Apache-2.0
"""The report `memory`: what the layers of a model hold besides their weights."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.site import plot

GIB = 1 << 30


@dataclass(frozen=True)
class Model:
    """Bytes of all layers; `upstream` is None where it raises, as `raised` says."""

    model: str
    layers: int
    tokens: int
    fork: int
    upstream: int | None = None
    raised: str = ""
    verified: bool = False
    """Whether the model's sizes were checked, not only remembered."""


@dataclass(frozen=True)
class Memory:
    """As `make test` writes it."""

    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        for model in self.models:
            if min(model.layers, model.tokens, model.fork, model.upstream or 0) < 0:
                raise ValueError(f"a figure of {model.model} is negative")

    @property
    def known(self) -> Model | None:
        """The model that the project's promise is about."""
        return next((m for m in self.models if m.verified and m.upstream), None)

    def plot(self) -> plot.Bars:
        return plot.bars(
            {
                f"{m.model}, {m.layers} layers": {
                    "fork": (m.fork, gib(m.fork)),
                    "upstream": (
                        m.upstream,
                        "raises an error" if m.upstream is None else gib(m.upstream),
                    ),
                }
                for m in self.models
            }
        )


def gib(size: int) -> str:
    """Bytes for a reader.

    >>> gib(300_647_710)
    '0.28 GiB'
    """
    return f"{size / GIB:.2f} GiB"
