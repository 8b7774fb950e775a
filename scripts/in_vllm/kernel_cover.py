# SPDX-License-Identifier: Apache-2.0
"""Which of the kernels that were reached are compiled: those that stand for all.

Each kind is there at each tile with each activation, on each architecture; W4A16 at
each tile on each architecture, with each activation on one of them at least. Each kind
is there for each model and at each number of ranks on one of them at least, and so is a
GEMM that only FlashInfer's autotuner takes: for these the architectures take turns. Of
kernels that differ in the number of tokens alone, that of most tokens is taken. One
that is reached only where FlashInfer's probe of the driver fails is left out.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernel_record import Job


class Cover:
    """What each kernel stands for, and the few that stand for everything."""

    def __init__(self, number: int, count: int) -> None:
        """Of `count` architectures this is the one of that number."""
        self.number, self.count = number, count
        self.groups: dict[str, tuple[set[str], str]] = {}
        self.first: dict[str, tuple[str, int]] = {}

    def note(
        self, model: dict[str, Any], where: dict[str, Any], job: Job, tuned: bool
    ) -> None:
        """A kernel was reached; counts of tokens ascend, the last stays.

        Args:
            model: An entry of the shapes file.
            where: The layer of it.
            job: The kernel.
            tuned: It is reached if FlashInfer's autotuner chooses it.
        """
        what = f"{job.kind} {job.detail}"
        here, shared, place = {job.detail.get("name", what)}, set(), ""
        if where["layer"] == "linear":
            if tuned:
                here, shared = shared, here
        elif not job.triton:  # the code of which depends on nothing else, or on sizes
            # It is named after where it was reached first, and stands for that alone:
            # ranks of another number may be padded to the same size.
            reached = model["name"], where["tp"]
            name, ranks = self.first.setdefault(job.key, reached)
            shared = {f"{name} {job.kind}", f"TP{ranks} {job.kind}"}
            (shared if where["w4a16"] else here).add(f"{model['activation']} {what}")
            place = f"{model['name']} TP{where['tp']}"
        covers = here | set(filter(self._mine, shared))
        self.groups[f"{sorted(covers)} {where['layer']} {place}"] = covers, job.key

    def _mine(self, cover: str) -> bool:
        return zlib.crc32(cover.encode()) % self.count == self.number

    def differ(self) -> int:
        """How many differ in more than the number of tokens."""
        return len({key for _, key in self.groups.values()})

    def chosen(self) -> list[str]:
        """The kernels, those that stand for most first."""
        left = set().union(*(covers for covers, _ in self.groups.values()))
        keys: dict[str, None] = {}
        while left:
            covers, key = max(self.groups.values(), key=lambda g: len(g[0] & left))
            left -= covers
            keys[key] = None
        return list(keys)
