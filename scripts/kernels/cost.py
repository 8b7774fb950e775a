# SPDX-License-Identifier: Apache-2.0
"""What a run took: wall time, and CPU time of all of its processes."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scripts.kernels.sweep import Event


@dataclass(frozen=True)
class Cost:
    """Seconds; of one run, with whatever it took from the cache."""

    wall: float
    cpu: float
    compiled: int
    kept: int
    by_kind: Mapping[str, float] = field(default_factory=dict)
    """CPU time of the compilations by kind of kernel, also those from the cache."""

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {s:.0f}" for kind, s in self.by_kind.items())
        return (
            f"{self.compiled} compiled, {self.kept} from the cache; "
            f"{self.wall:.0f} s, {self.cpu:.0f} s of CPU time"
            f"\nCPU time of the compilations, once made: {kinds}"
        )


def now() -> tuple[float, float]:
    """A moment, for `since`: wall time, and CPU time here and of all children."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    spent = map(resource.getrusage, who)
    return time.monotonic(), sum(u.ru_utime + u.ru_stime for u in spent)


def since(start: tuple[float, float], events: Mapping[str, Iterable[Event]]) -> Cost:
    """What it took from then on; every child process has ended."""
    wall, cpu = now()
    kinds: dict[str, str] = {}
    by_kind: dict[str, float] = {}
    count = {True: 0, False: 0}
    for told in events.values():
        for event in told:
            if event["event"] == "kernel":
                kinds[event["key"]] = event["kind"]
            elif event["event"] == "compiled":
                count[event["kept"]] += 1
                kind = kinds.get(event["key"], "other")
                by_kind[kind] = by_kind.get(kind, 0.0) + event["seconds"]
    return Cost(
        wall=round(wall - start[0], 1),
        cpu=round(cpu - start[1], 1),
        compiled=count[False],
        kept=count[True],
        by_kind={k: round(v, 1) for k, v in sorted(by_kind.items())},
    )
