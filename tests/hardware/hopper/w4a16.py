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

import kernel_calls
import layers
import torch
from models import MODELS

COLUMNS = (
    "model", "intermediate", "class", "block", "tokens", "rows", "kernel-reference",
    "worst row", "runs",
)  # fmt: skip
TOKENS = (1, 2, 7, 9, 64, 116, 154, 256, 512, 1024, 2048)
NAMES = ("Qwen3-30B-A3B", "Qwen3.6-35B-A3B", "Nemotron-3-Nano")
MAX_TOKENS = 8192
RUNS = 100


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row for each model and number of tokens, one with a third of padded rows."""
    for model in MODELS:
        if model.name not in NAMES:
            continue
        sizes = {
            "experts": model.experts,
            "top-k": model.top_k,
            "hidden": model.hidden,
            "activation": model.activation,
        }
        size = model.intermediate
        # By name: with a FlashInfer before 0.7.4 the selection is upstream's.
        built = layers.build(
            stage, sizes, size, MAX_TOKENS, layers.NATIVE, "W4A16_NVFP4"
        )
        for tokens in TOKENS:
            stage.recorder.fresh()
            x, weights, ids = layers.inputs(stage, sizes, tokens, seed=tokens)
            head = [model.name, size, built.name]
            yield [*head, *_row(stage, built, x, weights, ids, "all")]
            if not stage.recording:
                some = torch.arange(tokens, device=ids.device) % 3 == 1
                padded = torch.where(some[:, None], -1, ids)
                row = _row(stage, built, x, weights, padded, "a third padded")
                yield [*head, *row]
        del built


def _row(
    stage: Any, built: layers.Built, x: Any, weights: Any, ids: Any, what: str
) -> list[Any]:
    def run() -> torch.Tensor:
        on = kernel_calls._on_cuda() if stage.recording else contextlib.nullcontext()
        with torch.no_grad(), on:
            return built.experts.forward_modular(x, weights, ids)

    out = run().clone()
    jobs = [stage.recorder.jobs[key] for key in stage.recorder.hit]
    blocks = [str(j.detail["block"]) for j in jobs if "block" in j.detail]
    head = [" ".join(dict.fromkeys(blocks)), len(x), what]
    if stage.recording:
        return head
    want = layers.reference(built, x, weights, ids)
    same = sum(torch.equal(run(), out) for _ in range(RUNS))
    errors = [round(layers.apart(out, want), 5), round(layers.worst_row(out, want), 5)]
    return [*head, *errors, f"{same} of {RUNS} the same bits"]
