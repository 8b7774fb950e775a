# SPDX-License-Identifier: Apache-2.0
"""The GPUs that can be named, and the machine's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.doctor.facts import Facts
from scripts.errors import Unusable

PATH = Path(__file__).with_name("gpus.toml")
GIB = 1 << 30


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        memory: Bytes that PyTorch sees.
        bandwidth: Bytes a second, at most.
        sms: Multiprocessors.
        unified: Whether the system lives in the same memory.
        source: Of each fact.
        unconfirmed: Facts without a source.
    """

    name: str
    capability: str
    memory: int
    bandwidth: int
    sms: int
    unified: bool = False
    also: tuple[str, ...] = ()
    source: Mapping[str, str] = field(default_factory=dict)
    unconfirmed: tuple[str, ...] = ()


def load(path: Path = PATH) -> list[Gpu]:
    """The table."""
    return [
        Gpu(
            entry["name"],
            entry["capability"],
            round(entry["memory"] * GIB),
            round(entry["bandwidth"] * 1e9),
            entry["sms"],
            entry.get("unified", False),
            tuple(entry["also"]),
            entry["source"],
            tuple(entry.get("unconfirmed", ())),
        )
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["gpu"]
    ]


def named(name: str) -> Gpu:
    """The GPU of that name, however it is written.

    Raises:
        Unusable: There is none.
    """
    found = _find(name, load())
    if found is None:
        raise Unusable(
            "there is no such GPU here",
            where="GPU=",
            expected=", ".join(gpu.name for gpu in load()),
            found=name,
            next="make doctor MODEL=folder GPU=5090",
        )
    return found


def own(facts: Facts) -> tuple[Gpu, int] | None:
    """The machine's first GPU, with the memory that its driver says, and how many.

    Its bandwidth and multiprocessors are those of the table; None if it is not there.
    """
    if not facts.gpus:
        return None
    first = facts.gpus[0]
    found = _find(first.name, load())
    if found is None:
        return None
    said = re.match(r"(\d+) MiB", first.memory)
    # nvidia-smi counts what the driver keeps; on unified memory it says nothing.
    memory = min(found.memory, int(said[1]) << 20) if said else found.memory
    alike = sum(gpu.name == first.name for gpu in facts.gpus)
    return replace(found, memory=memory), alike


def _find(name: str, gpus: Sequence[Gpu]) -> Gpu | None:
    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    wanted = plain(name)
    for gpu in gpus:
        if wanted in {plain(each) for each in (gpu.name, *gpu.also)}:
            return gpu
    return None
