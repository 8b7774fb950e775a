# SPDX-License-Identifier: Apache-2.0
"""Signatures, workspaces and layouts against FlashInfer itself."""

import inspect
import itertools
import typing
from typing import Any

import pytest
import torch

from . import b12x_double as double
from . import b12x_numerics as num
from .problem import to_mma


@pytest.mark.parametrize("name", ["__init__", "run"])
def test_the_signature_is_flashinfers(flashinfer: Any, name: str) -> None:
    ours = getattr(double.B12xMoEWrapperDouble, name)
    real = inspect.unwrap(getattr(flashinfer.b12x.B12xMoEWrapper, name))
    a, b = (inspect.signature(f).parameters for f in (ours, real))
    assert list(a) == list(b)
    assert [p.kind for p in a.values()] == [p.kind for p in b.values()]
    assert [p.default for p in a.values()] == [p.default for p in b.values()]
    hints = typing.get_type_hints
    assert hints(inspect.unwrap(ours)) | {"return": 0} == hints(real) | {"return": 0}


def test_the_allocators_signature_is_flashinfers(flashinfer: Any) -> None:
    real = inspect.signature(flashinfer.dispatch.allocate_sm120_moe_workspace)
    ours = inspect.signature(double.allocate_workspace)
    assert set(ours.parameters) == set(real.parameters)


@pytest.mark.parametrize(
    "shape", [(4, 256, 128, 2), (8, 384, 320, 4), (16, 512, 768, 8)]
)
@pytest.mark.parametrize("rows", [1, 100, 1024, 1025, 5000])
def test_the_workspaces_are_flashinfers(flashinfer: Any, shape: Any, rows: int) -> None:
    e, k, n, top = shape
    for backend, act in itertools.product(("static", "dynamic"), ("silu", "relu2")):
        if backend == "static" and rows > 1024:
            continue
        kw = {"state_E": e, "weight_E": e, "k": k, "n": n, "num_topk": top}
        kw |= {"device": torch.device("cpu"), "routed_rows": rows}
        kw |= {"backend": backend, "activation": act}
        real = flashinfer.dispatch.allocate_sm120_moe_workspace(**kw)
        ours = double.allocate_workspace(**kw)
        for name, value in vars(ours).items():
            if hasattr(real, name):
                assert getattr(real, name) == value, name


@pytest.mark.parametrize("activation", ["silu", "relu2"])
@pytest.mark.parametrize("n", [64, 128, 192, 256, 320, 384, 512, 768, 1856])
def test_the_cutover_is_flashinfers(flashinfer: Any, n: int, activation: str) -> None:
    for experts, top_k in itertools.product((4, 128, 256, 512), (1, 8)):
        key = {"num_experts": experts, "intermediate_size": n, "num_topk": top_k}
        real = flashinfer.dispatch._get_static_compact_cutover_pairs(
            quant_mode="nvfp4", hidden_size=2048, activation=activation, **key
        )
        assert double.cutover(experts, n, top_k, activation) == real


def test_layouts_are_flashinfers(flashinfer: Any) -> None:
    plain = torch.rand(3, 256, 16).to(torch.float8_e4m3fn)
    swizzled = torch.stack([flashinfer.helpers.swizzle_block_scale(s) for s in plain])
    view = flashinfer.utils.convert_sf_to_mma_layout(
        swizzled.reshape(3 * 256, 16), m=256, k=256, num_groups=3
    )
    assert torch.equal(view.float(), to_mma(plain.float()).float())
    assert view.stride() == to_mma(plain.float()).stride()
    assert torch.equal(num.scales_from_mma(view, 256, 16), plain.float())
    back = flashinfer.utils.convert_sf_from_mma_layout(view, m=256, k=256, num_groups=3)
    assert back.data_ptr() == swizzled.data_ptr()  # an alias: no copy of the scales
