# SPDX-License-Identifier: Apache-2.0
"""Which layers ``make hopper`` runs: models, numbers of ranks, and what is left out.

No import but of the standard library.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

RANKS = (1, 2, 4, 8)
MAX_TOKENS = 8192
"""Of a call: what the layers are made for."""
_BLOCK = 16


@dataclass(frozen=True)
class Model:
    """The routed experts of a model, whole."""

    name: str
    experts: int
    top_k: int
    hidden: int
    intermediate: int
    activation: str = "silu"
    few: int = 0
    """If any, it is run with that many ranks or the next, with the most, and with fewer
    numbers of tokens: what bounds the GPU's time, and the memory to prepare in."""
    is_from_memory: bool = False
    """Some of its sizes are of no file that anybody read."""

    @property
    def shared(self) -> tuple[int, ...]:
        """Numbers of ranks whose share is whole blocks of 16."""
        return tuple(n for n in RANKS if self.intermediate % (n * _BLOCK) == 0)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Those that it is run with."""
        if not self.few:
            return self.shared
        return next(n for n in self.shared if n >= self.few), self.shared[-1]

    @property
    def sizes(self) -> dict[str, int | str]:
        """As an entry of the shapes file has them."""
        return {
            "experts": self.experts,
            "top-k": self.top_k,
            "hidden": self.hidden,
            "activation": self.activation,
        }


SHAPES = Path(__file__).parents[1] / "kernels" / "shapes.toml"
FOOTPRINT = Path(__file__).parents[1] / "footprint" / "models.toml"
FILES = (SHAPES, FOOTPRINT)
"""Sizes of models; a bundle has them, too."""
SMALL = Model("small", 16, 4, 512, 256)
FLASH_NEXT = Model("Qwen3.8-Flash-Next", 512, 10, 2560, 640)
# Sizes that kernels take as they are, and one that is padded where it is halved.
SPLIT = {
    SMALL: (4, 40, 600),
    Model("Qwen3-30B-A3B", 128, 8, 2048, 768): (1, 8, 64, 2048),
    FLASH_NEXT: (1, 64, 1000),
}
"""Layers whose experts are split over two GPUs, and numbers of tokens."""
SPLIT_LINEAR = ((512, 1024), (2048, 4096))
SPLIT_TOKENS = (1, 64, 200)
SPLIT_CHECKED = {SMALL: (4, 40)}
"""Under racecheck, which follows each access to shared memory: what is clean alone."""
SPLIT_KINDS = tuple(f"rank {rank} of 2" for rank in (0, 1))

LAYERS_DIVIDED = (
    "Qwen3-VL-235B-A22B", "GLM-4.5-Air", "GLM-4.7-Flash", "GLM-5",
    "ERNIE-4.5-21B-A3B", "Hy3", "Solar-Open-100B",
)  # fmt: skip
"""Of the part reciprocals."""

_MORE = (
    FLASH_NEXT,
    # Its experts work on 1024 columns; that and 2688 nobody looked up.
    Model("Nemotron-3-Super", 512, 22, 1024, 2688, "relu2_no_mul", is_from_memory=True),
    Model("GLM-4.6", 160, 8, 5120, 1536),
    # THUDM/slime, scripts/models/kimi-k2.sh.
    Model("Kimi-K2", 384, 8, 7168, 2048, few=4),
)
_OF_FOOTPRINT = {
    "Qwen3-Next-80B-A3B": 0,
    "MiniMax-M2": 0,
    "Qwen3.5-397B-A17B": 1,
    "DeepSeek-V3": 4,
    "Gemma4-26B-A4B": 1,
    "Qwen3-VL-235B-A22B": 2,
    "GLM-4.5-Air": 1,
    "GLM-4.7-Flash": 1,
    "GLM-5": 4,
    "ERNIE-4.5-21B-A3B": 1,
    "Hy3": 2,
    "Solar-Open-100B": 1,
}
"""Names there, and the fewest ranks where few of their calls are run."""
_HIDDEN = 128
"""FlashInfer takes multiples of it."""
OTHERS = {
    "GLM-4.5-355B-A32B": "its experts have the sizes of GLM-4.6's",
    "GLM-4.7": "its experts have the sizes of GLM-4.6's",
    "DeepSeek-V4 and V4.1": "their SwiGLU has a limit, which the kernel of silu does "
    "not take; Kimi-K2 has as many experts",
}
"""Models that somebody may look for, and why no layer of theirs is run."""


@cache
def models() -> tuple[Model, ...]:
    """Those of scripts/kernels/shapes.toml that the backend takes, and more."""
    taken = (_model(one) for one in _told(SHAPES) if one["hidden"] % _HIDDEN == 0)
    more = {one["name"]: one for one in _told(FOOTPRINT)}
    also = (_model(more[name], few) for name, few in _OF_FOOTPRINT.items())
    return (*taken, *_MORE, *also)


def left_out() -> Iterator[tuple[str, str, str]]:
    """Model, its numbers of ranks and of tokens that are not run, and why."""
    for one in _told(SHAPES):
        if one["hidden"] % _HIDDEN:
            why = f"hidden size {one['hidden']} is no multiple of {_HIDDEN}"
            yield one["name"], "all", f"{why}: the backend refuses it"
    yield from ((name, "all", why) for name, why in OTHERS.items())
    for model in models():
        for n in RANKS:
            if n not in model.shared:
                why = f"{model.intermediate} / {n} is no whole blocks of {_BLOCK}"
                yield model.name, f"{n} ranks", why
        if model.few:
            between, run = (
                " and ".join(str(n) for n in model.shared if (n in model.ranks) == ran)
                for ran in (False, True)
            )
            why = f"time and memory: it is run with {run}"
            yield model.name, f"{between} ranks; tokens beside the cuts", why


def _told(path: Path) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))[
        "model"
    ]
    return told


def _model(told: dict[str, Any], few: int = 0) -> Model:
    return Model(
        told["name"],
        told["experts"],
        told["top-k"],
        told["hidden"],
        told["intermediate"],
        told["activation"],
        few,
    )


def split() -> Iterator[tuple[str, int]]:
    """Layer and tokens of the part ranks."""
    for model, counts in SPLIT.items():
        yield from ((model.name, tokens) for tokens in counts)
    for n, k in SPLIT_LINEAR:
        yield from ((f"linear, {n} x {k}", tokens) for tokens in SPLIT_TOKENS)
