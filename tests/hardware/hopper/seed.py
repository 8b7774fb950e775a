# SPDX-License-Identifier: Apache-2.0
"""The series' own GPU tests by pytest, in the patched tree, with the real kernels.

What they use besides is vLLM's compiled quantisation of activations and FlashInfer's
CUTLASS GEMM, which are built for other GPUs: both are the doubles of the engine's
tests. Passed and skipped are told apart.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hopper_cases
import torch

COLUMNS = hopper_cases.COLUMNS["seed"]


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
            for file, words in hopper_cases.TESTS.items():
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
    import linear_double
    import vllm._custom_ops as ops

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
        packed, scale = linear_double.quantise(x, input_global_scale)
        if is_sf_swizzled_layout:
            swizzled = linear_double.swizzle(scale.view(torch.uint8))
            scale = swizzled.view(torch.float8_e4m3fn)
        return packed, scale

    ops.scaled_fp4_quant = quantise
    real = flashinfer.mm_fp4

    def mm_fp4(*args: Any, backend: str = "auto", **kwargs: Any) -> torch.Tensor:
        chosen = linear_double.mm_fp4 if backend == "cutlass" else real
        made: torch.Tensor = chosen(*args, backend=backend, **kwargs)
        return made

    flashinfer.mm_fp4 = mm_fp4


@contextlib.contextmanager
def _cuda_is_cpu() -> Iterator[None]:
    """While recording: "cuda" is the CPU, a graph is nothing, comparisons hold.

    Nor does a test give back what the stage made for all.
    """
    from types import SimpleNamespace
    from unittest import mock

    from vllm.platforms import current_platform
    from vllm.v1.worker import workspace

    sys.path.insert(0, str(Path(__file__).parents[1] / "sm12x"))
    from cuda_is_cpu import CudaIsCpu
    from tests.kernels.moe.flashinfer_cutedsl_sm12x_utils import Checkpoint

    nothing = SimpleNamespace(replay=lambda: None)
    with (
        CudaIsCpu(),
        mock.patch.multiple(
            torch.cuda,
            CUDAGraph=lambda *_: nothing,
            graph=lambda *_, **__: contextlib.nullcontext(),
            synchronize=lambda *_: None,
        ),
        mock.patch.multiple(
            torch.accelerator,
            synchronize=lambda *_: None,
            empty_host_cache=lambda: None,
        ),
        mock.patch.object(current_platform, "manual_seed_all", lambda _: None),
        mock.patch.object(workspace, "reset_workspace_manager", lambda: None),
        mock.patch.object(Checkpoint, "error", lambda *_: 0.0),
        mock.patch.object(torch.testing, "assert_close", lambda *_, **__: None),
        mock.patch.object(torch, "equal", lambda *_: True),
    ):
        yield
