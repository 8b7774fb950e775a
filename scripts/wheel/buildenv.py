# SPDX-License-Identifier: Apache-2.0
"""The environment that upstream's build runs in; a pure function of its inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from scripts.base.chips import CAPABILITIES
from scripts.upstream.lock import Lock

BOTH = ";".join(f"{capability}a" for capability in CAPABILITIES)
"""RTX PRO 6000 and RTX 50 (sm_120a), GB10 (sm_121a)."""

FAMILY = "12.0"
"""The same from CUDA 13 on: upstream's CMakeLists.txt takes 12.0 as 12.0f, code
for the whole family, wherever a kernel needs more than plain sm_120. From
`BOTH` it would keep 12.0a alone there, which GB10 cannot load
(`cuda_archs_loose_intersection`; tests/unit/wheel/test_source_build.py runs it)."""

JOB_BYTES = 9 << 30
"""Memory to leave for each compile job. flash-attention, which vLLM builds too,
has the heaviest templates; its setup.py counts 8 to 9 GB a job at 4 nvcc
threads and divides free memory by 9."""

THREADS = 2
"""nvcc --threads splits one file by architecture, and there are two."""

# An inherited value would change what is built; paths to local sources of
# upstream's dependencies (an offline build) do not, nor does a compiler cache.
_DROP = ("VLLM_", "SETUPTOOLS_SCM_", "PIP_")
_DROP_NAMES = {"TORCH_CUDA_ARCH_LIST", "PYTHONPATH", "PYTHONHOME"}
_DROP_NAMES |= {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "CMAKE_BUILD_TYPE"}
_KEEP = "VLLM_DISABLE_SCCACHE"


@dataclass(frozen=True)
class Machine:
    """What the build may use."""

    cores: int
    memory: int
    """Bytes."""


def machine() -> Machine:
    """This machine: allowed cores, free memory within the container's bound."""
    rows = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = {r.split(":")[0]: int(r.split()[1]) << 10 for r in rows}["MemAvailable"]
    group = Path("/sys/fs/cgroup")
    try:
        bound = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        free = min(free, bound - used)
    except (OSError, ValueError):
        pass  # no bound ("max"), or cgroups of version 1
    return Machine(len(os.sched_getaffinity(0)), free)


def architectures(nvcc: Version | None) -> str:
    """TORCH_CUDA_ARCH_LIST that covers both chips with this nvcc.

    >>> architectures(Version("12.9")), architectures(Version("13.0"))
    ('12.0a;12.1a', '12.0')
    """
    return FAMILY if nvcc and nvcc >= Version("13") else BOTH


def kept(base: Mapping[str, str]) -> dict[str, str]:
    """What of the caller's environment the build may see."""
    return {
        k: v
        for k, v in base.items()
        if k == _KEEP
        or (k.startswith("VLLM_") and k.endswith("_SRC_DIR"))
        or not (k.startswith(_DROP) or k in _DROP_NAMES)
    }


def added(
    base: Mapping[str, str],
    lock: Lock,
    on: Machine,
    *,
    target_device: str,
    nvcc: Version | None,
    first: str,
) -> dict[str, str]:
    """What is set for `pip wheel` on the patched tree.

    The compiler cache is upstream's own: setup.py takes sccache, or ccache.

    Args:
        base: The caller's environment. MAX_JOBS and NVCC_THREADS in it hold.
        lock: The pin: version and date.
        on: Cores and memory to share out.
        target_device: Upstream's VLLM_TARGET_DEVICE.
        nvcc: Version of the CUDA compiler, None if none is used.
        first: Folder to put first into PATH.
    """
    threads = int(base.get("NVCC_THREADS") or THREADS)
    fit = max(1, min(max(1, on.cores // threads), on.memory // JOB_BYTES))
    found = {
        # setup.py divides MAX_JOBS by NVCC_THREADS.
        "MAX_JOBS": base.get("MAX_JOBS") or str(fit * threads),
        "NVCC_THREADS": str(threads),
        "PATH": f"{first}:{base.get('PATH', '')}",
        "SETUPTOOLS_SCM_PRETEND_VERSION": lock.local_version,
        "SOURCE_DATE_EPOCH": str(lock.epoch),
        "TORCH_CUDA_ARCH_LIST": architectures(nvcc),
        "VLLM_TARGET_DEVICE": target_device,
        "VLLM_VERSION_OVERRIDE": lock.local_version,
    }
    # Upstream's wheel has its Rust front end; setup.py would leave it out and say
    # nothing.
    if target_device == "cuda":
        found["VLLM_REQUIRE_RUST_FRONTEND"] = "1"
    return found
