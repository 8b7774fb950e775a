# SPDX-License-Identifier: Apache-2.0
"""What keeps a machine's GPUs and driver from serving, each with its fix."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from scripts.doctor.facts import Facts, pointed_at
from scripts.doctor.remark import Remark, fault, note, version
from scripts.selection.cases import OURS

MIN_DRIVER = Version("580")
"""CUDA 13 release notes: the oldest driver branch that runs it on Linux."""


def device(facts: Facts) -> Iterator[Remark]:
    for trouble in facts.trouble:
        yield fault(f"could not be asked: {trouble}", _way_out(facts, trouble))
    if facts.capability is None:
        yield note(
            "no GPU was seen (nvidia-smi, PyTorch)",
            "nothing, to look only; on a machine with one, install its driver",
        )
        return
    near = [c for c in facts.capabilities if c.startswith("12.") and c not in OURS]
    if near:
        yield note(
            f"capability {', '.join(near)} is of SM12x's family, for which vLLM may "
            f"take the series' kernels; nothing is known of it, they were made for "
            f"{' and '.join(OURS)}",
            "VLLM_SM12X_AUTO_SELECT=none in front of vllm serve, if a kernel fails",
        )
    others = [c for c in facts.capabilities if c not in (*OURS, *near)]
    if others and others == list(facts.capabilities):
        yield note(
            f"capability {', '.join(others)} is not SM12x: the series selects nothing",
            "ask for another: make doctor CAPABILITY=12.1",
        )
    elif others:
        yield note(
            f"beside SM12x there are GPUs of capability {', '.join(others)}, and "
            f"vLLM's first is of {facts.capability}",
            pointed_at(*[g for g in facts.gpus if g.capability in OURS][:1]),
        )
    for gpu in facts.gpus[:1]:
        found = version(gpu.driver)
        if found is not None and found < MIN_DRIVER:
            yield fault(
                f"driver {gpu.driver} is older than CUDA 13 needs",
                f"install driver {MIN_DRIVER} or newer",
            )


def _way_out(facts: Facts, trouble: str) -> str:
    if "NVML" in trouble and "mismatch" in trouble:
        return "sudo reboot: the driver was updated, and the old one is still loaded"
    if trouble.startswith("nvidia-smi"):
        return (
            "nvidia-smi -q, and the kernel's log (sudo dmesg); a reboot brings a "
            "lost GPU back, or shows that it is gone"
        )
    if trouble.startswith("vLLM"):
        return f"make install VENV={facts.folder}"
    return "send it with the output of make doctor JSON=1"
