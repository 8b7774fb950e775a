# SPDX-License-Identifier: Apache-2.0
"""Facts of one environment, as `scripts/in_vllm/look_around.py` tells them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts import IN_VLLM
from scripts.base import interpreter

_SECONDS = 180


@dataclass(frozen=True)
class Gpu:
    """One GPU, as its driver describes it."""

    name: str
    capability: str
    """Compute capability, as `12.1`."""
    driver: str
    memory: str
    number: str = ""
    """That nvidia-smi gives it; empty where it is not known."""


@dataclass(frozen=True)
class Facts:
    """One interpreter, its packages, and the machine it runs on."""

    python: str
    executable: str
    machine: str
    prefix: str = ""
    """Folder of the environment; empty for an interpreter that is in none."""
    pip: bool = True
    """Whether the environment has a pip of its own; uv's have none."""
    trouble: tuple[str, ...] = ()
    """What could not be asked: `nvidia-smi: GPU is lost`."""
    gpus: tuple[Gpu, ...] = ()
    nvcc: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of the distributions that matter here, by normalised name."""
    required: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What vLLM and FlashInfer require, as their metadata has it."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Versions of what they require, by normalised name."""
    markers: Mapping[str, str] = field(default_factory=dict)
    """Of this interpreter, as the markers of a requirement (PEP 508) name them."""
    torch: Mapping[str, Any] = field(default_factory=dict)
    """`version`, `cuda`, `capability` and `device` of the first, `capabilities` of all
    devices that it may use; or `error`."""
    vllm: Mapping[str, Any] = field(default_factory=dict)
    """`version`, `site`, and of a fork `patches` (digests) and `in_place`."""
    b12x: Mapping[str, str | None] = field(default_factory=dict)
    """`live`, `path`, `problem`: `B12xOrigin` of the fork."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that decide something and are set."""

    @property
    def capability(self) -> str | None:
        """Of the device that PyTorch would use, else of the driver's first."""
        if own := self.torch.get("capability"):
            return str(own)
        return self.gpus[0].capability if self.gpus else None

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Every one that the machine has, each once; the first device's is first."""
        own = [self.capability] if self.capability else []
        torch = self.torch.get("capabilities", ())
        return tuple(dict.fromkeys([*own, *torch, *(g.capability for g in self.gpus)]))

    @property
    def folder(self) -> str:
        """The environment's folder, or README's for a new one, as a shell takes it."""
        return shlex.quote(self.prefix or "env")

    def install(self, *specs: str) -> str:
        """The command that installs into this environment, by its own installer."""
        return f"{self._installer('install')} {' '.join(specs)}"

    def uninstall(self, *names: str) -> str:
        """The command that removes packages from this environment."""
        yes = "uninstall -y" if self.pip else "uninstall"
        return f"{self._installer(yes)} {' '.join(names)}"

    def _installer(self, verb: str) -> str:
        python = shlex.quote(self.executable)
        if self.pip:
            return f"{python} -m pip {verb}"
        return f"uv pip {verb} --python {python}"


def pointed_at(*gpus: Gpu) -> str:
    """What makes vLLM take these GPUs, whatever else the machine has."""
    numbers = [gpu.number for gpu in gpus]
    known = all(numbers) and bool(numbers)
    way = (
        f"CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES="
        f"{','.join(numbers) if known else 'N'} in front of vllm serve"
    )
    return way if known else f"{way}, N being what nvidia-smi -L gives the one you mean"


def look(python: str, again: str = "make doctor") -> Facts:
    """Start `python` and let it look around.

    Args:
        python: Path or name of the interpreter that runs vLLM, or would.
        again: The command that takes another, as PYTHON=.

    Raises:
        Unusable: It cannot be run, or says something else.
    """
    script = str(IN_VLLM / "look_around.py")
    told = interpreter.ask(python, script, again=again, seconds=_SECONDS)
    gpus = tuple(
        Gpu(
            *(g["name"], g["compute_cap"], g["driver_version"], g["memory.total"]),
            g["index"],
        )
        for g in told.pop("gpus")
    )
    return Facts(gpus=gpus, trouble=tuple(told.pop("trouble")), **told)
