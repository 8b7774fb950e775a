# SPDX-License-Identifier: Apache-2.0
"""Each kernel of FlashInfer's NVFP4 MoE against its double, activation by activation.

FlashInfer's wrapper alone, no vLLM: regime, tile of the dynamic kernel, one input scale
or one for each expert, runs of the same input. ``rows`` gives relative norms: kernel,
double against the dequantised reference, kernel against double, its worst row, and how
far runs of the same input are apart. Of relu2's dynamic kernel FlashInfer makes one
tile alone, of 128 rows: ``_select_dynamic_tile_m`` asks whether it is gated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hopper_cases
import layers
import torch
from contract import b12x_numerics as num
from contract.problem import Problem, to_mma
from hopper_calls import CASES, Case
from hopper_cases import ACTIVATIONS, RUNS, SCALES

COLUMNS = hopper_cases.COLUMNS["regimes"]


def cases() -> Iterator[tuple[Case, str, str]]:
    """Case, activation, and whether the input scales are shared or separate."""
    yield from (
        (case, activation, scales)
        for activation in ACTIVATIONS
        for case in CASES
        for scales in SCALES
    )


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row for each case, as soon as it was run."""
    calls = layers.Calls().watch()
    for case, activation, scales in cases():
        with stage.direct_micro(case.direct):
            yield _row(stage, calls, case, activation, scales)


def _row(
    stage: Any, calls: layers.Calls, case: Case, activation: str, scales: str
) -> list[Any]:
    p, wrapper, given, first = launched(stage, calls, case, activation, scales, 1)
    regime, tile = layers.regime(stage), layers.tile(stage)
    head = [regime, tile, activation, scales, case.tokens]
    if p is None:
        return head
    double = calls.doubled(stage)
    want = p.reference().cuda()
    same, far = 0, 0.0
    for _ in range(RUNS):
        again = wrapper.run(**given)
        same += torch.equal(again, first)
        far = max(far, layers.apart(again, first))
    kernel, doubled = layers.apart(first, want), layers.apart(double, want)
    between, worst = layers.apart(first, double), layers.worst_row(first, double)
    errors = [round(e, 5) for e in (kernel, doubled, between, worst)]
    return [*head, *errors, f"{same} of {RUNS} the same bits", round(far, 5)]


def launched(
    stage: Any,
    calls: layers.Calls,
    case: Case,
    activation: str,
    scales: str,
    times: int,
) -> tuple[Problem | None, Any, dict[str, torch.Tensor], torch.Tensor]:
    """Run FlashInfer's wrapper on the case.

    Returns:
        The problem, None while recording; the wrapper; its arguments; a copy of the
        output of the first run.
    """
    from flashinfer.fused_moe import B12xMoEWrapper

    p = None if stage.recording else _problem(case, activation)
    given = _blank(case, activation) if p is None else _given(p, scales)
    if scales == "shared":
        for name in ("input_global_scale", "fc2_input_scale"):
            given[name] = given[name].flatten()[:1].contiguous()
    given = {name: value.to(stage.device) for name, value in given.items()}
    limit = {"swiglu_limit": 7.0} if activation.startswith("swigluoai") else {}
    wrapper = B12xMoEWrapper(
        num_experts=case.experts,
        top_k=case.top_k,
        hidden_size=case.hidden,
        intermediate_size=case.intermediate,
        use_cuda_graph=True,
        max_num_tokens=case.max_tokens,
        activation=activation,
        device=stage.device,
        **limit,
    )
    first = wrapper.run(**given).clone()
    for _ in range(times - 1):
        wrapper.run(**given)
    stage.synchronize()
    return p, wrapper, given, first


def _problem(case: Case, activation: str) -> Problem:
    return Problem.make(
        e=case.experts,
        h=case.hidden,
        i=case.intermediate,
        k=case.top_k,
        tokens=case.tokens,
        sigma=0.02,
        activation=activation,
    )


def _given(p: Problem, scales: str) -> dict[str, torch.Tensor]:
    return p.arguments() | p.calibrated(per_expert=scales == "separate")


def _blank(case: Case, activation: str) -> dict[str, torch.Tensor]:
    """Arguments of the same sizes and types, whose values nobody reads."""
    e, h, i = case.experts, case.hidden, case.intermediate
    rows = i * (2 if activation in num.GATED else 1)
    size = case.tokens, case.top_k
    return {
        "x": torch.zeros(case.tokens, h, dtype=torch.bfloat16),
        "w1_weight": torch.zeros(e, rows, h // 2, dtype=torch.uint8),
        "w1_weight_sf": to_mma(torch.zeros(e, rows, h // num.BLOCK)),
        "w2_weight": torch.zeros(e, h, i // 2, dtype=torch.uint8),
        "w2_weight_sf": to_mma(torch.zeros(e, h, i // num.BLOCK)),
        "token_selected_experts": torch.zeros(size, dtype=torch.int32),
        "token_final_scales": torch.zeros(size),
    } | {
        name: torch.ones(e)
        for name in ("w1_alpha", "w2_alpha", "input_global_scale", "fc2_input_scale")
    }
