# SPDX-License-Identifier: Apache-2.0
"""Mistakes in the arguments show in the double's output, and padding does not."""

from collections.abc import Iterator
from typing import Any

import torch

from . import b12x_double as double
from . import b12x_numerics as num
from .problem import REGIMES, Problem, to_mma


def mistakes(p: Problem) -> Iterator[tuple[str, dict[str, Any]]]:
    good = p.calibrated()
    right, wrong = p.arguments(), p.w13
    plain = p.w2.scale.to(torch.float8_e4m3fn)
    m, k = plain.shape[1] // 128, plain.shape[2] // 4
    yield "rows not swapped", good | {
        "w1_weight": wrong.packed, "w1_weight_sf": to_mma(wrong.scale),
    }  # fmt: skip
    yield "weights swapped, scales not", good | {"w1_weight_sf": to_mma(wrong.scale)}
    yield "scales swapped, weights not", good | {"w1_weight": wrong.packed}
    yield (
        "scales not swizzled",
        good
        | {"w2_weight_sf": plain.reshape(-1, m, k, 32, 4, 4).permute(3, 4, 1, 5, 2, 0)},
    )
    yield "weight scale counted twice", good | {"w1_alpha": good["w1_alpha"] ** 2}
    yield "weight scale left out", good | {"w2_alpha": good["fc2_input_scale"]}
    yield (
        "fold done by the caller too",
        good | {"w1_alpha": good["w1_alpha"] * good["input_global_scale"]},
    )
    yield "fc2 scale not folded into w2_alpha", good | {"w2_alpha": p.w2.scale_2}
    for name in ("input_global_scale", "fc2_input_scale"):
        yield f"inverse of {name}", good | {name: 1 / good[name]}
        # the inverse, with its inverse in the alpha: it only saturates
        fix = "w1_alpha" if name == "input_global_scale" else "w2_alpha"
        by = 1.0 if fix == "w1_alpha" else 1 / good[name] ** 2
        yield f"inverse of {name} throughout", good | {
            name: 1 / good[name], fix: good[fix] * by,
        }  # fmt: skip
    yield (
        "alphas of another expert",
        good
        | {"w1_alpha": good["w1_alpha"].roll(1), "w2_alpha": good["w2_alpha"].roll(1)},
    )
    yield (
        "routing weights left out",
        good | {"token_final_scales": torch.ones_like(right["token_final_scales"])},
    )
    yield (
        "ids of another token",
        good | {"token_selected_experts": right["token_selected_experts"].roll(1, 0)},
    )


def test_every_planted_mistake_stands_apart() -> None:
    p = Problem.make(i=256, tokens=64, sigma=0.02, spread=1.3, uneven=0.7)
    right = p.error(p.calibrated())
    assert right < 0.17
    found = {name: p.error(change) for name, change in mistakes(p)}
    assert len(found) == 15
    assert min(found.values()) > 0.5, found


def test_a_wrong_order_of_rows_hides_at_small_weights() -> None:
    """silu(g) u is g u / 2 when both are small: such a test must use large weights."""
    seen = []
    for sigma in (0.003, 0.05):
        p = Problem.make(sigma=sigma)
        wrong = {"w1_weight": p.w13.packed, "w1_weight_sf": to_mma(p.w13.scale)}
        seen.append(p.error(p.calibrated() | wrong))
    assert seen[0] < 0.25 < 0.5 < seen[1]


def test_an_output_row_that_is_not_written_shows() -> None:
    p = Problem.make(sigma=0.01)
    shared = torch.full((64, 256), float("nan"), dtype=torch.bfloat16)
    wrapper = p.wrapper(use_cuda_graph=True, max_num_tokens=64, shared_output=shared)
    out = wrapper.run(**p.arguments() | p.calibrated())
    assert out.data_ptr() == shared.data_ptr()  # a slice of it, overwritten next time
    assert not out.isnan().any() and shared[len(out) :].isnan().all()


def test_negative_ids_add_nothing() -> None:
    p = Problem.make(tokens=8)
    ids = p.ids.clone()
    ids[3], ids[5, 1] = -1, -1
    p.routing[3], p.routing[5, 1] = 0.0, 0.0
    wrapper, scales = p.wrapper(), p.calibrated()
    want = wrapper.run(**p.arguments() | scales)
    got = wrapper.run(**p.arguments(token_selected_experts=ids) | scales)
    assert not got[3].any() and torch.equal(got, want)


def test_zero_padding_of_the_intermediate_changes_nothing() -> None:
    p = Problem.make(i=192, sigma=0.01)
    scales, args = p.calibrated(), p.arguments()
    pad = torch.nn.functional.pad
    w13 = p.w13.swapped()

    def rows(t: torch.Tensor) -> torch.Tensor:
        return torch.cat([pad(half, (0, 0, 0, 64)) for half in t.chunk(2, 1)], 1)

    wide = args | scales | {
        "w1_weight": rows(w13.packed), "w1_weight_sf": to_mma(rows(w13.scale)),
        "w2_weight": pad(p.w2.packed, (0, 32)),
        "w2_weight_sf": to_mma(pad(p.w2.scale, (0, 4))),
    }  # fmt: skip
    padded = double.B12xMoEWrapperDouble(4, 2, 256, 256, device="cpu")
    plain = p.wrapper()
    assert torch.equal(padded.run(**wide), plain.run(**args | scales))
    # 0.7.4 copies the block scales of the one, and FP4 weights of neither.
    assert (plain.calls[0].weight_copies, padded.calls[0].weight_copies) == (0, 0)


def test_nothing_is_read_back_from_a_device() -> None:
    """Meta tensors have no values: what passes here would pass in a graph capture."""
    to = {"device": "meta"}
    w1 = torch.empty(4, 256, 128, dtype=torch.uint8, **to)
    w2 = torch.empty(4, 256, 64, dtype=torch.uint8, **to)
    sf1 = torch.empty(4, 2, 4, 32, 4, 4, dtype=torch.float8_e4m3fn, **to)
    sf2 = torch.empty(4, 2, 2, 32, 4, 4, dtype=torch.float8_e4m3fn, **to)
    weights = w1, sf1.permute(3, 4, 1, 5, 2, 0), w2, sf2.permute(3, 4, 1, 5, 2, 0)
    x = torch.empty(33, 256, dtype=torch.bfloat16, **to)
    ids = torch.empty(33, 2, dtype=torch.int32, **to)
    r, e = torch.empty(33, 2, **to), torch.empty(4, **to)
    for regime in REGIMES:
        how = "silu", (1.702, 1.0, None), regime, 128
        out = num.moe(x, weights, ids, r, (e, e), (e, e), *how)
        assert out.shape == x.shape and out.device.type == "meta"
