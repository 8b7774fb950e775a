# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's host code, up to the launch, against the double."""

from typing import Any

import pytest
import torch

from .host import Launch, both
from .problem import Problem


@pytest.mark.parametrize("tokens", [1, 3, 20, 100, 512, 513, 700])
@pytest.mark.parametrize("inter", [256, 128, 192])
@pytest.mark.parametrize("activation", ["silu", "relu2"])
def test_the_real_wrapper_launches_what_the_double_computes(
    flashinfer: Any, launches: list[Launch], tokens: int, inter: int, activation: str
) -> None:
    p = Problem.make(tokens=tokens, i=inter, activation=activation, spread=2.0)
    ours, real = both(p, flashinfer, max_num_tokens=1024)
    args, scales = p.arguments(), p.calibrated(per_expert=True)
    out = real.run(**args | scales)
    ours.run(**args | scales)
    call, launch = ours.calls[0], launches[0]
    assert launch.kind == call.regime.removesuffix("_gated")
    kernel = launch["alpha"]
    assert torch.equal(kernel, call.alpha) and kernel.dtype == torch.float32
    assert torch.equal(kernel, p.w13.scale_2 * scales["input_global_scale"])
    for name, arg in (
        ("input_gs", "input_global_scale"), ("down_gs", "fc2_input_scale"),
        ("down_alpha", "w2_alpha"),
    ):  # fmt: skip
        assert launch[name].data_ptr() == scales[arg].data_ptr(), name  # not a copy
    where = launch["out"]
    where = where if isinstance(where, int) else where.data_ptr()
    assert where == out.data_ptr() == real._moe_output.data_ptr()
    ids = launch["ids"]
    if launch.kind == "static":
        assert ids.data_ptr() == p.ids.data_ptr()
    copied = launch["w2"].data_ptr() != p.w2.packed.data_ptr()
    assert copied is bool(call.weight_copies)
    scaled = any(
        launch[name] != args[f"{w}_weight_sf"].data_ptr()
        for name, w in (("sf13", "w1"), ("sf2", "w2"))
    )
    assert scaled is bool(call.scale_copies)
    tiled = -(-inter // 128) * 128
    # Two tiles at least for static; the true size, but where branches are paired.
    sizes = {"static": max(tiled, 256), "dynamic_gated": tiled}
    assert launch.build["n"] == sizes.get(call.regime, inter)
    again = real._folded_w1_alpha
    real.run(**args | scales)
    assert real._folded_w1_alpha is again


def test_scales_reach_the_kernel_without_a_copy(
    flashinfer: Any, launches: list[Launch]
) -> None:
    p = Problem.make(i=256, tokens=100)
    _, real = both(p, flashinfer, max_num_tokens=128)
    args = p.arguments()
    real.run(**args | p.calibrated())
    assert launches[0]["sf13"] == args["w1_weight_sf"].data_ptr()
    assert launches[0]["sf2"] == args["w2_weight_sf"].data_ptr()


def test_a_scalar_input_scale_is_shared_only_where_it_pays(
    flashinfer: Any, launches: list[Launch]
) -> None:
    """A view [:1] of a constant [E] tensor keeps the fold and says 'shared'."""
    p = Problem.make(i=256, tokens=600)
    _, real = both(p, flashinfer, max_num_tokens=1024)
    args, scales = p.arguments(), p.calibrated()
    real.run(**args | scales)
    folded = real._folded_w1_alpha
    real.run(**args | scales | {"input_global_scale": scales["input_global_scale"][:1]})
    assert real._folded_w1_alpha is folded
    assert [x.build["share_input_across_experts"] for x in launches] == [False, True]
    assert torch.equal(launches[0]["input_gs"], launches[1]["input_gs"])


def test_the_output_may_be_the_callers_through_shared_output(
    flashinfer: Any, launches: list[Launch]
) -> None:
    """No output argument exists; a shared_output that is re-pointed does the same."""
    p = Problem.make(i=256, tokens=100)
    shared = torch.empty(1, 256, dtype=torch.bfloat16).expand(512, 256)
    _, real = both(p, flashinfer, max_num_tokens=512, shared_output=shared)
    mine = torch.empty(100, 256, dtype=torch.bfloat16)
    shared.set_(mine)
    out = real.run(**p.arguments() | p.calibrated())
    assert launches[0]["out"].data_ptr() == mine.data_ptr() == out.data_ptr()


def test_an_inference_tensor_as_a_scale_is_folded_in_each_call(
    flashinfer: Any, launches: list[Launch]
) -> None:
    """It has no version; 0.7.2.post1 raised."""
    p = Problem.make(i=256, tokens=100)
    _, real = both(p, flashinfer, max_num_tokens=128)
    scales = p.calibrated()
    with torch.inference_mode():
        late = scales["input_global_scale"].clone()
        run = p.arguments() | scales | {"input_global_scale": late}
        real.run(**run)
        folded = real._folded_w1_alpha
        late.mul_(2)
        real.run(**run)
        assert real._folded_w1_alpha is folded
        assert launches[-1]["alpha"].data_ptr() == folded.data_ptr()
        assert torch.equal(folded, p.w13.scale_2 * late)


def test_a_foreign_workspace_is_refused_by_the_real_wrapper_only_when_static(
    flashinfer: Any, launches: list[Launch]
) -> None:
    for tokens, refused in ((100, True), (600, False)):
        p = Problem.make(i=256, tokens=tokens)
        kw = {"state_E": 4, "weight_E": 4, "k": 128, "n": 256, "num_topk": 2}
        kw |= {"device": torch.device("cpu"), "activation": "silu"}
        make = flashinfer.dispatch.allocate_sm120_moe_workspace
        _, real = both(
            p, flashinfer, max_num_tokens=1024,
            shared_static_workspace=make(max_rows=1024, backend="static", **kw),
            shared_dynamic_workspace=make(routed_rows=64, backend="dynamic", **kw),
        )  # fmt: skip
        run = p.arguments() | p.calibrated()
        if refused:
            with pytest.raises(ValueError, match="mismatch"):
                real.run(**run)
        else:
            real.run(**run)  # too small and of another size, and launched all the same
            assert launches


def test_the_real_wrapper_is_stale_where_the_double_is(
    flashinfer: Any, launches: list[Launch]
) -> None:
    for size, stale in ((256, False), (128, True)):
        p = Problem.make(i=size, tokens=100)
        ours, real = both(p, flashinfer, max_num_tokens=128)
        run = p.arguments() | p.calibrated()
        for wrapper in (ours, real):
            wrapper.run(**run)
        run["w2_weight"].zero_()
        run["w1_alpha"].data.mul_(2)
        for wrapper in (ours, real):
            wrapper.run(**run)
        seen = launches[-1]["w2"].view(torch.uint8)
        assert bool(seen.any()) is stale
        assert torch.equal(launches[-1]["alpha"], ours.calls[-1].alpha)
        assert torch.equal(launches[-1]["alpha"], launches[-2]["alpha"])


def test_the_real_wrapper_converts_what_the_double_says(
    flashinfer: Any, launches: list[Launch]
) -> None:
    p = Problem.make(i=256, tokens=100)
    ours, real = both(p, flashinfer, max_num_tokens=128)
    run = p.arguments() | p.calibrated()
    wide = {"token_selected_experts": p.ids.long()}
    wide |= {"token_final_scales": p.routing.bfloat16()}
    wide |= {"fc2_input_scale": run["fc2_input_scale"][0]}
    for wrapper in (ours, real):
        wrapper.run(**run | wide)
    where = {
        "token_selected_experts": "ids", "token_final_scales": "routing",
        "fc2_input_scale": "down_gs", "w2_alpha": "down_alpha",
        "input_global_scale": "input_gs",
    }  # fmt: skip
    for name, arg in where.items():
        given = (run | wide)[name].data_ptr()
        converted = name in ours.calls[0].conversions
        assert (launches[0][arg].data_ptr() != given) is converted, name
