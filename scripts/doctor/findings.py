# SPDX-License-Identifier: Apache-2.0
"""What of an environment keeps the series from working, each with its mend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from packaging.version import InvalidVersion, Version

from scripts.doctor.facts import Facts
from scripts.lock import Lock
from scripts.selection.cases import OURS, SWITCH

MIN_CUDA = Version("13.0")
"""FlashInfer's B12xMoEWrapper refuses an older one."""
MIN_DRIVER = Version("580")
"""CUDA 13 release notes: the oldest driver branch that runs it on Linux."""
_DSL = "nvidia-cutlass-dsl"
_ALIASES = (
    *("flashinfer-b12x", "flashinfer-cudnn", "flashinfer-trtllm"),
    *("flashinfer-cutlass", "cutlass", "marlin", "emulation"),
)


class Level(Enum):
    """How much a finding matters; the value is what is printed."""

    FAULT = "fault"
    """Something does not work, or not as the series means it to."""
    NOTE = "note"
    """Something is as somebody wanted it, and changes what is selected."""


@dataclass(frozen=True)
class Remark:
    """One finding."""

    level: Level
    what: str
    mend: str
    """The command, or the thing to do."""


def remarks(facts: Facts, lock: Lock, series: Mapping[str, str]) -> list[Remark]:
    """All there is to say of an environment that has vLLM, or should have.

    Args:
        facts: The environment.
        lock: The pin, and the companions that the series is written for.
        series: File name and SHA-256 digest of each patch of this checkout.
    """
    if not facts.vllm:
        return [
            *_device(facts),
            _note(
                "this Python has no vLLM, so its packages were not judged",
                "make apply && make wheel, then pip install dist/vllm-*.whl; or name "
                "another: make doctor PYTHON=/path/to/venv/bin/python",
            ),
        ]
    return [
        *_device(facts),
        *_torch(facts, lock),
        *_vllm(facts, lock, series),
        *_flashinfer(facts, lock),
        *_cutlass_dsl(facts, lock),
        *_b12x(facts),
        *_settings(facts),
    ]


def _fault(what: str, mend: str) -> Remark:
    return Remark(Level.FAULT, what, mend)


def _note(what: str, mend: str) -> Remark:
    return Remark(Level.NOTE, what, mend)


def version(text: str | None) -> Version | None:
    """The version in `text`, if there is one.

    >>> version("Build cuda_13.0.r13.0/compiler.36424714_0") is None
    True
    >>> version("580.95.05")
    <Version('580.95.5')>
    """
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def nvcc_version(said: str | None) -> Version | None:
    """CUDA release in the last line of `nvcc --version`.

    >>> nvcc_version("Build cuda_12.8.r12.8/compiler.35583870_0")
    <Version('12.8')>
    """
    match = re.search(r"cuda_(\d+\.\d+)", said or "")
    return version(match[1]) if match else None


def _device(facts: Facts) -> Iterator[Remark]:
    if facts.capability is None:
        yield _note(
            "no GPU was seen (nvidia-smi, PyTorch)",
            "nothing, to look only; on a machine with one, install its driver",
        )
        return
    if facts.capability not in OURS:
        yield _note(
            f"capability {facts.capability} is not SM12x: the series selects nothing",
            "ask for another: make doctor CAPABILITY=12.1",
        )
    for gpu in facts.gpus[:1]:
        found = version(gpu.driver)
        if found is not None and found < MIN_DRIVER:
            yield _fault(
                f"driver {gpu.driver} is older than CUDA 13 needs",
                f"install driver {MIN_DRIVER} or newer",
            )


def _torch(facts: Facts, lock: Lock) -> Iterator[Remark]:
    pinned = lock.companions["torch"]
    install = f"pip install torch=={pinned}"
    if "error" in facts.torch:
        yield _fault(f"PyTorch cannot be imported: {facts.torch['error']}", install)
        return
    cuda = version(facts.torch.get("cuda"))
    if cuda is None:
        yield _fault(f"PyTorch {facts.torch['version']} has no CUDA", install)
    elif cuda < MIN_CUDA:
        yield _fault(
            f"PyTorch is built for CUDA {cuda}; the MoE backend needs {MIN_CUDA}",
            f"{install}, in its build for CUDA 13",
        )
    if facts.gpus and cuda is not None and "device" not in facts.torch:
        yield _fault(
            "the driver has a GPU that PyTorch cannot use",
            "see CUDA_VISIBLE_DEVICES, and that the driver is as new as "
            f"CUDA {cuda} needs",
        )
    nvcc = nvcc_version(facts.nvcc)
    if nvcc is not None and nvcc < MIN_CUDA:
        yield _fault(
            f"nvcc is of CUDA {nvcc}, and FlashInfer goes by it",
            "install nvcc of CUDA 13, or take the old one off PATH",
        )
    if "triton" not in facts.packages:
        yield _fault(
            "triton is not installed; FlashInfer then hides its b12x kernels",
            "pip install triton, in the version that PyTorch asks for",
        )


