# SPDX-License-Identifier: Apache-2.0
"""The environment that upstream's build runs in; a pure function of its inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from scripts.lock import Lock

BOTH = "12.0a;12.1a"
"""RTX PRO 6000 and RTX 50 (sm_120a), GB10 (sm_121a)."""

FAMILY = "12.0"
"""The same from CUDA 13 on: upstream's CMakeLists.txt takes 12.0 as 12.0f, code
for the whole family, wherever a kernel needs more than plain sm_120. From
`BOTH` it would keep 12.0a alone there, which GB10 cannot load
(`cuda_archs_loose_intersection`; tests/scripts/test_source_build.py runs it)."""

JOB_BYTES = 9 << 30
"""Memory to leave for each compile job. flash-attention, which vLLM builds too,
has the heaviest templates; its setup.py counts 8 to 9 GB a job at 4 nvcc
threads and divides free memory by 9."""

THREADS = 2
"""nvcc --threads splits one file by architecture, and there are two."""

# An inherited value would change what is built; paths to local sources of
# upstream's dependencies (an offline build) do not.
_DROP = ("VLLM_", "SETUPTOOLS_SCM_", "PIP_")
_DROP_NAMES = {"TORCH_CUDA_ARCH_LIST", "PYTHONPATH", "PYTHONHOME"}
_DROP_NAMES |= {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "CMAKE_BUILD_TYPE"}
_KEEP = "VLLM_DISABLE_SCCACHE"

# What tells where sccache keeps results, or who compiles.
_REMOTE = {
    "SCCACHE_DIST_": "distributed compilation",
    "SCCACHE_BUCKET": "S3",
    "SCCACHE_REDIS": "Redis",
    "SCCACHE_MEMCACHED": "memcached",
    "SCCACHE_GCS_": "Google Cloud Storage",
    "SCCACHE_AZURE_": "Azure",
    "SCCACHE_GHA_": "GitHub Actions",
    "SCCACHE_WEBDAV_": "WebDAV",
    "SCCACHE_OSS_": "OSS",
    "SCCACHE_DIR": "a local folder",
    "SCCACHE_CONF": "a configuration file",
}


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


@dataclass(frozen=True)
class Environment:
    """How the build runs, and why."""

    variables: Mapping[str, str]
    added: Mapping[str, str]
    """Those that are not the caller's own."""
    words: tuple[str, ...]
    """For people: parallelism, compiler cache."""


def launcher_of(base: Mapping[str, str], found: Mapping[str, str | None]) -> str | None:
    """The compiler cache to use: sccache before ccache, as setup.py does.

    Args:
        base: The caller's environment.
        found: Path of `sccache` and of `ccache`, None if it is not there.
    """
    if found.get("sccache") and base.get(_KEEP, "0") == "0":
        return "sccache"
    return "ccache" if found.get("ccache") else None


def architectures(nvcc: Version | None) -> str:
    """TORCH_CUDA_ARCH_LIST that covers both chips with this nvcc.

    >>> architectures(Version("12.9")), architectures(Version("13.0"))
    ('12.0a;12.1a', '12.0')
    """
    return FAMILY if nvcc and nvcc >= Version("13") else BOTH


def compose(
    base: Mapping[str, str],
    lock: Lock,
    on: Machine,
    *,
    launcher: str | None,
    target_device: str,
    nvcc: Version | None = None,
    path: str | None = None,
) -> Environment:
    """The environment for `pip wheel` on the patched tree.

    Args:
        base: The caller's environment. MAX_JOBS and NVCC_THREADS in it hold;
            variables of compiler caches, proxies and the like are passed on.
        lock: The pin: version and date.
        on: Cores and memory to share out.
        launcher: Compiler cache, as `launcher_of` says.
        target_device: Upstream's VLLM_TARGET_DEVICE.
        nvcc: Version of the CUDA compiler, None if none is used.
        path: Folder to put first into PATH.
    """
    own = {
        k: v
        for k, v in base.items()
        if k == _KEEP
        or (k.startswith("VLLM_") and k.endswith("_SRC_DIR"))
        or not (k.startswith(_DROP) or k in _DROP_NAMES)
    }
    threads = int(base.get("NVCC_THREADS") or THREADS)
    fit = max(1, min(max(1, on.cores // threads), on.memory // JOB_BYTES))
    # setup.py divides MAX_JOBS by NVCC_THREADS.
    jobs = base.get("MAX_JOBS") or str(fit * threads)
    added = {
        "MAX_JOBS": jobs,
        "NVCC_THREADS": str(threads),
        "SETUPTOOLS_SCM_PRETEND_VERSION": lock.local_version,
        "SOURCE_DATE_EPOCH": str(lock.epoch),
        "TORCH_CUDA_ARCH_LIST": architectures(nvcc),
        "VLLM_TARGET_DEVICE": target_device,
        "VLLM_VERSION_OVERRIDE": lock.local_version,
    }
    if target_device == "cuda":
        added["VLLM_REQUIRE_RUST_FRONTEND"] = "1"
    if path:
        added["PATH"] = f"{path}:{base.get('PATH', '')}"
    if launcher:
        for language in ("C", "CXX", "CUDA"):
            added[f"CMAKE_{language}_COMPILER_LAUNCHER"] = launcher
    if launcher == "sccache":
        added["RUSTC_WRAPPER"] = launcher
    words = (
        f"{fit} compile jobs of {threads} nvcc threads: {on.cores} cores, "
        f"{on.memory >> 30} GiB free, {JOB_BYTES >> 30} GiB a job"
        if "MAX_JOBS" not in base
        else f"MAX_JOBS={jobs} from the environment",
        _cache_words(base, launcher),
    )
    return Environment({**own, **added}, added, words)


def _cache_words(base: Mapping[str, str], launcher: str | None) -> str:
    if launcher != "sccache":
        return f"compiler cache: {launcher or 'none; sccache or ccache would help'}"
    # Names only: values may be credentials.
    seen = sorted(
        f"{what} ({k})"
        for k in base
        for prefix, what in _REMOTE.items()
        if k.startswith(prefix)
    )
    return f"compiler cache: sccache, {', '.join(seen) or 'its default folder'}"
