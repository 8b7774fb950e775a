# SPDX-License-Identifier: Apache-2.0
"""The native b12x W4A16 MoE, which the series selects, against the FP32 reference.

Its kernels use no instruction that Hopper lacks: only the target of the PTX changes.
Activations stay BF16, so that the weights' rounding, which is in the reference too, and
the sum's are all that is left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import hopper_cases
import kernel_calls
import layers
import torch
from hopper_cases import RUNS, W4A16_MODELS, W4A16_ROWS, W4A16_TOKENS
from hopper_models import models

COLUMNS = hopper_cases.COLUMNS["w4a16"]
MAX_TOKENS = 8192


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row for each model and number of tokens, one with a third of padded rows."""
    whole, padded_too = W4A16_ROWS
    for model in models():
        if model.name not in W4A16_MODELS:
            continue
        sizes, size = model.sizes, model.intermediate
        # By name: with a FlashInfer before 0.7.4 the selection is upstream's.
        built = layers.build(
            stage, sizes, size, MAX_TOKENS, layers.NATIVE, "W4A16_NVFP4"
        )
        for tokens in W4A16_TOKENS:
            stage.recorder.fresh()
            x, weights, ids = layers.inputs(stage, sizes, tokens, seed=tokens)
            head = [model.name, size, built.name]
            yield [*head, *_row(stage, built, x, weights, ids, whole)]
            if not stage.recording:
                some = torch.arange(tokens, device=ids.device) % 3 == 1
                padded = torch.where(some[:, None], -1, ids)
                row = _row(stage, built, x, weights, padded, padded_too)
                yield [*head, *row]
        del built


def _row(
    stage: Any, built: layers.Built, x: Any, weights: Any, ids: Any, what: str
) -> list[Any]:
    out = called(stage, built, x, weights, ids).clone()
    jobs = [stage.recorder.jobs[key] for key in stage.recorder.hit]
    blocks = [str(j.detail["block"]) for j in jobs if "block" in j.detail]
    head = [" ".join(dict.fromkeys(blocks)), len(x), what]
    if stage.recording:
        return head
    want = layers.reference(built, x, weights, ids)
    same = sum(
        torch.equal(called(stage, built, x, weights, ids), out) for _ in range(RUNS)
    )
    errors = [round(layers.apart(out, want), 5), round(layers.worst_row(out, want), 5)]
    return [*head, *errors, f"{same} of {RUNS} the same bits"]


def called(
    stage: Any, built: layers.Built, x: Any, weights: Any, ids: Any
) -> torch.Tensor:
    """The layer's output, [tokens, hidden] in BF16."""
    on = kernel_calls._on_cuda() if stage.recording else contextlib.nullcontext()
    with torch.no_grad(), on:
        return built.experts.forward_modular(x, weights, ids)
