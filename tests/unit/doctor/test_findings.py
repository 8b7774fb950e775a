# SPDX-License-Identifier: Apache-2.0
"""Each fault planted by itself is found, with a fix, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scripts.doctor.facts import Facts, Gpu
from scripts.doctor.findings import remarks
from scripts.doctor.remark import Level
from tests.unit.doctor.machines import DSL, LOCK, SERIES, WELL, package, put

FAULT, NOTE = Level.FAULT, Level.NOTE
PLANTED = {
    "old driver": (
        lambda w: replace(w, gpus=(replace(w.gpus[0], driver="570.86.10"),)),
        *(FAULT, "driver 570.86.10 is older", "install driver 580"),
    ),
    "another GPU": (
        lambda w: replace(put("torch", capability="9.0")(w), gpus=()),
        *(NOTE, "capability 9.0 is not SM12x", "CAPABILITY=12.1"),
    ),
    "a GPU of another kind first": (
        lambda w: replace(
            put("torch", capability="9.0", capabilities=["9.0", "12.1"])(w),
            gpus=(
                Gpu("NVIDIA H100", "9.0", "580.95.05", "80 GiB", "0"),
                replace(w.gpus[0], number="3"),
            ),
        ),
        *(NOTE, "vLLM's first is of 9.0", "CUDA_VISIBLE_DEVICES=3 in front"),
    ),
    "a GPU of another kind, and no numbers": (
        put("torch", capabilities=["12.1", "9.0"]),
        *(NOTE, "beside SM12x", "CUDA_VISIBLE_DEVICES=N in front"),
    ),
    "a newer GPU": (
        lambda w: replace(put("torch", capability="13.0")(w), gpus=()),
        *(NOTE, "capability 13.0 is not SM12x", "CAPABILITY=12.1"),
    ),
    "a minor that nobody knows": (
        lambda w: replace(put("torch", capability="12.7")(w), gpus=()),
        *(NOTE, "capability 12.7 is of SM12x's family", "AUTO_SELECT=none"),
    ),
    "a lost GPU": (
        lambda w: replace(w, trouble=("nvidia-smi: GPU 0000:01:00.0: GPU is lost",)),
        *(FAULT, "GPU is lost", "nvidia-smi -q"),
    ),
    "another NVML": (
        lambda w: replace(
            w,
            trouble=(
                "nvidia-smi: Failed to initialize NVML: Driver/library version "
                "mismatch",
            ),
        ),
        *(FAULT, "version mismatch", "sudo reboot"),
    ),
    "no torch": (
        lambda w: replace(
            put("beside", torch=None)(w), torch={"error": "ImportError: libcudart"}
        ),
        *(FAULT, "libcudart", "pip install torch=="),
    ),
    "CPU torch": (
        lambda w: replace(
            put("beside", torch="2.13.0+cpu")(w),
            gpus=(),
            torch={"version": "2.13.0+cpu", "cuda": None},
        ),
        *(FAULT, "has no CUDA", "pip uninstall -y torch && /venv/bin/python -m pip"),
    ),
    "CUDA 12": (
        put("torch", cuda="12.8"),
        *(FAULT, "built for CUDA 12.8", "pip uninstall -y torch &&"),
    ),
    "hidden GPU": (
        put("torch", device=None, capability=None),
        *(FAULT, "PyTorch cannot use", "CUDA_VISIBLE_DEVICES"),
    ),
    "old nvcc": (
        lambda w: replace(w, nvcc="Build cuda_12.8.r12.8/compiler.35583870_0"),
        *(FAULT, "nvcc is of CUDA 12.8", "off PATH"),
    ),
    "no triton": (package("triton", None), FAULT, "triton", "pip install torch=="),
    "other vLLM": (
        put("vllm", version="0.32.0"),
        *(FAULT, "vLLM 0.32.0 is not the pinned", "make install VENV=/venv"),
    ),
    "no series": (
        put("vllm", patches=None),
        *(FAULT, "without the series", "make patch-installed PYTHON=/venv/bin/python"),
    ),
    "other patch": (
        put("vllm", patches=SERIES | {min(SERIES): "0" * 64}),
        *(
            NOTE,
            "patches differ from those of this checkout: 0001",
            "make install VENV=",
        ),
    ),
    "other patch in place": (
        put("vllm", patches=SERIES | {min(SERIES): "0" * 64}, in_place="x"),
        *(NOTE, "patches differ", "python REVERT=1, then"),
    ),
    "no FlashInfer": (
        package("flashinfer-python", None),
        *(FAULT, "FlashInfer is not installed", "pip install flashinfer-python=="),
    ),
    "old FlashInfer": (
        lambda w: package("flashinfer-jit-cache", None)(
            package("flashinfer-python", "0.6.17")(w)
        ),
        *(FAULT, "FlashInfer is 0.6.17", "pip install flashinfer-python=="),
    ),
    "other jit cache": (
        package("flashinfer-jit-cache", "0.7.1+cu130"),
        *(FAULT, "flashinfer-jit-cache is 0.7.1", "uninstall -y flashinfer-jit-cache"),
    ),
    "no CuTe DSL": (
        lambda w: replace(
            w, packages={k: v for k, v in w.packages.items() if DSL not in k}
        ),
        *(FAULT, "CuTe DSL is not installed", "[cu13]"),
    ),
    "mixed CuTe DSL": (
        package(f"{DSL}-libs-base", "4.7.1"),
        *(FAULT, "several versions", f"{DSL}-libs-base=={LOCK.companions[DSL]}"),
    ),
    "cu12 in place of cu13": (
        lambda w: package(f"{DSL}-libs-cu13", None)(
            package(f"{DSL}-libs-cu12", LOCK.companions[DSL])(w)
        ),
        *(FAULT, "libraries for CUDA 13, has those for CUDA 12", "[cu13]"),
    ),
    "cu12 and cu13": (
        package(f"{DSL}-libs-cu12", LOCK.companions[DSL]),
        *(NOTE, "CUDA 12 and 13", "pip uninstall"),
    ),
    "mixed b12x": (
        put(
            "b12x",
            problem="b12x 1.5.1 is installed, but; run "
            "`pip install --force-reinstall --no-deps b12x==1.5.1`",
        ),
        *(FAULT, "b12x 1.5.1 is installed", "/venv/bin/python -m pip install --force"),
    ),
    "packages that do not fit": (
        lambda w: put("beside", **{"cuda-tile": None, "apache-tvm-ffi": "0.2.0"})(w),
        *(
            FAULT,
            "do not fit: apache-tvm-ffi is 0.2.0, and vLLM asks for ==0.1.12 and "
            "FlashInfer asks for <0.2,>=0.1.11; cuda-tile is not installed, and "
            "FlashInfer asks for >=1.4.0",
            "pip install apache-tvm-ffi==0.1.12 'apache-tvm-ffi<0.2,>=0.1.11' "
            "'cuda-tile>=1.4.0'",
        ),
    ),
    "another PyTorch": (
        put("beside", torch="2.13.0+cu130"),
        *(FAULT, "torch is 2.13.0+cu130, and vLLM asks for ==", "install torch=="),
    ),
    "bad switch": (
        put("settings", VLLM_SM12X_AUTO_SELECT="yes"),
        *(FAULT, "is none of all, moe, linear, none", "unset"),
    ),
    "switch": (
        put("settings", VLLM_SM12X_AUTO_SELECT="none"),
        *(NOTE, "turns automatic selection off", "unset"),
    ),
    "bad alias": (
        put("settings", VLLM_NVFP4_GEMM_BACKEND="b12x"),
        *(FAULT, "is none of flashinfer-b12x", "unset"),
    ),
    "alias": (
        put("settings", VLLM_NVFP4_GEMM_BACKEND="marlin"),
        *(NOTE, "as --linear-backend", "unset"),
    ),
    "batch invariant": (
        put("settings", VLLM_BATCH_INVARIANT="1"),
        *(NOTE, "VLLM_BATCH_INVARIANT=1 changes", "unset"),
    ),
}


def test_a_well_machine_has_no_findings() -> None:
    assert remarks(WELL, LOCK, SERIES) == []
    # What is set to its default changes nothing.
    calm = put("settings", VLLM_BATCH_INVARIANT="0", VLLM_SM12X_AUTO_SELECT="all")
    assert remarks(calm(WELL), LOCK, SERIES) == []


def test_an_extra_that_vllm_asks_for_is_judged() -> None:
    (found,) = remarks(put("beside", nvshmem4py=None)(WELL), LOCK, SERIES)
    assert "nvshmem4py is not installed, and FlashInfer asks for it" in found.what


@pytest.mark.parametrize(
    ("plant", "level", "what", "fix"), PLANTED.values(), ids=PLANTED
)
def test_each_fault_is_found(
    plant: Callable[[Facts], Facts], level: Level, what: str, fix: str
) -> None:
    found = [r for r in remarks(plant(WELL), LOCK, SERIES) if "no GPU" not in r.what]
    (remark,) = found
    assert remark.level is level
    assert what in remark.what
    assert fix in remark.fix


def test_without_vllm_its_packages_are_not_judged() -> None:
    found = remarks(Facts("3.11", "python3", "Linux x86_64"), LOCK, SERIES)
    assert [r.level for r in found] == [NOTE, NOTE]
    assert "make install VENV=" in found[1].fix
