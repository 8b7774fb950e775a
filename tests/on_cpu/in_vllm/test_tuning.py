# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's autotuner and the GEMM that is split by M: what is tuned, and warned of.

The autotuner is the real one, with ``mm_fp4``'s own tuning configuration; only the two
GEMMs and their times are made up, as there is no GPU to run or time them on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flashinfer
import pytest
import torch
from flashinfer.autotuner import AutoTuner, TunableRunner
from flashinfer.gemm import gemm_base

MOST_TOKENS = 2048
CAPTURED = (1, 2, 4, *range(8, 513, 8), MOST_TOKENS)
# Output and input size of a layer's linear layers.
SHAPES = ((256, 128), (128, 256), (384, 128))


class Gemm(TunableRunner):
    def get_valid_tactics(self, inputs: Any, profile: Any) -> list[int]:
        return [0, 1]

    def forward(
        self, inputs: Any, tactic: int = -1, do_preparation: bool = False, **_: Any
    ) -> Any:
        return inputs[6]


class B12x(Gemm):
    pass


class Cutlass(Gemm):
    pass


@pytest.fixture
def warnings(worker: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The autotuner's warnings, with nothing tuned yet."""
    import vllm.utils.flashinfer as fi

    runners = {"b12x": B12x(), "cutlass": Cutlass()}

    def mm_fp4(
        a: torch.Tensor,
        b: torch.Tensor,
        a_descale: torch.Tensor,
        b_descale: torch.Tensor,
        alpha: torch.Tensor,
        dtype: torch.dtype,
        *,
        block_size: int,
        use_8x4_sf_layout: bool,
        use_nvfp4: bool,
        backend: str,
    ) -> torch.Tensor:
        out = torch.empty(a.shape[0], b.shape[1], dtype=dtype)
        operands = [a, b, a_descale, b_descale, alpha, dtype, out, block_size]
        runner, tactic = AutoTuner.get().choose_one(
            "fp4_gemm",
            [runners[backend]],
            gemm_base._MM_FP4_TUNING_CONFIG_128x4,
            [*operands, use_nvfp4, torch.empty(1024, dtype=torch.uint8)],
        )
        runner(inputs=[*operands], tactic=tactic)
        return out

    said: list[str] = []
    module = __import__("flashinfer.autotuner.autotuner", fromlist=["logger"])
    monkeypatch.setattr(module.logger, "warning", lambda text, *_: said.append(text))
    monkeypatch.setattr(AutoTuner, "_profile_single_kernel", lambda *_, **__: 1.0)
    monkeypatch.setattr(flashinfer, "mm_fp4", mm_fp4)
    op = fi.flashinfer_mm_fp4
    op.register_kernel("cpu")(op._init_fn)
    AutoTuner.get().clear_cache()
    yield said
    AutoTuner.get().clear_cache()


def gemm(tokens: int, n: int, k: int) -> None:
    import vllm.utils.flashinfer as fi

    rows = -(-tokens // 128) * 128
    fi.flashinfer_scaled_fp4_mm(
        torch.zeros(tokens, k // 2, dtype=torch.uint8),
        torch.zeros(n, k // 2, dtype=torch.uint8),
        torch.zeros(rows, k // 16, dtype=torch.uint8),
        torch.zeros(n, k // 16, dtype=torch.uint8),
        None,
        torch.bfloat16,
        "b12x_or_cutlass",
    )


def start() -> None:
    """As kernel_warmup tunes, then as sizes are captured."""
    import vllm.utils.flashinfer as fi

    buckets = fi.flashinfer_get_hybrid_num_tokens_buckets(MOST_TOKENS)
    with (
        fi.autotune(tune_mode=True),
        fi.autotune(tuning_buckets=buckets, round_up=True),
    ):
        for shape in SHAPES:
            gemm(MOST_TOKENS, *shape)
    for tokens in CAPTURED:
        for shape in SHAPES:
            gemm(tokens, *shape)


@torch.inference_mode()
def test_every_size_is_tuned(warnings: list[str], table: Callable[[str], None]) -> None:
    start()
    table(f"Warnings of untuned GEMMs at a start: {len(warnings)}")
    assert warnings == []


@torch.inference_mode()
def test_without_tuning_b12x_each_size_warns(
    warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the test above can fail."""
    monkeypatch.setattr("vllm.utils.flashinfer.is_flashinfer_autotuning", lambda: False)
    start()
    assert len(warnings) > 5 * len(SHAPES)
    assert all("No tuned config covers fp4_gemm" in text for text in warnings)
