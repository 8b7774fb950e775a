# SPDX-License-Identifier: Apache-2.0
"""48 layers on one workspace in a CUDA graph: replay, reload, waking up, two lanes.

Layers are small and of two checkpoints; what is looked at is that a replay reads what
is there when it runs, and that no layer or lane disturbs another. Errors are relative
norms against the FP32 reference, the largest of all layers.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hopper_cases
import torch
from checkpoint import Format, Layer, Shape, make_layers, reference
from checkpoint_files import expert_tensors
from hopper_cases import (
    GRAPH_SIZE,
    GRAPH_TOKENS,
    LANES,
    LANES_IN_GRAPH,
    RELOADED,
    REPLAYED,
    ZEROED,
)
from loading import FORK, apply, error, inputs, make_layer

COLUMNS = hopper_cases.COLUMNS["graphs"]
OLD = Shape(0.02, hidden=GRAPH_SIZE, intermediate=GRAPH_SIZE, seed=0)
NEW = replace(OLD, sigma=0.005, seed=1)


def rows(stage: Any) -> Iterator[list[Any]]:
    """Rows for each number of tokens."""
    for tokens in GRAPH_TOKENS:
        with tempfile.TemporaryDirectory() as folder:
            yield from _rows(stage, Path(folder), tokens)


def _rows(stage: Any, folder: Path, tokens: int) -> Iterator[list[Any]]:
    from vllm.model_executor.model_loader.reload import record_metadata_for_reloading

    before = _workspaces()
    old, new = make_layers(OLD)[0], make_layers(NEW)[0]
    given = inputs(OLD, tokens, seed=9)
    count = 2 if stage.recording else hopper_cases.LAYERS
    made = []
    for number in range(count):
        with torch.device(stage.device):
            experts = make_layer(folder / f"{number}", OLD, Format.MODELOPT, FORK)
            record_metadata_for_reloading(experts)
        _fill(experts, old)
        made.append(experts)
    x, weights, ids = (t.to(stage.device) for t in given)
    on = x, weights, ids.to(torch.int32)
    outs = [torch.zeros_like(x) for _ in made]

    def forward() -> None:
        for experts, out in zip(made, outs, strict=True):
            apply(experts, out, *on)

    forward()
    if stage.recording:
        return
    torch.cuda.synchronize()
    eager = [out.clone() for out in outs]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        forward()

    def replayed(what: str, layer: Layer, like: list[torch.Tensor]) -> list[Any]:
        for out in outs:
            out.zero_()
        graph.replay()
        torch.cuda.synchronize()
        want = reference(layer, *given)
        worst = max(error(out.cpu(), want) for out in outs)
        same = sum(torch.equal(a, b) for a, b in zip(outs, like, strict=True))
        return [tokens, what, count, round(worst, 4), same]

    yield replayed(REPLAYED, old, eager)
    for experts in made:
        _reload(experts, new)
    forward()
    torch.cuda.synchronize()
    after = [out.clone() for out in outs]
    yield replayed(RELOADED, new, after)
    # Of this case alone: layers of those before may still be alive.
    assert _zero([*_less(_workspaces(), before)]), "no workspace was found"
    yield replayed(ZEROED, new, after)
    yield from _lanes(made, tokens, new, given, on, after)


def _lanes(
    made: list[Any], tokens: int, layer: Layer, given: Any, on: Any, like: Any
) -> Iterator[list[Any]]:
    """Two lanes at once on two streams, each half of the layers, each its workspace.

    Once launched one by one, once captured into one graph and replayed.
    """
    from vllm.v1.worker import workspace

    workspace.reset_workspace_manager()
    workspace.init_workspace_manager(torch.device("cuda"), num_lanes=2)
    halves = made[0::2], made[1::2]
    outs = [[torch.zeros_like(on[0]) for _ in half] for half in halves]
    streams = [torch.cuda.Stream() for _ in halves]
    for at in (0, 1):  # each lane's workspace and wrappers, before the two run at once
        with workspace.use_workspace_lane(at):
            for experts, out in zip(halves[at], outs[at], strict=True):
                apply(experts, out, *on)
    want = reference(layer, *given)

    def both() -> None:
        here = torch.cuda.current_stream()
        for stream in streams:
            stream.wait_stream(here)
        for number in range(len(halves[0])):
            for at in (0, 1):
                with (
                    torch.cuda.stream(streams[at]),
                    workspace.use_workspace_lane(at),
                ):
                    apply(halves[at][number], outs[at][number], *on)
        for stream in streams:
            here.wait_stream(stream)

    def row(what: str, run: Callable[[], None]) -> list[Any]:
        flat = [out for pair in zip(*outs, strict=True) for out in pair]
        for out in flat:
            out.zero_()
        run()
        torch.cuda.synchronize()
        worst = max(error(out.cpu(), want) for out in flat)
        same = sum(torch.equal(a, b) for a, b in zip(flat, like, strict=True))
        return [tokens, what, len(made), round(worst, 4), same]

    yield row(LANES, both)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        both()
    yield row(LANES_IN_GRAPH, graph.replay)
    workspace.reset_workspace_manager()
    workspace.init_workspace_manager(torch.device("cuda"))


def _workspaces() -> list[Any]:
    """The shared workspaces that are alive, those of cases before included."""
    from vllm.model_executor.layers.fused_moe.flashinfer_cutedsl_sm12x_workspace import (  # noqa: E501
        SM12xMoEWorkspace,
    )

    gc.collect()
    return [o for o in gc.get_objects() if isinstance(o, SM12xMoEWorkspace)]


def _less(found: list[Any], without: list[Any]) -> Iterator[Any]:
    return (one for one in found if not any(one is other for other in without))


def _zero(workspaces: list[Any]) -> int:
    """Zero what they hold, as memory is that was given back; how many tensors."""
    count = 0
    for found in workspaces:
        for scratch in (found.static, *found.dynamic.values()):
            for value in getattr(scratch, "__dict__", {}).values():
                if isinstance(value, torch.Tensor):
                    value.view(torch.uint8).zero_()
                    count += 1
    return count


def _fill(experts: Any, layer: Layer) -> None:
    from vllm.config import VllmConfig, set_current_vllm_config

    assert set(experts.load_weights(expert_tensors(layer, Format.MODELOPT).items()))
    with set_current_vllm_config(VllmConfig()):
        experts.quant_method.process_weights_after_loading(experts)


def _reload(experts: Any, layer: Layer) -> None:
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.model_executor.model_loader.reload import (
        finalize_layerwise_reload,
        initialize_layerwise_reload,
    )

    with torch.device("cuda"), set_current_vllm_config(VllmConfig()):
        initialize_layerwise_reload(experts)
        tensors = expert_tensors(layer, Format.MODELOPT)
        assert set(experts.load_weights(tensors.items()))
        finalize_layerwise_reload(experts, None)
