# SPDX-License-Identifier: Apache-2.0
"""Bytes that 48 layers of Qwen3-30B-A3B's shape hold on the device beside the weights.

FlashInfer's own wrapper and allocator run; only the kernel's launch is left out, since
the device is no SM12x. Counted by PyTorch's caching allocator.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import torch
from checkpoint import Format, Shape
from loading import FORK, UPSTREAM, apply, make_layer
from standin import real_wrapper, replace_wrapper

SHAPE = Shape(0.0, experts=128, hidden=2048, intermediate=768, top_k=8)
LAYERS, TOKENS = 48, 8192
GIB = 1 << 30


def rows(folder: Path) -> list[list[Any]]:
    """GiB for 48 layers after a forward pass of 8192 tokens, fork and upstream."""

    class Wrapper(real_wrapper()):
        def run(self, x: torch.Tensor, **_: Any) -> torch.Tensor:
            return x

    replace_wrapper(Wrapper)
    try:
        found = [round(_held(folder / b, b) / GIB, 3) for b in (FORK, UPSTREAM)]
    finally:
        replace_wrapper(real_wrapper())
    what = f"MoE workspace allocated, {LAYERS} layers, {TOKENS} tokens"
    return [[what, *found, "GiB"]]


def _held(folder: Path, backend: str) -> int:
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    made = []
    with torch.device("cuda"):
        x = torch.zeros(TOKENS, SHAPE.hidden, dtype=torch.bfloat16)
        weights = torch.zeros(TOKENS, SHAPE.top_k)
        ids = torch.zeros(TOKENS, SHAPE.top_k, dtype=torch.int32)
        out = torch.empty_like(x)
        for number in range(LAYERS):
            experts = make_layer(
                folder / f"{number}", SHAPE, Format.MODELOPT, backend, TOKENS
            )
            for parameter in experts.parameters():
                parameter.data.zero_()
            experts.quant_method.process_weights_after_loading(experts)
            apply(experts, out, x, weights, ids)
            made.append(experts)
    gc.collect()
    torch.cuda.synchronize()
    total = torch.cuda.memory_allocated() - before
    own = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
        for t in (x, weights, ids, out, *(p for e in made for p in e.parameters()))
    }
    return total - sum(own.values())
