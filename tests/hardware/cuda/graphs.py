# SPDX-License-Identifier: Apache-2.0
"""``apply`` in a CUDA graph, replayed after another checkpoint was loaded.

The double of the kernel's contract runs in PyTorch on the device, in the kernel's
place alone. vLLM's own layerwise reload puts the second checkpoint where the first
was; the graph is not captured again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from checkpoint import Format, Layer, Shape, make_layers, reference
from checkpoint_files import expert_tensors
from contract.b12x_double import B12xMoEWrapperDouble
from loading import FORK, UPSTREAM, apply, error, inputs, make_layer
from standin import real_wrapper, replace_wrapper

OLD = Shape(0.02, hidden=256, intermediate=256, seed=0)
NEW = replace(OLD, sigma=0.005, seed=1)
TOKENS = {4: "direct micro", 64: "static", 1024: "dynamic"}
"""Numbers of tokens, and the regime of FlashInfer's dispatch that each takes."""


def rows(folder: Path) -> list[list[Any]]:
    """Relative errors of a replay: before a reload, after it, after the way back."""
    replace_wrapper(B12xMoEWrapperDouble)
    try:
        return [
            row
            for form in Format
            for tokens in TOKENS
            for row in _replays(folder / f"{form.value}-{tokens}", form, tokens)
        ]
    finally:
        replace_wrapper(real_wrapper())


def _replays(folder: Path, form: Format, tokens: int) -> list[list[Any]]:
    found = {b: _errors(folder / b, form, tokens, b) for b in (FORK, UPSTREAM)}
    return [
        [
            f"{step}, {form.value}, {tokens} tokens ({TOKENS[tokens]})",
            *(found[backend][at] for backend in (FORK, UPSTREAM)),
            "relative error",
        ]
        for at, step in enumerate(
            ("graph replayed", "replayed after a reload", "after the way back")
        )
    ]


def _errors(folder: Path, form: Format, tokens: int, backend: str) -> list[float]:
    from vllm.model_executor.model_loader.reload import record_metadata_for_reloading

    old, new = make_layers(OLD)[0], make_layers(NEW)[0]
    # Another seed than the layers', whose first numbers would be theirs.
    x, weights, ids = inputs(OLD, tokens, seed=9)
    with torch.device("cuda"):
        experts = make_layer(folder, OLD, form, backend)
        record_metadata_for_reloading(experts)
    _fill(experts, old, form)
    given = [t.cuda() for t in (x, weights, ids.to(torch.int32))]
    out = torch.zeros_like(given[0])
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            apply(experts, out, *given)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        apply(experts, out, *given)
    found = []
    for number, layer in enumerate((old, new, old)):
        if number:
            _reload(experts, layer, form)
        out.zero_()
        graph.replay()
        torch.cuda.synchronize()
        found.append(round(error(out.cpu(), reference(layer, x, weights, ids)), 4))
    return found


def _fill(experts: Any, layer: Layer, form: Format) -> None:
    from vllm.config import VllmConfig, set_current_vllm_config

    tensors = expert_tensors(layer, form)
    assert set(experts.load_weights(tensors.items()))
    with set_current_vllm_config(VllmConfig()):
        experts.quant_method.process_weights_after_loading(experts)


def _reload(experts: Any, layer: Layer, form: Format) -> None:
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.model_executor.model_loader.reload import (
        finalize_layerwise_reload,
        initialize_layerwise_reload,
    )

    # As the worker does it, on its device.
    with torch.device("cuda"), set_current_vllm_config(VllmConfig()):
        initialize_layerwise_reload(experts)
        assert set(experts.load_weights(expert_tensors(layer, form).items()))
        finalize_layerwise_reload(experts, None)