def _vllm(facts: Facts, lock: Lock, series: Mapping[str, str]) -> Iterator[Remark]:
    found = str(facts.vllm["version"])
    inside: Mapping[str, str] = facts.vllm.get("patches", {})
    wheel = "make apply && make wheel && pip install --no-deps dist/vllm-*.whl"
    if found.partition("+")[0] != lock.version:
        yield _fault(f"vLLM {found} is not the pinned {lock.version}", wheel)
        return
    if not inside:
        yield _fault(
            f"vLLM {found} is without the series",
            f"make patch-installed PYTHON={facts.executable}; or {wheel}",
        )
        return
    other = [n for n in series.keys() | inside.keys() if series.get(n) != inside.get(n)]
    if other:
        listed = ", ".join(sorted(name[:4] for name in other))
        yield _note(
            f"patches differ from those of this checkout: {listed}",
            f"make patch-installed PYTHON={facts.executable}"
            if "in_place" in facts.vllm
            else wheel,
        )


def _flashinfer(facts: Facts, lock: Lock) -> Iterator[Remark]:
    name = "flashinfer-python"
    pinned = lock.companions[name]
    found = facts.packages.get(name)
    install = f"pip install {name}=={pinned}"
    if found is None:
        yield _fault("FlashInfer is not installed", install)
        return
    if found != pinned:
        yield _fault(f"FlashInfer is {found}; the series is for {pinned}", install)
    for other in ("flashinfer-cubin", "flashinfer-jit-cache"):
        # FlashInfer refuses to be imported beside another version of these.
        there = facts.packages.get(other)
        if there and there.partition("+")[0] != found:
            yield _fault(
                f"{other} is {there}, FlashInfer {found}",
                f"pip install {other}=={found}",
            )


def _cutlass_dsl(facts: Facts, lock: Lock) -> Iterator[Remark]:
    pinned = lock.companions[_DSL]
    family = {k: v for k, v in facts.packages.items() if k.startswith(_DSL)}
    install = f"pip install '{_DSL}[cu13]=={pinned}'"
    if _DSL not in family:
        yield _fault("CuTe DSL is not installed", install)
        return
    if len(set(family.values())) > 1:
        listed = ", ".join(f"{k} {v}" for k, v in sorted(family.items()))
        again = " ".join(f"{k}=={pinned}" for k in sorted(family))
        yield _fault(
            f"CuTe DSL is of several versions: {listed}", f"pip install {again}"
        )
    elif family[_DSL] != pinned:
        yield _fault(f"CuTe DSL is {family[_DSL]}; the series is for {pinned}", install)
    if f"{_DSL}-libs-cu13" not in family:
        other = ", has those for CUDA 12" if f"{_DSL}-libs-cu12" in family else ""
        yield _fault(f"CuTe DSL lacks its libraries for CUDA 13{other}", install)
    elif f"{_DSL}-libs-cu12" in family:
        yield _note(
            "CuTe DSL has libraries for CUDA 12 and 13, as vllm[b12x] brings them",
            f"nothing; or pip uninstall {_DSL}-libs-cu12",
        )


def _b12x(facts: Facts) -> Iterator[Remark]:
    if problem := facts.b12x.get("problem"):
        what, _, mend = problem.partition("; run ")
        yield _fault(what, mend.strip("`"))


def _settings(facts: Facts) -> Iterator[Remark]:
    switch = facts.settings.get("VLLM_SM12X_AUTO_SELECT", SWITCH[0])
    if switch not in SWITCH:
        yield _fault(
            f"VLLM_SM12X_AUTO_SELECT={switch} is none of {', '.join(SWITCH)}",
            "unset VLLM_SM12X_AUTO_SELECT",
        )
    elif switch != SWITCH[0]:
        yield _note(
            f"VLLM_SM12X_AUTO_SELECT={switch} turns automatic selection off in part",
            "unset VLLM_SM12X_AUTO_SELECT",
        )
    alias = facts.settings.get("VLLM_NVFP4_GEMM_BACKEND")
    if alias is not None and alias not in _ALIASES:
        yield _fault(
            f"VLLM_NVFP4_GEMM_BACKEND={alias} is none of {', '.join(_ALIASES)}",
            "unset VLLM_NVFP4_GEMM_BACKEND",
        )
    elif alias is not None:
        yield _note(
            f"VLLM_NVFP4_GEMM_BACKEND={alias} is taken as --linear-backend",
            "unset VLLM_NVFP4_GEMM_BACKEND",
        )
    for name in (
        *("FLASHINFER_B12X_FORCE_MOE_W4A16", "VLLM_B12X_MOE_FP4_FORCE_A16"),
        *("VLLM_BATCH_INVARIANT", "VLLM_DISABLED_KERNELS"),
    ):
        value = facts.settings.get(name, "0")
        if value not in ("", "0"):
            yield _note(f"{name}={value} changes what is selected", f"unset {name}")
