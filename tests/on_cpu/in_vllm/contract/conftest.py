# SPDX-License-Identifier: Apache-2.0
"""FlashInfer without a device, and its launches written down."""

import inspect
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch

from .host import Launch


@pytest.fixture(scope="module")
def flashinfer() -> Iterator[Any]:
    """FlashInfer's modules, imported with an SM120 device that is not there."""
    device = SimpleNamespace(
        major=12, minor=0, multi_processor_count=188, name="double", warp_size=32,
        total_memory=96 << 30, shared_memory_per_block_optin=101376,
    )  # fmt: skip
    with (
        mock.patch.object(torch.cuda, "get_device_properties", lambda *a, **k: device),
        mock.patch.object(torch.cuda, "get_device_capability", lambda *a, **k: (12, 0)),
        mock.patch.object(torch.cuda, "current_device", lambda: 0),
        mock.patch.dict(os.environ, {"CUTE_DSL_ARCH": "sm_120a"}),
    ):
        pytest.importorskip("flashinfer", exc_type=ImportError)
        pytest.importorskip("cutlass", exc_type=ImportError)
        from flashinfer.cute_dsl import utils
        from flashinfer.fused_moe.cute_dsl import b12x_moe
        from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import (
            moe_dispatch,
            moe_w4a16_fp4_helpers,
        )
        from flashinfer.jit import cpp_ext
        from packaging.version import Version

        with (
            mock.patch.object(cpp_ext, "get_cuda_version", lambda: Version("13.0")),
            mock.patch.object(moe_dispatch, "get_max_active_clusters", lambda n: 188),
            mock.patch.object(moe_dispatch, "get_num_sm", lambda d: 188),
        ):
            yield SimpleNamespace(
                b12x=b12x_moe, dispatch=moe_dispatch, utils=utils,
                helpers=moe_w4a16_fp4_helpers,
            )  # fmt: skip


@pytest.fixture
def launches(flashinfer: Any) -> Iterator[list[Launch]]:
    seen: list[Launch] = []

    def getter(kind: str, names: list[str]) -> Any:
        def get(*args: Any, **kw: Any) -> Any:
            build = dict(zip(names, args, strict=False)) | kw
            return lambda *a: seen.append(Launch(kind, build, a)), 1

        return get

    d = flashinfer.dispatch
    fakes = {
        f"_get_{kind}_kernel": getter(
            kind, list(inspect.signature(getattr(d, f"_get_{kind}_kernel")).parameters)
        )
        for kind in ("micro", "static", "dynamic")
    }
    name = d.__name__.removesuffix("moe_dispatch") + "triton_compact.compact_topk_ids"
    with (
        mock.patch.multiple(d, **fakes, _DIRECT_MICRO_MAX_N=0),
        mock.patch(name),  # Triton has no driver here
    ):
        yield seen
    d.clear_sm120_moe_caches()
