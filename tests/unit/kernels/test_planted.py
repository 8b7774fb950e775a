# SPDX-License-Identifier: Apache-2.0
"""A fault planted in vLLM, FlashInfer or the compiler is found, each by its kind.

A mismatched cutlass-dsl is in test_inputs.py, since it is found before any sweep.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.kernels.problems import Kind
from tests.unit.kernels.conftest import ONE, SMALL, STATIC, Sweeper, Swept

pytestmark = [pytest.mark.upstream, pytest.mark.slow]


def only(swept: Swept, kind: Kind) -> str:
    """The text of the only problem, which is of that kind."""
    (problem,) = swept.report.problems
    assert problem.kind is kind, problem
    return str(problem)


STAGES = """
from flashinfer.fused_moe.cute_dsl.blackwell_sm12x.moe_static_kernel import (
    MoEStaticKernel as Kernel,
)
setup = Kernel._setup_attributes
def more(self, hidden_size):
    setup(self, hidden_size)
    self.ab_stage += 1
    (
        self.a_smem_layout_staged,
        self.b_smem_layout_staged,
        self.sfa_smem_layout_staged,
        self.sfb_smem_layout_staged,
        self.epi_smem_layout_staged,
    ) = self._make_staged_layouts(self.ab_stage)
Kernel._setup_attributes = more
"""


def test_a_stage_count_that_overflows_shared_memory(sweeper: Sweeper) -> None:
    text = only(sweeper(STATIC, ONE, after=STAGES), Kind.SHARED)
    assert "sm_121a/one TP1 static" in text and "101,376 is all" in text


BLOCK_SCALES = """
import cutlass
from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch
moe_dispatch._sf_params_for_quant_mode = lambda mode: (16, cutlass.Float8E8M0FNU)
"""


def test_block_scales_of_a_wrong_type(sweeper: Sweeper) -> None:
    text = only(sweeper(STATIC, ONE, after=BLOCK_SCALES), Kind.NOT_COMPILED)
    assert "sm_121a/one TP1 static" in text and "error after" in text


EXPERT_SCALES = """
from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch
moe_dispatch._expand_to_experts = lambda t, experts: t.bfloat16()
"""


def test_expert_scales_of_a_wrong_type(sweeper: Sweeper) -> None:
    """As if FlashInfer did not cast, and the series passed another type."""
    problems = sweeper(STATIC, ONE, after=EXPERT_SCALES).report.problems
    assert [p.kind for p in problems] == [Kind.CONTRACT] * 2
    for problem, name in zip(
        problems, ("input_global_scale", "global_scale"), strict=True
    ):
        assert problem.text == f"{name}: compiled for float32, called with bfloat16"


DIRECT = replace(SMALL, hidden=2048, intermediate=512, max_tokens=(8,))
"""Few tokens of it go to the direct micro kernel."""
ONLY_DIRECT = """
chosen = kernel_sweep.Sweep.chosen
def direct(self):
    return [job for job in chosen(self) if job.kind == "direct micro"]
kernel_sweep.Sweep.chosen = direct
"""
ROUTING = """
from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_direct_micro_kernel
kernel = moe_direct_micro_kernel.MoEDirectMicroKernel
launch = kernel.launch
def other(compiled, **given):
    given["topk_weights"] = given["topk_weights"].bfloat16()
    launch(compiled, **given)
kernel.launch = staticmethod(other)
"""


def test_routing_weights_of_a_wrong_type(sweeper: Sweeper) -> None:
    """The direct micro kernel is compiled without TVM-FFI and would not say it."""
    problems = sweeper(DIRECT, ONE, before=ONLY_DIRECT, after=ROUTING).report.problems
    assert {p.kind for p in problems} == {Kind.CONTRACT}
    assert {p.text for p in problems} == {
        "argument 11: a pointer to Float32, given a tensor of bfloat16"
    }


ARCHITECTURE = """
import os
update = os.environ.update
os.environ.update = lambda *a, **k: update(*a, **k | {"CUTE_DSL_ARCH": "sm_120a"})
"""


def test_a_wrong_architecture(sweeper: Sweeper) -> None:
    text = only(sweeper(STATIC, ONE, before=ARCHITECTURE), Kind.ARCHITECTURE)
    assert "asked for sm_121a, compiled for sm_120a" in text


def test_a_helper_that_went(sweeper: Sweeper) -> None:
    module = "flashinfer.fused_moe.cute_dsl.blackwell_sm12x.moe_dispatch"
    name = "select_sm120_moe_backend"
    went = f"import {module} as module\ndel module.{name}"
    text = only(sweeper(STATIC, ONE, after=went), Kind.GONE)
    assert text.endswith(f"FlashInfer has no {module}.{name}")


LATE = """
import kernel_calls
kernel_calls.Experts.warmup = lambda self: [1]
kernel_sweep.Sweep.chosen = lambda self: []
"""


def test_a_kernel_that_the_warm_up_forgets(sweeper: Sweeper) -> None:
    problems = sweeper(SMALL, ONE, before=LATE).report.problems
    assert {p.kind for p in problems} == {Kind.COLD}
    assert {p.where for p in problems} == {"sm_121a/small TP1"}
    late = "\n".join(p.text for p in problems)
    assert "small TP1 micro 64x128 M=5" in late
    assert "1 dynamic to compile late: small TP1 dynamic 64x128" in late
    assert "small TP1 micro 64x128 M=1" not in late


OUTCOMES = """
import os, time
def fail(job, real, arch, part):
    if job.kind == "static":
        os.abort()
    if job.kind == "dynamic":
        time.sleep(60)
    if job.detail.get("single_token"):
        raise ValueError("planted")
    hog = bytearray(os.urandom(1)) * (1 << 30)
    time.sleep(60)
kernel_fork._cute = kernel_fork._triton = fail
"""


def test_each_way_to_fail_is_a_finding_and_not_the_end(sweeper: Sweeper) -> None:
    swept = sweeper(SMALL, ONE, before=OUTCOMES, seconds=3, bytes=1 << 28)
    told = {p.where: p.text for p in swept.report.problems}
    assert {p.kind for p in swept.report.problems} == {Kind.NOT_COMPILED}
    ways = {
        "sm_121a/small TP1 static 32x128": "crash",
        "sm_121a/small TP1 dynamic 64x128": "timeout",
        "sm_121a/small TP1 micro 64x128 M=1": "error",
        "sm_121a/small TP1 micro 64x128 M=5": "memory",
    }
    for where, way in ways.items():
        (place,) = (one for one in told if one.startswith(where))
        assert told.pop(place).startswith(f"{way} after"), told
    assert told and all("triton helper" in where for where in told)
    assert swept.report.kernels == {}
    assert not list((swept.inputs.folder / "reached").glob("*")), "kept a failure"
