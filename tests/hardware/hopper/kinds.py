# SPDX-License-Identifier: Apache-2.0
"""One kernel of each kind, a few launches each: what compute-sanitizer looks at.

``HOPPER_KIND`` names one. The calls of the dynamic kernels are about as small as take
them, of the gated one smaller than FlashInfer itself would: racecheck follows each
access to shared memory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import hopper_calls
import layers
import linear
import regimes
import torch
import w4a16
from hopper_cases import KINDS

COLUMNS = ("kind", "launches")
BLOCKS = 16
_FEW = {"dynamic gated": (4, 128)}
"""Of a kind other blocks than ``BLOCKS``, and the most pairs of a static kernel."""
_W4A16 = {"experts": 16, "top-k": 4, "hidden": 512, "activation": "silu"}


def rows(stage: Any) -> Iterator[list[Any]]:
    kind = os.environ.get("HOPPER_KIND", "")
    stage.checked = True
    for name in (kind,) if kind else KINDS:
        other = {"dense": _dense, "w4a16": _w4a16}.get(name)
        yield [name, other(stage) if other else _moe(stage, name)]


def _moe(stage: Any, name: str) -> int:
    """Launches of the NVFP4 MoE kernel of that kind on FlashInfer's wrapper."""
    calls = layers.Calls().watch()
    base = name.removesuffix(" relu2")
    activation = "relu2" if name != base else "silu"
    dynamic = base.startswith("dynamic")
    count, times = 0, hopper_calls.times(name)
    for case in hopper_calls.KINDS[base]:
        with stage.direct_micro(case.direct), _blocks(dynamic, base):
            regimes.launched(stage, calls, case, activation, "separate", times)
            count += times
            found = layers.regime(stage)
            if found.replace("_", " ") != base:
                raise AssertionError(f"{name}: {found} was launched")
    return count


@contextlib.contextmanager
def _blocks(dynamic: bool, call: str) -> Iterator[None]:
    """Of the dynamic kernels few blocks: the others only poll what is instrumented."""
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch

    blocks, pairs = _FEW.get(call, (BLOCKS, None))
    told: dict[str, Any] = {}
    if dynamic:
        few = lambda _: blocks  # noqa: E731
        told = dict.fromkeys(("get_num_sm", "get_max_active_clusters"), few)
    if pairs is not None:
        told["_get_static_compact_cutover_pairs"] = lambda *_, **__: pairs
    with contextlib.ExitStack() as stack:
        for name, answer in told.items():
            stack.enter_context(mock.patch.object(moe_dispatch, name, answer))
        yield


def _w4a16(stage: Any) -> int:
    """Launches of the native b12x W4A16 MoE, of a layer that vLLM made."""
    built = layers.build(stage, _W4A16, 256, 512, layers.NATIVE, "W4A16_NVFP4")
    count = 0
    for tokens in hopper_calls.W4A16:
        stage.recorder.fresh()
        w4a16.called(stage, built, *layers.inputs(stage, _W4A16, tokens))
        kinds = {stage.recorder.jobs[key].kind for key in stage.recorder.hit}
        if "w4a16" not in kinds:
            raise AssertionError(f"w4a16: {kinds} were launched")
        count += 1
    stage.synchronize()
    return count


def _dense(stage: Any) -> int:
    count = 0
    for m in hopper_calls.DENSE:
        a = linear._operand(stage, m, 512, seed=m)
        b = linear._operand(stage, 384, 512, seed=384)
        linear.call(stage, a, b)
        count += 1
    if not stage.recording:
        torch.cuda.synchronize()
    return count
