# SPDX-License-Identifier: Apache-2.0
"""The error of each choice of scales, at every kernel of the double."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from . import b12x_numerics as num
from .problem import REGIMES, SIGMAS, Problem


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_scales_themselves_are_right_at_every_weight_sigma(sigma: float) -> None:
    p = Problem.make(sigma=sigma, tokens=64)
    assert p.error(p.calibrated()) < 0.17
    assert p.error(p.calibrated(per_expert=True)) < 0.17


@pytest.mark.parametrize(
    ("sigma", "low", "high"),
    [(0.05, 0.14, 0.2), (0.02, 0.18, 0.3), (0.01, 0.3, 0.45), (0.005, 0.6, 0.8)],
)
def test_the_bake_of_upstream_loses_small_weights(
    sigma: float, low: float, high: float
) -> None:
    p = Problem.make(sigma=sigma, tokens=64)
    assert low < p.error(p.baked()) < high


def test_without_calibration_a_scale_of_one_loses_the_intermediate() -> None:
    p = Problem.make(sigma=0.003, tokens=64)
    assert p.error(p.separate()) > 0.5  # all its block scales are subnormal or zero
    safe = p.separate(a2=2.0**-14)
    assert p.error(safe) < 0.17


@settings(max_examples=25, deadline=None)
@given(
    e=st.integers(1, 6),
    h=st.sampled_from([128, 256, 384]),
    i=st.sampled_from([64, 128, 192, 256, 320]),
    k=st.integers(1, 4),
    tokens=st.integers(1, 40),
    sigma=st.sampled_from(SIGMAS),
    activation=st.sampled_from(num.ACTIVATIONS),
    seed=st.integers(0, 99),
)
def test_calibrated_scales_hold_for_every_shape(
    e: int, k: int, tokens: int, **how: Any
) -> None:
    p = Problem.make(e=e, k=min(e, k), tokens=tokens, **how)
    # relu2 squares the error of FC1, and SwiGLU-OAI's output is near zero
    limit = 0.27 if p.activation in ("relu2", "swigluoai_uninterleave") else 0.2
    if tokens < 16:
        # The median is the same, 0.16, and one token's output scatters: 0.26 was the
        # largest of 1500 samples, 0.183 with 16 tokens or more.
        limit *= 1.5
    assert p.error(p.calibrated()) < limit


@pytest.mark.parametrize("regime", REGIMES)
def test_every_kernel_gives_the_same_within_its_rounding(regime: str) -> None:
    tokens, h, i, direct = REGIMES[regime]
    p = Problem.make(tokens=tokens, h=h, i=i, sigma=0.005)
    wrapper = p.wrapper(use_cuda_graph=True, max_num_tokens=4096)
    wrapper.direct_micro_launches = direct
    assert wrapper.regime(tokens) == regime
    out = wrapper.run(**p.arguments() | p.calibrated()).float()
    want = p.reference()
    assert (out - want).norm() / want.norm() < 0.2
    assert wrapper.calls[-1].regime == regime


def test_direct_micro_and_micro_part_where_quotients_are_ties() -> None:
    """A layer split over ranks may take the one, and whole the other."""
    apart = []
    for seed in range(12):
        p = Problem.make(tokens=(1, 8)[seed % 2], h=1024, i=256, seed=seed)
        outs = []
        for direct in (True, False):
            wrapper = p.wrapper(use_cuda_graph=True, max_num_tokens=64)
            wrapper.direct_micro_launches = direct
            outs.append(wrapper.run(**p.arguments() | p.calibrated()).float().clone())
            assert wrapper.calls[-1].regime == ("direct_micro" if direct else "micro")
        apart.append(float((outs[0] - outs[1]).norm() / outs[1].norm()))
    # Sums in another order alone are 0.004 apart; scripts/hopper/judge.py allows 0.1.
    assert min(apart) < 0.01 < 0.03 < max(apart) < 0.1
