# SPDX-License-Identifier: Apache-2.0
"""Ask both trees what each model's experts take; answers are kept by digest."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from scripts import IN_VLLM
from scripts.base.console import note
from scripts.base.files import write
from scripts.footprint import cutlass
from scripts.footprint.models import TENSOR_PARALLEL, Model
from scripts.selection.ask import exchange
from scripts.selection.matrix import Tree, Trees
from scripts.upstream.cache import cache_dir
from scripts.upstream.environments import FLASHINFER, REQUIREMENTS, flashinfer_python

TOKENS = 8192
"""Largest call: vLLM's --max-num-batched-tokens on a large GPU."""
CAPABILITY = "12.0"
_COUNT = IN_VLLM / "expert_bytes.py"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What vLLM makes of one layer; see `scripts/in_vllm/expert_bytes.py`.

    Attributes:
        scratch: Bytes that all layers share; of CUTLASS, `cutlass.at_least`.
    """

    chosen: str = ""
    said: str = ""
    weights: int = 0
    scratch: int = 0
    stopped: str = ""


class Row(msgspec.Struct, frozen=True):
    """One model on so many GPUs: with the series, and as upstream has it."""

    model: Model
    tensor_parallel: int
    fork: Answer
    upstream: Answer

    def total(self, answer: Answer) -> int:
        """Bytes a GPU: all layers, and what they share."""
        return self.model.layers * answer.weights + answer.scratch

    @property
    def comparable(self) -> bool:
        return not (self.fork.stopped or self.upstream.stopped)

    @property
    def weights_ratio(self) -> float:
        return self.fork.weights / self.upstream.weights

    @property
    def ratio(self) -> float:
        return self.total(self.fork) / self.total(self.upstream)


def rows(both: Trees, models: tuple[Model, ...]) -> tuple[Row, ...]:
    """Each model at each number of ranks that divides its intermediate size.

    Raises:
        Finding: vLLM cannot be asked.
        Unusable: The CPU environment cannot be made.
    """
    wanted = [
        (model, ranks)
        for model in models
        for ranks in TENSOR_PARALLEL
        if model.rank(ranks)
    ]
    cases: list[dict[str, Any]] = [
        {
            "experts": model.experts,
            "top-k": model.top_k,
            "hidden": model.hidden,
            "intermediate": model.rank(ranks),
            "activation": model.activation,
            "tokens": TOKENS,
            "backend": "auto",
        }
        for model, ranks in wanted
    ]
    fork, upstream = (_ask(tree, cases) for tree in (both.fork, both.upstream))
    return tuple(
        Row(model, ranks, whole(model, ranks, mine), whole(model, ranks, theirs))
        for (model, ranks), mine, theirs in zip(wanted, fork, upstream, strict=True)
    )


def whole(model: Model, tensor_parallel: int, answer: Answer) -> Answer:
    """The answer with what CUTLASS allocates in C++, which vLLM cannot tell."""
    size = model.rank(tensor_parallel)
    if answer.stopped or size is None or not answer.chosen.startswith(cutlass.BACKEND):
        return answer
    unseen = cutlass.at_least(model, size, TOKENS)
    return msgspec.structs.replace(answer, scratch=answer.scratch + unseen)


def _ask(tree: Tree, cases: list[dict[str, Any]]) -> list[Answer]:
    request: dict[str, Any] = {"capability": CAPABILITY, "cases": cases}
    key = sha256(f"{tree.id} {json.dumps(request)}".encode())
    for path in (*sorted(IN_VLLM.glob("*.py")), REQUIREMENTS, FLASHINFER):
        key.update(path.read_bytes())
    kept = cache_dir() / "footprint" / f"{key.hexdigest()}.json"
    if not kept.exists():
        note(f"asking {tree.path.name}: {len(cases)} layers")
        python = flashinfer_python()
        request["paths"] = [str(tree.path)]
        what = "vLLM cannot be asked what its experts take"
        with TemporaryDirectory(prefix="sm12x-footprint-") as scratch:
            told = exchange(Path(scratch), [python, _COUNT], request, what)
        write(kept, json.dumps(told).encode())
    return msgspec.json.decode(kept.read_bytes(), type=list[Answer])
