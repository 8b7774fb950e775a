# SPDX-License-Identifier: Apache-2.0
"""What ``apply`` costs on the host outside the kernel, fork against upstream."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint import Format, Shape, make_layers
from conftest import replace_wrapper
from loading import FORK, UPSTREAM, apply, inputs, load_layer
from torch.utils._python_dispatch import TorchDispatchMode

SHAPE = Shape(0.02, experts=8, hidden=256, intermediate=128, top_k=2)
TOKENS = 4
ROUNDS, CALLS = 400, 20
# Of the best of alternating rounds: two runs of one class differ by less.
SLACK = 1.10


class Nothing:
    """Takes what B12xMoEWrapper takes, and returns the rows of its output buffer."""

    def __init__(self, *, shared_output: torch.Tensor | None = None, **_: Any) -> None:
        if shared_output is None:
            shared_output = torch.zeros(TOKENS, SHAPE.hidden, dtype=torch.bfloat16)
        self.out = shared_output

    def run(self, *, x: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.out[: x.size(0)]


class Allocations(TorchDispatchMode):
    """Operations that give a storage which none of their arguments has."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []
        self.all: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = torch.utils._pytree.tree_leaves((args, kwargs))
        result = torch.utils._pytree.tree_leaves(out)
        known, new = (
            {t.untyped_storage()._cdata for t in each if isinstance(t, torch.Tensor)}
            for each in (given, result)
        )
        self.all.append(str(func))
        if new - known:
            self.made.append(str(func))
        return out


Call = Callable[[], None]


@pytest.fixture
def calls(
    folder: Path, worker: None, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Call]:
    """One call of ``apply`` for each backend, with nothing in FlashInfer's place."""
    replace_wrapper(monkeypatch, Nothing)
    x, weights, ids = inputs(SHAPE, TOKENS)
    ids, out = ids.to(torch.int32), torch.empty_like(x)

    def call(backend: str) -> Call:
        layer = make_layers(SHAPE)[0]
        experts = load_layer(folder / backend, SHAPE, layer, Format.MODELOPT, backend)
        run = lambda: apply(experts, out, x, weights, ids)  # noqa: E731
        run()  # the first call makes the wrapper
        return run

    return {backend: call(backend) for backend in (FORK, UPSTREAM)}


def microseconds(call: Call) -> float:
    """Of this thread, and not of whatever else the machine runs meanwhile."""
    start = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - start) / CALLS * 1e6


@torch.inference_mode()
def test_no_dearer_than_upstream(
    calls: dict[str, Call], table: Callable[[str], None]
) -> None:
    rounds = [
        {backend: microseconds(call) for backend, call in calls.items()}
        for _ in range(ROUNDS)
    ]
    best = {backend: min(r[backend] for r in rounds) for backend in calls}
    ratio = best[FORK] / best[UPSTREAM]
    table(
        "Host cost of apply with nothing in FlashInfer's place, us a call: fork "
        f"{best[FORK]:.1f}, upstream {best[UPSTREAM]:.1f}, ratio {ratio:.2f}"
    )
    assert ratio <= SLACK


@torch.inference_mode()
def test_allocates_nothing(
    calls: dict[str, Call], table: Callable[[str], None]
) -> None:
    with Allocations() as seen:
        calls[FORK]()
    table(f"Operations that apply issues besides the kernel: {', '.join(seen.all)}")
    assert seen.made == []


def test_an_allocation_is_seen() -> None:
    ids = torch.zeros(2, dtype=torch.int64)
    with Allocations() as seen:
        ids.to(torch.int32)
        ids.view(1, 2)
    assert seen.made == ["aten._to_copy.default"]
