# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's b12x NVFP4 GEMM at every tile that it may choose, against FP64.

Called as vLLM calls it, ``flashinfer_scaled_fp4_mm`` with swizzled block scales. The
operands are NVFP4 already, so that only the sum and its rounding to BF16 can differ.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import hopper_cases
import layers
import torch
from contract import b12x_numerics as num
from hopper_cases import LINEAR_SHAPES, LINEAR_TOKENS, OWN_CHOICE, RUNS

COLUMNS = hopper_cases.COLUMNS["linear"]


class Tactics:
    """Stands for ``AutoTuner.choose_one``: the tactic with the wanted number."""

    def __init__(self) -> None:
        self.wanted: int | None = None
        self.found: list[Any] = []

    def choose(self, real: Any, tuner: Any, *args: Any) -> Any:
        _, runners, _, inputs = args
        self.found = list(runners[0].get_valid_tactics(inputs, None))
        if self.wanted is None:
            return real(tuner, *args)
        return runners[0], self.found[self.wanted]


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row for each shape, number of tokens and tactic, and for the default one."""
    tactics = Tactics()
    before, stage.recorder.choose = stage.recorder.choose, tactics.choose
    try:
        for n, k in LINEAR_SHAPES:
            b = _operand(stage, n, k, seed=n)
            for m in LINEAR_TOKENS:
                a = _operand(stage, m, k, seed=m)
                tactics.wanted = None
                yield _row(stage, a, b, OWN_CHOICE)
                for number in range(len(tactics.found)):
                    tactics.wanted = number
                    yield _row(stage, a, b, f"tactic {number}")
    finally:
        stage.recorder.choose = before


def _operand(stage: Any, rows: int, columns: int, seed: int) -> dict[str, torch.Tensor]:
    """Random codes [rows, columns / 2] and block scales, plain and swizzled."""
    from vllm.model_executor.layers.quantization.utils.nvfp4_utils import (
        swizzle_blockscale,
    )

    rng = torch.Generator().manual_seed(seed)
    size = rows, columns // 2
    codes = torch.randint(0, 256, size, generator=rng, dtype=torch.uint8)
    scale = torch.randint(
        0x30, 0x50, (rows, columns // 16), generator=rng, dtype=torch.uint8
    )
    scale = scale.view(torch.float8_e4m3fn)
    with contextlib.nullcontext() if stage.recording else torch.device("cuda"):
        given = {"codes": codes.to(stage.device), "scale": scale.to(stage.device)}
        given["swizzled"] = swizzle_blockscale(given["scale"])
    return given


ALPHA = 0.75


def call(stage: Any, a: dict[str, Any], b: dict[str, Any]) -> torch.Tensor:
    """The product [M, N] in BF16 times ``ALPHA``, by the kernel."""
    from vllm.utils.flashinfer import flashinfer_scaled_fp4_mm

    return flashinfer_scaled_fp4_mm(
        a["codes"],
        b["codes"],
        a["swizzled"],
        b["swizzled"],
        torch.full((1,), ALPHA, device=stage.device),  # in a CUDA graph too
        torch.bfloat16,
        backend="b12x",
    )


def exact(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> torch.Tensor:
    """The product [M, N] in FP64 times ``ALPHA``."""
    sides = [
        num.weight(each["codes"], each["scale"].float()).double() for each in (a, b)
    ]
    return sides[0] @ sides[1].T * ALPHA


def _row(stage: Any, a: dict[str, Any], b: dict[str, Any], how: str) -> list[Any]:
    m, n, k = len(a["codes"]), len(b["codes"]), a["codes"].shape[1] * 2
    stage.recorder.fresh()
    out = call(stage, a, b)
    detail = stage.recorder.jobs[stage.recorder.hit[-1]].detail
    name = "x".join(map(str, detail.get("tile", ())[:2]))
    name += "".join(
        f" {flag}" for flag in ("swap_ab", "use_prefetch") if detail.get(flag)
    )
    head = [m, n, k, name, how]
    if stage.recording:
        return head
    runs = RUNS if how == OWN_CHOICE else 1
    same = sum(torch.equal(call(stage, a, b), out) for _ in range(runs))
    product = exact(a, b)
    want = product.bfloat16()
    steps = (_ordered(out) - _ordered(want)).abs()
    error = layers.apart(out.double(), product)
    counts = [out.numel(), int((steps > 0).sum()), int((steps > 1).sum())]
    return [*head, *counts, round(error, 6), f"{same} of {runs} the same bits"]


def _ordered(x: torch.Tensor) -> torch.Tensor:
    """BF16 numbers as integers in their order."""
    bits = x.view(torch.int16).int()
    return torch.where(bits < 0, -(bits & 0x7FFF), bits)
