# SPDX-License-Identifier: Apache-2.0
"""A machine on which all is well, and how to spoil it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scripts.doctor.facts import Facts, Gpu
from scripts.series import folder
from scripts.upstream import lock as lockfile

LOCK = lockfile.load()
SERIES = {patch.name: patch.sha256 for patch in folder.load()}
DSL = "nvidia-cutlass-dsl"
WELL = Facts(
    python="3.12.3",
    executable="/venv/bin/python",
    machine="Linux aarch64",
    prefix="/venv",
    gpus=(Gpu("NVIDIA GB10", "12.1", "580.95.05", "122570 MiB"),),
    nvcc="Build cuda_13.0.r13.0/compiler.36424714_0",
    packages={
        "vllm": LOCK.local_version,
        "torch": LOCK.companions["torch"],
        "triton": "3.9.0",
        "flashinfer-python": LOCK.companions["flashinfer-python"],
        "flashinfer-jit-cache": LOCK.companions["flashinfer-python"] + "+cu130",
        DSL: LOCK.companions[DSL],
        f"{DSL}-libs-base": LOCK.companions[DSL],
        f"{DSL}-libs-cu13": LOCK.companions[DSL],
    },
    required={
        "vllm": (
            "apache-tvm-ffi==0.1.12",
            f"torch=={LOCK.companions['torch']}",
            "flashinfer-python[cu13]==0.7.2.post1",
            "colorama; sys_platform == 'win32'",
            "opencv; extra == 'video'",
            "no requirement at all",
        ),
        "flashinfer-python": (
            "apache-tvm-ffi<0.2,>=0.1.11",
            "cuda-tile>=1.4.0",
            "click",
            "nvshmem4py; extra == 'cu13'",
            f"{DSL}[cu13]>=99; extra == 'cu13'",
            "safetensors; extra == 'b12x'",
        ),
    },
    beside={
        "apache-tvm-ffi": "0.1.12",
        "cuda-tile": "1.5.0rc1",
        "click": "8.1",
        "nvshmem4py": "1",
        "torch": f"{LOCK.companions['torch']}+cu130",
    },
    markers={"sys_platform": "linux"},
    torch={
        "version": "2.14.0+cu130",
        "cuda": "13.0",
        "capability": "12.1",
        "device": "NVIDIA GB10",
    },
    vllm={"version": LOCK.local_version, "site": "/venv/lib", "patches": SERIES},
    b12x={"live": "flashinfer-python 0.7.2", "path": "/x", "problem": None},
)


def package(name: str, version: str | None) -> Callable[[Facts], Facts]:
    """Another version of a package, or none."""

    def plant(well: Facts) -> Facts:
        others = {k: v for k, v in well.packages.items() if k != name}
        return replace(well, packages=others | ({name: version} if version else {}))

    return plant


def put(field: str, **values: Any) -> Callable[[Facts], Facts]:
    """Other values in one of the mappings; None takes one away."""

    def plant(well: Facts) -> Facts:
        whole = {**getattr(well, field), **values}
        kept = {k: v for k, v in whole.items() if v is not None}
        return replace(well, **{field: kept})

    return plant
