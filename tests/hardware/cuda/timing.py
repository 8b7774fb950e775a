# SPDX-License-Identifier: Apache-2.0
"""What ``apply`` costs outside the kernel, in a CUDA graph and on the host.

Nothing stands in the kernel's place but its output buffer. 48 layers in one graph,
fork and upstream in turns; the time of a graph without any layer is taken off.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from checkpoint import Format, Shape
from loading import FORK, UPSTREAM, apply, make_layer
from standin import real_wrapper, replace_wrapper

SHAPE = Shape(0.0, experts=128, hidden=2048, intermediate=128, top_k=8)
LAYERS, MOST = 48, 8192
TOKENS = (1, 64, 512, 8192)
ROUNDS, REPLAYS, CALLS = 41, 20, 20
Graphs = dict[str, torch.cuda.CUDAGraph]


class Nothing:
    """Takes what B12xMoEWrapper takes, and returns the rows of its output buffer."""

    def __init__(self, *, shared_output: torch.Tensor | None = None, **_: Any) -> None:
        if shared_output is None:
            size = MOST, SHAPE.hidden
            shared_output = torch.zeros(size, dtype=torch.bfloat16, device="cuda")
        self.out = shared_output

    def run(self, *, x: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.out[: x.size(0)]


def rows(folder: Path) -> list[list[Any]]:
    """Microseconds a layer, medians of alternating rounds; and device operations."""
    replace_wrapper(Nothing)
    try:
        layers = {b: _layers(folder / b, b) for b in (FORK, UPSTREAM)}
        return [
            row
            for kind in (torch.int32, torch.int64)
            for tokens in TOKENS
            for row in _measured(layers, tokens, kind)
        ]
    finally:
        replace_wrapper(real_wrapper())


def _layers(folder: Path, backend: str) -> list[Any]:
    made = []
    with torch.device("cuda"):
        for number in range(LAYERS):
            experts = make_layer(
                folder / f"{number}", SHAPE, Format.MODELOPT, backend, MOST
            )
            for parameter in experts.parameters():
                parameter.data.zero_()
            experts.quant_method.process_weights_after_loading(experts)
            made.append(experts)
    return made


@torch.inference_mode()
def _measured(
    layers: dict[str, list[Any]], tokens: int, kind: torch.dtype
) -> list[list[Any]]:
    x = torch.zeros(tokens, SHAPE.hidden, dtype=torch.bfloat16, device="cuda")
    weights = torch.zeros(tokens, SHAPE.top_k, device="cuda")
    ids = torch.zeros(tokens, SHAPE.top_k, dtype=kind, device="cuda")
    out, mark = torch.empty_like(x), torch.zeros(1, device="cuda")

    def forward(backend: str) -> Callable[[], None]:
        def run() -> None:
            mark.add_(1)
            for experts in layers.get(backend, ()):
                apply(experts, out, x, weights, ids)

        return run

    runs = {name: forward(name) for name in (FORK, UPSTREAM, "empty")}
    for run in runs.values():  # the first call makes the wrappers
        run()
    torch.cuda.synchronize()
    operations = {name: _operations(run) for name, run in runs.items()}
    graphs: Graphs = {}
    for name, run in runs.items():
        graphs[name] = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graphs[name]):
            run()
    device = _medians({name: _replayed(g) for name, g in graphs.items()})
    host = _medians({name: _called(run) for name, run in runs.items()})
    label = f"{tokens} tokens, {str(kind).removeprefix('torch.')} ids"
    return [
        [
            f"device operations a layer, {label}",
            *((operations[b] - operations["empty"]) / LAYERS for b in (FORK, UPSTREAM)),
            "operations",
        ],
        [f"in a CUDA graph, {label}", *_a_layer(device), "us a layer"],
        [f"on the host, eager, {label}", *_a_layer(host), "us a layer"],
    ]


def _a_layer(medians: dict[str, float]) -> list[float]:
    empty = medians["empty"]
    # Adding 0.0 makes a negative zero a plain one.
    return [round((medians[b] - empty) / LAYERS, 2) + 0.0 for b in (FORK, UPSTREAM)]


def _medians(sides: dict[str, Callable[[], float]]) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, measure in sides.items():
            found[name].append(measure())
    return {name: statistics.median(values) for name, values in found.items()}


def _replayed(graph: torch.cuda.CUDAGraph) -> Callable[[], float]:
    def measure() -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        graph.replay()
        start.record()
        for _ in range(REPLAYS):
            graph.replay()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e3 / REPLAYS

    return measure


def _called(run: Callable[[], None]) -> Callable[[], float]:
    def measure() -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(CALLS):
            run()
        took = time.perf_counter() - start
        torch.cuda.synchronize()
        return took * 1e6 / CALLS

    return measure


def _operations(run: Callable[[], None]) -> int:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    return sum(
        event.device_type == torch.autograd.DeviceType.CUDA for event in seen.events()
    )
