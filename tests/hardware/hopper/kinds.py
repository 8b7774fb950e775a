# SPDX-License-Identifier: Apache-2.0
"""One kernel of each kind, a few launches each: what compute-sanitizer looks at.

``HOPPER_KIND`` names one; all cases are of the other parts, whose kernels are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import layers
import linear
import regimes
import torch

COLUMNS = ("kind", "launches")
_ONE = {"micro": (1, 4, 8), "direct micro": (1, 4), "static": (40,)}
_ONE |= {"dynamic": (512,), "dynamic gated": (512,)}
KINDS = (*_ONE, "micro relu2", "static relu2", "dense")


def rows(stage: Any) -> Iterator[list[Any]]:
    kind = os.environ.get("HOPPER_KIND", "")
    for name in (kind,) if kind else KINDS:
        if name == "dense":
            yield [name, _dense(stage)]
        else:
            yield [name, _moe(stage, name)]


def _moe(stage: Any, name: str) -> int:
    """Launches of the NVFP4 MoE kernel of that kind on FlashInfer's wrapper."""
    calls = layers.Calls().watch()
    base, _, activation = name.partition(" relu2")
    activation = "relu2" if name.endswith("relu2") else "silu"
    wide = base == "dynamic"
    count = 0
    for case in regimes.CASES:
        shape = (case.experts, case.hidden, case.intermediate, case.top_k)
        if shape != (regimes.WIDE if wide else regimes.SMALL):
            continue
        if case.tokens not in _ONE[base] or case.direct == (base == "micro"):
            continue
        with stage.direct_micro(case.direct):
            regimes.launched(stage, calls, case, activation, "separate", 3)
            found = layers.regime(stage)
            if found.replace("_", " ") != base:
                raise AssertionError(f"{name}: {found} was launched")
        count += 3
    assert count, name
    return count


def _dense(stage: Any) -> int:
    count = 0
    for m in (9, 65):
        a = linear._operand(stage, m, 512, seed=m)
        b = linear._operand(stage, 384, 512, seed=384)
        linear.call(stage, a, b)
        count += 1
    if not stage.recording:
        torch.cuda.synchronize()
    return count
