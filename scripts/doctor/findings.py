# SPDX-License-Identifier: Apache-2.0
"""What of an environment keeps the series from working, each with its fix."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from packaging.version import Version

from scripts.doctor.device import device
from scripts.doctor.facts import Facts
from scripts.doctor.remark import Remark, fault, note, version
from scripts.doctor.required import required
from scripts.selection.cases import SWITCH
from scripts.upstream.lock import Lock

MIN_CUDA = Version("13.0")
"""FlashInfer's B12xMoEWrapper refuses an older one."""
_DSL = "nvidia-cutlass-dsl"
_KERNELS = ("flashinfer-cubin", "flashinfer-jit-cache")
_ALIASES = (
    *("flashinfer-b12x", "flashinfer-cudnn", "flashinfer-trtllm"),
    *("flashinfer-cutlass", "cutlass", "marlin", "emulation"),
)


def remarks(facts: Facts, lock: Lock, series: Mapping[str, str]) -> list[Remark]:
    """All there is to say of an environment that has vLLM, or should have.

    Args:
        facts: The environment.
        lock: The pin, and the companions that the series is written for.
        series: File name and SHA-256 digest of each patch of this checkout.
    """
    if not facts.vllm:
        return [
            *device(facts),
            note(
                "this Python has no vLLM, so its packages were not judged",
                f"make install VENV={facts.folder}; or name another: "
                "make doctor PYTHON=/path/to/venv/bin/python",
            ),
        ]
    # What upstream does not pin cannot be another version than the pinned one.
    by_pin = {"torch": _torch, "flashinfer-python": _flashinfer, _DSL: _cutlass_dsl}
    return [
        *device(facts),
        *_vllm(facts, lock, series),
        *(
            r
            for pin, ask in by_pin.items()
            if pin in lock.companions
            for r in ask(facts, lock)
        ),
        *required(facts, _judged(facts, lock)),
        *_b12x(facts),
        *_settings(facts),
    ]


def _judged(facts: Facts, lock: Lock) -> set[str]:
    """What the findings above tell of, whatever the metadata asks for."""
    # Of a PyTorch that works they do not tell which version it should be.
    works = bool(facts.torch.get("cuda"))
    own = {"flashinfer-python", _DSL, *(() if works else ("torch",))}
    return {*own & lock.companions.keys(), *_KERNELS}


def nvcc_version(said: str | None) -> Version | None:
    """CUDA release in the last line of `nvcc --version`.

    >>> nvcc_version("Build cuda_12.8.r12.8/compiler.35583870_0")
    <Version('12.8')>
    """
    match = re.search(r"cuda_(\d+\.\d+)", said or "")
    return version(match[1]) if match else None


def _torch(facts: Facts, lock: Lock) -> Iterator[Remark]:
    install = facts.install(f"torch=={lock.companions['torch']}")
    # pip takes 2.14.0+cpu for 2.14.0, so that it would not replace it.
    anew = f"{facts.uninstall('torch')} && {install}"
    if "error" in facts.torch:
        yield fault(f"PyTorch cannot be imported: {facts.torch['error']}", install)
        return
    cuda = version(facts.torch.get("cuda"))
    if cuda is None:
        yield fault(f"PyTorch {facts.torch['version']} has no CUDA", anew)
    elif cuda < MIN_CUDA:
        yield fault(
            f"PyTorch is built for CUDA {cuda}; the MoE backend needs {MIN_CUDA}",
            anew,
        )
    if facts.gpus and cuda is not None and "device" not in facts.torch:
        yield fault(
            "the driver has a GPU that PyTorch cannot use",
            "see CUDA_VISIBLE_DEVICES, and that the driver is as new as "
            f"CUDA {cuda} needs",
        )
    nvcc = nvcc_version(facts.nvcc)
    if nvcc is not None and nvcc < MIN_CUDA:
        yield fault(
            f"nvcc is of CUDA {nvcc}, and FlashInfer goes by it",
            "install nvcc of CUDA 13, or take the old one off PATH",
        )
    if "triton" not in facts.packages:
        yield fault(
            "triton is not installed; FlashInfer then hides its b12x kernels",
            # In the version that PyTorch asks for.
            install,
        )


