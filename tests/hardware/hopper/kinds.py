# SPDX-License-Identifier: Apache-2.0
"""One kernel of each kind, a few launches each: what compute-sanitizer looks at.

``HOPPER_KIND`` names one. The calls of the dynamic kernels are about as small as take
them: racecheck follows each access to shared memory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import layers
import linear
import regimes
import torch
from regimes import Case

COLUMNS = ("kind", "launches")
_SMALL = regimes.SMALL
_LEAST = 257
"""Tokens that take the dynamic kernel with 4 experts for each."""
BLOCKS = 16
_ONE = {
    "micro": [Case(*_SMALL, tokens, 2048, direct=False) for tokens in (1, 4, 8)],
    "direct micro": [Case(*_SMALL, tokens, 2048) for tokens in (1, 4)],
    "static": [Case(*_SMALL, 40, 2048)],
    "dynamic": [Case(4, 256, 640, 4, _LEAST, 512)],
    "dynamic gated": [Case(4, 256, 256, 4, _LEAST, 512)],
}
KINDS = (*_ONE, "micro relu2", "static relu2", "dense")


def rows(stage: Any) -> Iterator[list[Any]]:
    kind = os.environ.get("HOPPER_KIND", "")
    stage.checked = True
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
    times = 1 if base.startswith("dynamic") else 3
    for case in _ONE[base]:
        with stage.direct_micro(case.direct), _blocks(base):
            regimes.launched(stage, calls, case, activation, "separate", times)
            found = layers.regime(stage)
            if found.replace("_", " ") != base:
                raise AssertionError(f"{name}: {found} was launched")
    return times * len(_ONE[base])


@contextlib.contextmanager
def _blocks(base: str) -> Iterator[None]:
    """Of the dynamic kernels few blocks: the others only poll what is instrumented."""
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch

    with contextlib.ExitStack() as stack:
        if base.startswith("dynamic"):
            for name in ("get_num_sm", "get_max_active_clusters"):
                few = mock.patch.object(moe_dispatch, name, lambda _: BLOCKS)
                stack.enter_context(few)
        yield


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
