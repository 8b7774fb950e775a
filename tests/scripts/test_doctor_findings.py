# SPDX-License-Identifier: Apache-2.0
"""Each fault planted by itself is found, with a mend, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scripts.doctor.facts import Facts
from scripts.doctor.findings import Level, remarks
from tests.scripts.doctor_help import DSL, LOCK, SERIES, WELL, package, put

FAULT, NOTE = Level.FAULT, Level.NOTE
PLANTED = {
    "old driver": (
        lambda w: replace(w, gpus=(replace(w.gpus[0], driver="570.86.10"),)),
        *(FAULT, "driver 570.86.10 is older", "install driver 580"),
    ),
    "another GPU": (
        lambda w: replace(put("torch", capability="9.0")(w)),
        *(NOTE, "capability 9.0 is not SM12x", "CAPABILITY=12.1"),
    ),
    "no torch": (
        lambda w: replace(w, torch={"error": "ImportError: libcudart"}),
        *(FAULT, "libcudart", "pip install torch=="),
    ),
    "CPU torch": (
        lambda w: replace(w, gpus=(), torch={"version": "2.14.0+cpu", "cuda": None}),
        *(FAULT, "has no CUDA", "pip install torch=="),
    ),
    "CUDA 12": (
        put("torch", cuda="12.8"),
        *(FAULT, "built for CUDA 12.8", "CUDA 13"),
    ),
    "hidden GPU": (
        put("torch", device=None, capability=None),
        *(FAULT, "PyTorch cannot use", "CUDA_VISIBLE_DEVICES"),
    ),
    "old nvcc": (
        lambda w: replace(w, nvcc="Build cuda_12.8.r12.8/compiler.35583870_0"),
        *(FAULT, "nvcc is of CUDA 12.8", "off PATH"),
    ),
    "no triton": (package("triton", None), FAULT, "triton", "pip install triton"),
    "other vLLM": (
        put("vllm", version="0.32.0"),
        *(FAULT, "vLLM 0.32.0 is not the pinned", "make wheel"),
    ),
    "no series": (
        put("vllm", patches=None),
        *(FAULT, "without the series", "make patch-installed PYTHON=/venv/bin/python"),
    ),
    "other patch": (
        put("vllm", patches=SERIES | {min(SERIES): "0" * 64}),
        *(NOTE, "patches differ from those of this checkout: 0001", "make wheel"),
    ),
    "other patch in place": (
        put("vllm", patches=SERIES | {min(SERIES): "0" * 64}, in_place="x"),
        *(NOTE, "patches differ", "make patch-installed"),
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
        *(FAULT, "flashinfer-jit-cache is 0.7.1", "flashinfer-jit-cache=="),
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
        put("b12x", problem="b12x 1.5.1 is installed, but; run `pip install b12x`"),
        *(FAULT, "b12x 1.5.1 is installed", "pip install b12x"),
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


@pytest.mark.parametrize(
    ("plant", "level", "what", "mend"), PLANTED.values(), ids=PLANTED
)
def test_each_fault_is_found(
    plant: Callable[[Facts], Facts], level: Level, what: str, mend: str
) -> None:
    found = [r for r in remarks(plant(WELL), LOCK, SERIES) if "no GPU" not in r.what]
    (remark,) = found
    assert remark.level is level
    assert what in remark.what
    assert mend in remark.mend


def test_without_vllm_its_packages_are_not_judged() -> None:
    found = remarks(Facts("3.11", "python3", "Linux x86_64"), LOCK, SERIES)
    assert [r.level for r in found] == [NOTE, NOTE]
    assert "make wheel" in found[1].mend
