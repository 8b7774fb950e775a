# SPDX-License-Identifier: Apache-2.0
"""The double's quantisers and layouts against brute force."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from . import b12x_numerics as num
from .problem import FP4, to_mma


def nearest_even(x: float, grid: list[float]) -> float:
    """Brute force. ``grid`` is sorted by code, so the parity of an index is the tie."""
    gap = [abs(abs(x) - g) for g in grid]
    best = [i for i, d in enumerate(gap) if d == min(gap)]
    value = grid[best[0] if len(best) == 1 or best[0] % 2 == 0 else best[1]]
    return -value if x < 0 else value


E4M3 = (
    torch.arange(127, dtype=torch.uint8).view(torch.float8_e4m3fn).double().tolist()
)  # code 127 is NaN


@pytest.mark.parametrize("sign", [1, -1])
def test_e2m1_is_nearest_with_ties_to_even(sign: int) -> None:
    values = [sign * i / 64 for i in range(600)]
    got = num.round_e2m1(torch.tensor(values)).tolist()
    assert got == [nearest_even(v, FP4) for v in values]


def test_e4m3_is_nearest_with_ties_to_even_at_every_code_and_midpoint() -> None:
    points = list(E4M3)
    points += [(a + b) / 2 for a, b in itertools.pairwise(E4M3)]
    x = torch.tensor(points)
    near = torch.cat((x, x.nextafter(x + 1), x.nextafter(x - 1).clamp(min=0)))
    got = num.round_e4m3(near).tolist()
    assert got == [nearest_even(v, E4M3) for v in near.tolist()]
    assert torch.equal(num.round_e4m3(near), near.to(torch.float8_e4m3fn).float())
    assert num.round_e4m3(torch.tensor([449.0, 1e30, 0.0])).tolist() == [448, 448, 0]


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(st.floats(-3e4, 3e4, width=32), min_size=16, max_size=16),
    st.floats(2.0**-20, 1024, width=32),
)
def test_a_block_is_what_brute_force_says(values: list[float], gs: float) -> None:
    got = num.quantize(torch.tensor([values]), torch.tensor(gs), exact=True)[0]
    g, v = torch.tensor(gs), torch.tensor(values)
    scale = nearest_even(float((v.abs().max() / (6 * g)).clamp(max=448)), E4M3)
    if scale == 0:
        assert not got.any()
        return
    inverse = 1 / (torch.tensor(scale) * g)
    assert got.tolist() == [scale * nearest_even(float(x), FP4) for x in v * inverse]


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-4, 1.0, 30.0]))
def test_both_quantisers_of_the_kernels_agree_but_for_ties(
    seed: int, gs: float
) -> None:
    x = torch.randn(8, 64, generator=torch.Generator().manual_seed(seed))
    a, b = (num.quantize(x, torch.tensor(gs), exact) for exact in (True, False))
    assert (a != b).float().mean() <= 16 / a.numel()


def test_unpacking_knows_all_sixteen_codes_and_the_order_of_nibbles() -> None:
    both = torch.arange(256, dtype=torch.uint8)
    table = torch.tensor(FP4 + [-v for v in FP4])
    want = torch.stack((table[(both & 15).long()], table[(both >> 4).long()]), -1)
    assert torch.equal(num.unpack_e2m1(both[:, None])[:, :2], want)


@given(st.integers(1, 3), st.integers(1, 300), st.integers(1, 20))
def test_scales_come_back_from_the_view(e: int, rows: int, cols: int) -> None:
    codes = torch.arange(e * rows * cols) % 126
    plain = codes.to(torch.uint8).view(torch.float8_e4m3fn).float()
    plain = plain.view(e, rows, cols)
    assert torch.equal(num.scales_from_mma(to_mma(plain), rows, cols), plain)
