# SPDX-License-Identifier: Apache-2.0
"""The source lane: the environment of a build is right for the machine."""

from __future__ import annotations

import pytest
from packaging.version import Version

from scripts.wheel.buildenv import Machine, added, kept
from tests.unit.small import Small


def test_environment_of_a_spark(small: Small) -> None:
    base = {
        "PATH": "/bin",
        "HOME": "/home/x",
        "https_proxy": "http://proxy",
        "TORCH_CUDA_ARCH_LIST": "8.0 9.0",
        "VLLM_USE_PRECOMPILED": "1",
        "VLLM_CUTLASS_SRC_DIR": "/src/cutlass",
        "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_VLLM": "9",
        "PIP_INDEX_URL": "http://x",
        "PYTHONPATH": "/x",
        "SCCACHE_BUCKET": "secret-name",
    }
    made = added(
        base,
        small.lock,
        Machine(cores=20, memory=64 << 30),
        target_device="cuda",
        nvcc=Version("12.9"),
        first="/venv/bin",
    )
    assert kept(base) | made == {
        "PATH": "/venv/bin:/bin",
        "HOME": "/home/x",
        "https_proxy": "http://proxy",
        "VLLM_CUTLASS_SRC_DIR": "/src/cutlass",
        "SCCACHE_BUCKET": "secret-name",
        "MAX_JOBS": "14",  # 7 of 9 GiB, times the 2 threads it is divided by
        "NVCC_THREADS": "2",
        "SETUPTOOLS_SCM_PRETEND_VERSION": "1.2.3+sm12x.1",
        "SOURCE_DATE_EPOCH": "1795455327",
        "TORCH_CUDA_ARCH_LIST": "12.0a;12.1a",
        "VLLM_REQUIRE_RUST_FRONTEND": "1",
        "VLLM_TARGET_DEVICE": "cuda",
        "VLLM_VERSION_OVERRIDE": "1.2.3+sm12x.1",
    }


@pytest.mark.parametrize(
    ("cores", "gib", "base", "jobs", "threads"),
    [
        (2, 20, {}, "2", "2"),  # bound by cores
        (1, 1, {}, "2", "2"),  # never none
        (64, 512, {}, "64", "2"),
        (64, 512, {"NVCC_THREADS": "1"}, "56", "1"),  # bound by memory
        (64, 512, {"MAX_JOBS": "3"}, "3", "2"),
    ],
)
def test_jobs_fit_into_cores_and_memory(
    small: Small, cores: int, gib: int, base: dict[str, str], jobs: str, threads: str
) -> None:
    made = added(
        base,
        small.lock,
        Machine(cores, gib << 30),
        target_device="cuda",
        nvcc=None,
        first="/x",
    )
    assert (made["MAX_JOBS"], made["NVCC_THREADS"]) == (jobs, threads)