def _vllm(facts: Facts, lock: Lock, series: Mapping[str, str]) -> Iterator[Remark]:
    found = str(facts.vllm["version"])
    inside: Mapping[str, str] = facts.vllm.get("patches", {})
    wheel = f"make install VENV={facts.folder}"
    if found.partition("+")[0] != lock.version:
        yield fault(f"vLLM {found} is not the pinned {lock.version}", wheel)
        return
    if not inside:
        yield fault(
            f"vLLM {found} is without the series",
            f"make patch-installed PYTHON={shlex.quote(facts.executable)}; or {wheel}",
        )
        return
    other = [n for n in series.keys() | inside.keys() if series.get(n) != inside.get(n)]
    if other:
        listed = ", ".join(sorted(name[:4] for name in other))
        yield note(
            f"patches differ from those of this checkout: {listed}",
            f"make patch-installed PYTHON={shlex.quote(facts.executable)} REVERT=1, "
            "then without REVERT=1"
            if "in_place" in facts.vllm
            else wheel,
        )


def _flashinfer(facts: Facts, lock: Lock) -> Iterator[Remark]:
    name = "flashinfer-python"
    pinned = lock.companions[name]
    found = facts.packages.get(name)
    install = facts.install(f"{name}=={pinned}")
    if found is None:
        yield fault("FlashInfer is not installed", install)
        return
    if found != pinned:
        why = f". {lock.own[name].why}" if name in lock.own else ""
        yield fault(f"FlashInfer is {found}; the series is for {pinned}{why}", install)
    for other in _KERNELS:
        # FlashInfer refuses to be imported beside another version of these.
        there = facts.packages.get(other)
        if there and there.partition("+")[0] != found:
            yield fault(
                f"{other} is {there}, FlashInfer {found}",
                # Not every FlashInfer has one on the index, and none needs it.
                facts.uninstall(other),
            )


def _cutlass_dsl(facts: Facts, lock: Lock) -> Iterator[Remark]:
    pinned = lock.companions[_DSL]
    family = {k: v for k, v in facts.packages.items() if k.startswith(_DSL)}
    install = facts.install(f"'{_DSL}[cu13]=={pinned}'")
    if _DSL not in family:
        yield fault("CuTe DSL is not installed", install)
        return
    if len(set(family.values())) > 1:
        listed = ", ".join(f"{k} {v}" for k, v in sorted(family.items()))
        again = facts.install(*(f"{k}=={pinned}" for k in sorted(family)))
        yield fault(f"CuTe DSL is of several versions: {listed}", again)
    elif family[_DSL] != pinned:
        yield fault(f"CuTe DSL is {family[_DSL]}; the series is for {pinned}", install)
    if f"{_DSL}-libs-cu13" not in family:
        other = ", has those for CUDA 12" if f"{_DSL}-libs-cu12" in family else ""
        yield fault(f"CuTe DSL lacks its libraries for CUDA 13{other}", install)
    elif f"{_DSL}-libs-cu12" in family:
        yield note(
            "CuTe DSL has libraries for CUDA 12 and 13, as vllm[b12x] brings them",
            f"nothing; or {facts.uninstall(f'{_DSL}-libs-cu12')}",
        )


def _b12x(facts: Facts) -> Iterator[Remark]:
    if problem := facts.b12x.get("problem"):
        what, _, fix = problem.partition("; run ")
        # The guard knows no environment but its own.
        verb, _, specs = fix.strip("`").removeprefix("pip ").partition(" ")
        yield fault(what, facts.install(specs) if verb == "install" else fix)


def _settings(facts: Facts) -> Iterator[Remark]:
    switch = facts.settings.get("VLLM_SM12X_AUTO_SELECT", SWITCH[0])
    if switch not in SWITCH:
        yield fault(
            f"VLLM_SM12X_AUTO_SELECT={switch} is none of {', '.join(SWITCH)}",
            "unset VLLM_SM12X_AUTO_SELECT",
        )
    elif switch != SWITCH[0]:
        yield note(
            f"VLLM_SM12X_AUTO_SELECT={switch} turns automatic selection off in part",
            "unset VLLM_SM12X_AUTO_SELECT",
        )
    alias = facts.settings.get("VLLM_NVFP4_GEMM_BACKEND")
    if alias is not None and alias not in _ALIASES:
        yield fault(
            f"VLLM_NVFP4_GEMM_BACKEND={alias} is none of {', '.join(_ALIASES)}",
            "unset VLLM_NVFP4_GEMM_BACKEND",
        )
    elif alias is not None:
        yield note(
            f"VLLM_NVFP4_GEMM_BACKEND={alias} is taken as --linear-backend",
            "unset VLLM_NVFP4_GEMM_BACKEND",
        )
    for name in (
        *("FLASHINFER_B12X_FORCE_MOE_W4A16", "VLLM_B12X_MOE_FP4_FORCE_A16"),
        *("VLLM_BATCH_INVARIANT", "VLLM_DISABLED_KERNELS"),
    ):
        value = facts.settings.get(name, "0")
        if value not in ("", "0"):
            yield note(f"{name}={value} changes what is selected", f"unset {name}")
