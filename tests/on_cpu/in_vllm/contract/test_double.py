# SPDX-License-Identifier: Apache-2.0
"""What the double refuses, and what it keeps."""

from typing import Any

import pytest
import torch

from . import b12x_double as double
from . import b12x_numerics as num
from .problem import Problem

FIT = torch.zeros(4096, 256, dtype=torch.bfloat16)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"output_dtype": torch.float16}, ValueError),
        ({"quant_mode": "w4a16"}, NotImplementedError),
        ({"num_local_experts": 2}, NotImplementedError),
        ({"activation": "gelu"}, ValueError),
        ({"shared_output": FIT, "use_cuda_graph": False}, ValueError),
        ({"shared_output": FIT[:1]}, ValueError),
        ({"shared_output": FIT[:, :128]}, ValueError),
        ({"shared_output": FIT.float()}, ValueError),
    ],
)
def test_constructor_refuses(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        double.B12xMoEWrapperDouble(
            4, 2, 256, 128, **{"device": "cpu", "use_cuda_graph": True} | change
        )


@pytest.mark.parametrize(
    "change",
    [
        {"fc2_input_scale": None},
        {"x": torch.zeros(33, 256)},
        {"x": torch.zeros(33, 512).bfloat16()[:, ::2]},
        {"x": torch.zeros(32, 256).bfloat16()},
        {"w1_alpha": torch.ones(3)},
        {"w1_alpha": torch.ones(1)},
        {"fc2_input_scale": torch.ones(2)},
        {"token_selected_experts": torch.zeros(33, 3, dtype=torch.int32)},
        {"w1_weight": torch.zeros(4, 128, 128, dtype=torch.uint8)},
        {"w1_weight_sf": torch.zeros(4, 256, 16, dtype=torch.uint8)},
    ],
)
def test_run_refuses(change: dict[str, Any]) -> None:
    p = Problem.make()
    with pytest.raises(ValueError, match=r"."):
        p.wrapper().run(**p.arguments() | p.calibrated() | change)


def test_too_many_tokens_and_foreign_workspaces_are_refused() -> None:
    p = Problem.make()
    run = p.arguments() | p.calibrated()
    with pytest.raises(ValueError, match="exceeds"):
        p.wrapper(use_cuda_graph=True, max_num_tokens=32).run(**run)
    size = {"state_E": 4, "weight_E": 4, "k": 256, "n": 128, "num_topk": 2}
    size |= {"device": "cpu", "max_rows": 1024, "backend": "static"}
    for name in ("state_E", "weight_E", "k", "num_topk"):
        other = double.allocate_workspace(**size | {name: 2 * size[name]})
        with pytest.raises(ValueError, match=name):
            p.wrapper(use_cuda_graph=True, shared_static_workspace=other).run(**run)
    small = double.allocate_workspace(**size | {"max_rows": 65})
    with pytest.raises(ValueError, match="mismatch"):
        p.wrapper(use_cuda_graph=True, shared_static_workspace=small).run(**run)
    shared = double.allocate_workspace(**size)
    a, b = (
        p.wrapper(use_cuda_graph=True, shared_static_workspace=shared) for _ in range(2)
    )
    a.run(**run), b.run(**run)
    assert a.calls[0].workspace is b.calls[0].workspace is shared


def test_conversions_that_allocate_are_named() -> None:
    p = Problem.make()
    wrapper, run = p.wrapper(), p.arguments() | p.calibrated()
    wrapper.run(**run)
    assert wrapper.calls[0].conversions == ()
    wide = {"token_selected_experts": p.ids.long()}
    wide |= {"token_final_scales": p.routing.bfloat16()}
    wide |= {"input_global_scale": run["input_global_scale"][:1]}
    wrapper.run(**run | wide)
    assert set(wrapper.calls[1].conversions) == set(wide)


def test_the_fold_follows_the_version_but_not_data() -> None:
    p = Problem.make()
    wrapper, run = p.wrapper(), p.arguments() | p.calibrated()
    first = wrapper.run(**run)
    folded = wrapper.calls[0].alpha
    run["w1_alpha"].data.mul_(2)  # no version: FlashInfer does not see it
    assert torch.equal(wrapper.run(**run), first)
    run["w1_alpha"].mul_(1)
    assert not torch.equal(wrapper.run(**run), first)
    assert wrapper.calls[2].alpha.data_ptr() != folded.data_ptr()  # a new address


def test_padded_weights_are_stale_after_a_reload() -> None:
    for size, stale in ((256, False), (128, True)):
        p = Problem.make(i=size)
        wrapper, run = p.wrapper(), p.arguments() | p.calibrated()
        first = wrapper.run(**run)
        run["w2_weight"].zero_()
        assert bool(wrapper.run(**run).any()) is stale, size
        assert first.any()


def test_swiglu_oai_clamps_only_with_a_limit() -> None:
    gate, up = torch.tensor([9.0, -9.0, 1.0]), torch.tensor([-9.0, 9.0, 1.0])
    kind = "swigluoai_uninterleave"
    got = num.activate(gate, up, kind, (1.702, 1.0, 7.0))
    free = num.activate(gate, up, kind, (1.702, 1.0, None))
    want = 7 * torch.sigmoid(torch.tensor(1.702 * 7)) * -6
    assert got[0] == pytest.approx(float(want)) and got[2] == free[2]
    assert free[0] == pytest.approx(float(9 * torch.sigmoid(torch.tensor(15.318)) * -8))
