# SPDX-License-Identifier: Apache-2.0
"""The series' own GPU tests by pytest, in the patched tree, with the real kernels.

What they use besides is vLLM's compiled quantisation of activations and FlashInfer's
CUTLASS GEMM, which are built for other GPUs: both are doubled in PyTorch, from vLLM's
own emulation. Passed and skipped are told apart.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

COLUMNS = ("file", "capability", "passed", "failed", "skipped", "first failure")
FILES = {
    "tests/kernels/moe/test_cutedsl_sm12x_moe.py": "",
    "tests/kernels/quantization/test_flashinfer_nvfp4_scaled_mm.py": "b12x",
}


class Outcomes:
    """A plugin that counts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
            if report.failed and not self.first:
                said = getattr(report.longrepr, "reprcrash", report.longrepr)
                self.first = f"{report.nodeid}: {getattr(said, 'message', said)}"[:600]

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed or report.skipped:
            self.counts[report.outcome] += 1
            self.first = self.first or str(report.longrepr)[:600]


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row for each file."""
    import pytest
    import vllm

    tree = Path(str(vllm.__file__)).parents[1]
    before = Path.cwd()
    os.chdir(tree)
    if str(tree) not in sys.path:
        sys.path.insert(0, str(tree))
    _double_what_is_compiled()
    stage.recorder.tactics = stage.recording
    try:
        with _cuda_is_cpu() if stage.recording else contextlib.nullcontext():
            for file, words in FILES.items():
                stage.recorder.fresh()
                seen = Outcomes()
                asked = [file, "-q", "-p", "no:cacheprovider", "--no-header"]
                asked += ["-k", words] if words else []
                pytest.main(asked, plugins=[seen])
                c = seen.counts
                capability = ".".join(map(str, stage.capability))
                counts = c["passed"], c["failed"], c["skipped"]
                yield [file, capability, *counts, seen.first]
    finally:
        stage.recorder.tactics = False
        os.chdir(before)


def _double_what_is_compiled() -> None:
    import flashinfer
    import vllm._custom_ops as ops
    from vllm.model_executor.layers.quantization.utils import nvfp4_emulation_utils
    from vllm.model_executor.layers.quantization.utils.nvfp4_utils import (
        swizzle_blockscale,
    )

    def quantise(
        input: torch.Tensor,
        input_global_scale: torch.Tensor,
        is_sf_swizzled_layout: bool = True,
        backend: str = "none",
        padded_n: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = input.reshape(-1, input.shape[-1])
        if padded_n is not None:
            x = torch.nn.functional.pad(x, (0, padded_n - x.shape[1]))
        values, scale = nvfp4_emulation_utils.ref_nvfp4_quant(
            x, input_global_scale.float(), 16
        )
        scale = scale.to(torch.float8_e4m3fn)
        codes = _codes(values)
        packed = codes[:, 0::2] | codes[:, 1::2] << 4
        return packed, swizzle_blockscale(scale) if is_sf_swizzled_layout else scale

    ops.scaled_fp4_quant = quantise
    real = flashinfer.mm_fp4

    def mm_fp4(
        a: torch.Tensor,
        b: torch.Tensor,
        a_descale: torch.Tensor,
        b_descale: torch.Tensor,
        alpha: torch.Tensor | None = None,
        out_dtype: torch.dtype = torch.bfloat16,
        out: torch.Tensor | None = None,
        *args: Any,
        backend: str = "auto",
        **kwargs: Any,
    ) -> torch.Tensor:
        if backend != "cutlass":
            return real(
                a, b, a_descale, b_descale, alpha, out_dtype, out, *args,
                backend=backend, **kwargs,
            )  # fmt: skip
        sides = [_plain(a, a_descale), _plain(b.T, b_descale.T)]
        made = (sides[0] @ sides[1].T * (1.0 if alpha is None else alpha)).to(out_dtype)
        return made if out is None else out.copy_(made)

    flashinfer.mm_fp4 = mm_fp4


def _codes(values: torch.Tensor) -> torch.Tensor:
    """Codes of E2M1 values."""
    mag = values.abs()
    code = torch.where(mag < 2, mag * 2, torch.where(mag < 4, mag + 2, mag / 2 + 4))
    return code.to(torch.uint8) | (torch.signbit(values).to(torch.uint8) << 3)


def _plain(packed: torch.Tensor, swizzled: torch.Tensor) -> torch.Tensor:
    """An operand in FP32, its block scales out of the layout of 128 by 4."""
    from contract import b12x_numerics as num

    packed = packed.view(torch.uint8)
    rows, columns = packed.shape[0], packed.shape[1] * 2
    across = -(-(columns // 16) // 4)
    tiles = swizzled.contiguous().view(torch.float8_e4m3fn).flatten()
    tiles = tiles.view(-1, across, 32, 4, 4).permute(0, 3, 2, 1, 4)
    scale = tiles.reshape(-1, across * 4)[:rows, : columns // 16].float()
    return num.weight(packed, scale)


@contextlib.contextmanager
def _cuda_is_cpu() -> Iterator[None]:
    """While recording: "cuda" is the CPU, a graph is nothing, comparisons hold."""
    import sys
    from types import SimpleNamespace
    from unittest import mock

    sys.path.insert(0, str(Path(__file__).parents[1] / "sm12x"))
    from cuda_is_cpu import CudaIsCpu

    nothing = SimpleNamespace(replay=lambda: None)
    with (
        CudaIsCpu(),
        mock.patch.multiple(
            torch.cuda,
            CUDAGraph=lambda *_: nothing,
            graph=lambda *_, **__: contextlib.nullcontext(),
            synchronize=lambda *_: None,
        ),
        mock.patch.object(torch.accelerator, "synchronize", lambda *_: None),
        mock.patch.object(torch.testing, "assert_close", lambda *_, **__: None),
        mock.patch.object(torch, "equal", lambda *_: True),
    ):
        yield
