# SPDX-License-Identifier: Apache-2.0
"""The double with the GPU's reciprocals and with 1 / x, beside each kernel.

The other parts give the double rcp.approx, as the kernels have it. Where the double
stands for a kernel elsewhere, it has no such instruction. Here are both, of the same
calls: small cases of the part regimes, and layers of real models at one token, at the
most of the static kernel and at the most of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hopper_calls
import hopper_cases
import layers
import models
import regimes
import torch
from hopper_cases import DIVIDED, SCALES
from hopper_models import LAYERS_DIVIDED, MAX_TOKENS
from hopper_models import models as known

COLUMNS = hopper_cases.COLUMNS["reciprocals"]


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row for each case, and for each layer and number of tokens."""
    calls = layers.Calls().watch()
    for case in hopper_calls.divided():
        with stage.direct_micro(case.direct):
            *_, out = regimes.launched(stage, calls, case, DIVIDED, SCALES[0], 1)
            head = [hopper_cases.SMALL_LAYER, 1, case.intermediate]
            yield [*head, *_row(stage, calls, case.tokens, out)]
    for model in known():
        for ranks in model.ranks if model.name in LAYERS_DIVIDED else ():
            size = model.intermediate // ranks
            built = layers.build(stage, model.sizes, size, MAX_TOKENS)
            few = models.counts(built, few=1)
            for tokens in (n for n, is_end in few.items() if is_end):
                stage.recorder.fresh()
                given = layers.inputs(stage, built.model, tokens, seed=tokens)
                out = models.run(built, *given).clone()
                yield [model.name, ranks, size, *_row(stage, calls, tokens, out)]
            del built
            if not stage.recording:
                torch.cuda.empty_cache()


def _row(stage: Any, calls: layers.Calls, tokens: int, out: torch.Tensor) -> list[Any]:
    head = [layers.regime(stage), tokens]
    if stage.recording:
        return head
    found = []
    for divides in (False, True):
        double = calls.doubled(stage, divides)
        found += [layers.apart(out, double), layers.worst_row(out, double)]
    return [*head, *(round(value, 5) for value in found)]
