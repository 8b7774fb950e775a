# SPDX-License-Identifier: Apache-2.0
"""The GPUs that can be named, and the machine's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.base.errors import Unusable
from scripts.doctor.facts import Facts, pointed_at
from scripts.doctor.remark import Remark, note

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


def own(facts: Facts) -> tuple[Gpu, int, Remark | None] | None:
    """The machine's first GPU of SM12x that the table has, else its first that it has.

    Its memory is what the driver says, bandwidth and multiprocessors are the table's.

    Returns:
        It, how many of it there are, and how vLLM comes to take it where there are
        others; None if the table has none of them.
    """
    table = load()
    there = [(gpu, found) for gpu in facts.gpus if (found := _find(gpu.name, table))]
    if not there:
        return None
    ours = [each for each in there if each[0].capability.startswith("12.")]
    first, found = (ours or there)[0]
    said = re.match(r"(\d+) MiB", first.memory)
    # nvidia-smi counts what the driver keeps; on unified memory it says nothing.
    memory = min(found.memory, int(said[1]) << 20) if said else found.memory
    alike = [gpu for gpu in facts.gpus if gpu.name == first.name]
    mixed = None
    if len(alike) < len(facts.gpus):
        others = dict.fromkeys(g.name for g in facts.gpus if g.name != first.name)
        mixed = note(
            f"of this machine's GPUs the {found.name} is meant, and not the "
            f"{', '.join(others)}",
            pointed_at(*alike),
        )
    return replace(found, memory=memory), len(alike), mixed


def _find(name: str, gpus: Sequence[Gpu]) -> Gpu | None:
    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    wanted = plain(name)
    for gpu in gpus:
        if wanted in {plain(each) for each in (gpu.name, *gpu.also)}:
            return gpu
    return None
