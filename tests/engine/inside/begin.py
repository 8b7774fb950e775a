# SPDX-License-Identifier: Apache-2.0
"""The engine's first steps: what it chose when it loaded, and its warm-up."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from model import Tiny
from offline import asked
from rows import Rows
from vllm.v1.worker.cpu_worker import CPUWorker
from vllm.v1.worker.gpu_worker import Worker

ROOM = 1024
"""Tokens of a batch: with two experts to a token, the dynamic kernel is reached."""


def loaded(rows: Rows, llm: Any, said: Sequence[str]) -> None:
    kernels = asked(llm, "sm12x_kernels")
    want = {
        "moe": ["FlashInferCuteDSLSM12xExperts"],
        "linear": ["FlashInferB12xNvFp4LinearKernel"],
        "attention": ["CPU_ATTN"],
    }
    names = "; ".join(f"{kind} {', '.join(each)}" for kind, each in kernels.items())
    rows.add(
        "load", "the fork's experts and b12x, CPU attention", names, kernels == want
    )
    kernel = llm.llm_engine.vllm_config.kernel_config
    flags = f"moe_backend {kernel.moe_backend}, linear_backend {kernel.linear_backend}"
    both_auto = kernel.moe_backend == kernel.linear_backend == "auto"
    rows.add("selection", "no flag", flags, both_auto)
    ours = [line for line in said if " on SM120: " in line]
    short = [line.partition(".")[0] for line in ours]
    rows.add(
        "log", "one line for each type of layer", " | ".join(short),
        sorted(short) == [
            "NVFP4 W4A4 MoE on SM120: FLASHINFER_CUTEDSL_SM12X",
            "NVFP4 W4A4 linear on SM120: FlashInferB12xNvFp4LinearKernel",
        ],
    )  # fmt: skip


def warm(rows: Rows, llm: Any, tiny: Tiny) -> None:
    found = asked(llm, "sm12x_warm_up")
    calls = asked(llm, "sm12x_calls")
    body = inspect.getsource(CPUWorker.compile_or_warm_up_model)
    usual = inspect.getsource(Worker._compile_or_warm_up_model)
    nothing = found["moe before"] == found["linear before"] == 0
    rows.not_run(
        "warm-up by the worker itself",
        nothing
        and "kernel_warmup" not in body
        and "kernel_warmup(self)" in usual,
        CPUWorker.compile_or_warm_up_model,
        "CPUWorker has one of its own without kernel_warmup; b12x_warmup is called "
        "in its place",
    )  # fmt: skip
    kernels = found["moe wanted"]
    # q, k and v are one matrix, so that there are two; tiles begin at 1, 2, 65, 129.
    rows.add(
        "warm-up", f"{kernels} MoE and 8 GEMM calls for all layers together",
        f"{found['moe']} and {found['linear']} calls by {found['providers']} providers",
        (found["moe"], found["linear"]) == (kernels, 8)
        and found["providers"] == 3 * tiny.layers,
    )  # fmt: skip
    regimes = {regime for regime, _ in calls["moe"]}
    rows.add(
        "warm-up: regimes", "micro, static and dynamic kernels",
        ", ".join(sorted(regimes)),
        {"direct_micro", "static"} < regimes
        and any(each.startswith("dynamic") for each in regimes),
    )  # fmt: skip
