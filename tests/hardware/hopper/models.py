# SPDX-License-Identifier: Apache-2.0
"""Layers of real models, through vLLM and the fork's experts class.

Models and numbers of ranks are those of scripts/in_vllm/hopper_models.py. Each is run
at the numbers of tokens around every cut between kernels; at a cut also with padded
rows (ids of -1), with one expert that takes every token, and with routing weights of
zero. Of a model of which few calls are run, there are the cuts alone, and those other
rows at one token, at the static kernel's most and at the most of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hopper_cases
import layers
import torch
from hopper_cases import (
    AGAIN,
    ALL_PADDED,
    OTHER_ROWS,
    THIRD,
    TO_ONE,
    WEIGHT_0,
    WHOLE,
)
from hopper_models import MAX_TOKENS, models

COLUMNS = hopper_cases.COLUMNS["models"]
MANY = 2048
"""Tokens; FlashInfer's gated kernel takes longer slices from there on."""
_WITHIN = (
    "_DIRECT_MICRO_CUTOVER_PAIRS",
    "_SM120_NVFP4_DIRECT_MICRO_CUTOVER_PAIRS",
    "_STATIC_DEFERRED_INIT_MIN_PAIRS",
    "_STATIC_MERGED_GROUPS_MIN_PAIRS",
)
"""FlashInfer's names of the first number of pairs that is handled in another way."""


def counts(built: layers.Built, few: int) -> dict[int, bool]:
    """Numbers of tokens: one, and below, at and above each cut between kernels.

    True at a cut, where other rows are looked at, too. With ``few`` the cuts alone,
    other rows where the module says.

    The cuts are FlashInfer's: of micro by routed rows, of static and of the dynamic
    kernel's tiles as the fork's class asks its functions, and within direct micro and
    static by those of its numbers of pairs that the release has.
    """
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch

    key = built.experts.b12x_warmup_provider._workspace_key()
    pairs = moe_dispatch._MICRO_COMPACT_CUTOVER_PAIRS_MULTI_TOPK
    within = [getattr(moe_dispatch, name, 1) for name in _WITHIN]
    cuts = {1, moe_dispatch._MICRO_MAX_TOKENS, pairs // key.top_k, MANY}
    cuts |= {(first - 1) // key.top_k for first in within}
    cuts |= {key.static_tokens(), *key.dynamic_tokens()}
    ends = {1, key.static_tokens(), MAX_TOKENS} if few else cuts
    found = cuts | ends if few else {n + d for n in cuts for d in (-1, 0, 1)}
    return {n: n in ends for n in sorted(found) if 1 <= n <= MAX_TOKENS}


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row for each model, number of ranks and number of tokens."""
    calls = layers.Calls().watch()
    for model in models():
        if stage.only and model.name not in stage.only:
            continue
        for ranks in model.ranks:
            size = model.intermediate // ranks
            head = [model.name, ranks, model.experts, model.top_k, model.hidden, size]
            try:
                built = layers.build(stage, model.sizes, size, MAX_TOKENS)
            except (ValueError, NotImplementedError) as e:
                yield [*head, f"refused: {e}", *[""] * 7]
                continue
            for tokens, more in counts(built, model.few).items():
                stage.recorder.fresh()
                made = _tokens(stage, calls, built, tokens, more)
                yield from ([*head, *row] for row in made)
            del built
            if not stage.recording:
                torch.cuda.empty_cache()


def _tokens(
    stage: Any, calls: layers.Calls, built: layers.Built, tokens: int, more: bool
) -> Iterator[list[Any]]:
    x, weights, ids = layers.inputs(stage, built.model, tokens, seed=tokens)
    if stage.recording:
        run(built, x, weights, ids)
        for what in (WHOLE, *(OTHER_ROWS if more else ())):
            yield [layers.regime(stage), tokens, what]
        return
    yield _row(stage, calls, built, WHOLE, x, weights, ids)
    if not more:
        return
    some = torch.arange(tokens, device=ids.device) % 3 == 1
    padded = torch.where(some[:, None], -1, ids)
    one = torch.full_like(ids, -1)
    one[:, 0] = built.model["experts"] // 2
    zero = weights * (torch.arange(ids.shape[1], device=ids.device) > 0)
    yield _row(stage, calls, built, THIRD, x, weights, padded)
    yield _row(stage, calls, built, ALL_PADDED, x, weights, torch.full_like(ids, -1))
    yield _row(stage, calls, built, TO_ONE, x, weights, one)
    yield _row(stage, calls, built, WEIGHT_0, x, zero, ids)


def _row(
    stage: Any,
    calls: layers.Calls,
    built: layers.Built,
    what: str,
    x: torch.Tensor,
    weights: torch.Tensor,
    ids: torch.Tensor,
) -> list[Any]:
    out = run(built, x, weights, ids).clone()
    kernel = layers.regime(stage)
    if what == ALL_PADDED:
        left = int(out.count_nonzero())
        return [kernel, len(x), what, *[f"{left} not zero"], "", "", "", ""]
    if not torch.isfinite(out).all():
        return [kernel, len(x), what, "not finite", "", "", "", ""]
    double = calls.doubled(stage)
    again = (run(built, x, weights, ids) for _ in range(AGAIN))
    spread = max(layers.apart(other, out) for other in again)
    between, worst = layers.apart(out, double), layers.worst_row(out, double)
    errors: list[Any] = ["", ""]
    if what == WHOLE:
        want = layers.reference(built, x, weights, ids)
        errors = [round(layers.apart(t, want), 5) for t in (out, double)]
    figures = [round(value, 5) for value in (between, worst, spread)]
    return [kernel, len(x), what, *errors, *figures]


def run(
    built: layers.Built, x: torch.Tensor, weights: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    with torch.no_grad():
        return built.experts.forward_modular(x, weights, ids)
