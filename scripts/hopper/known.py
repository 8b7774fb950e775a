# SPDX-License-Identifier: Apache-2.0
"""What a run showed that is no agreement: whose it is, or that nobody knows yet."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

_OLD, _NEW = "0.7.2.post1", "0.7.4"


@dataclass(frozen=True)
class Report:
    """What somebody looked into, as it was then; any other is another report."""

    why: str
    counts: Collection[tuple[int, int]] = ()
    """Errors and warnings, of each run that was looked into."""
    places: Collection[tuple[str, str, int]] = ()
    """Of each race that racecheck may name: what the one access does, what the other
    does, and within how many bytes of code they are. A compilation moves both."""
    says: str | None = None
    """What the row says where the tool did not come to its end, as a regular
    expression; None if it always did."""

    def explains(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of the part sanitizer is this report."""
        said = str(row["first report"])
        if row["launches"] != "":
            counts = row["errors"], row["warnings"]
            return counts in self.counts and self._places_of(said, sum(counts))
        return self.says is not None and bool(re.fullmatch(self.says, said))

    def _places_of(self, said: str, count: int) -> bool:
        """Whether so many races are told, as far as the text goes, and all known."""
        _, *races = said.split("Race reported between ")
        if len(said) >= CUT:
            return len(races) <= count and all(map(self._is_known, races[:-1]))
        return len(races) == count and all(map(self._is_known, races))

    def _is_known(self, race: str) -> bool:
        (what, at), *others = [(w, int(n, 16)) for w, n in _ACCESS.findall(race)]
        far = {(one, other): most for one, other, most in self.places}
        return bool(others) and all(
            abs(place - at) <= far.get((what, other), -1) for other, place in others
        )


CUT = 900
"""Characters of a report that a row keeps: tests/hardware/hopper/sanitizer.py."""
_ACCESS = re.compile(r"(\w+) access at \+0x([0-9a-f]+)(?= )")
_MICRO = Report(
    "FlashInfer's: no barrier between the stores of the FC2 tile and the reads of the "
    "scatter; 0.7.4 has it, and no report",
    {(72, 0)},
    {("Read", "Write", 0x1000)},
)
_LEADER = Report(
    "FlashInfer's: the leader of a block stores the next batch's number with no "
    "barrier after the reads of the last (0.7.4: generic:1149-1160, gated:3354-3363). "
    "A warp would have to be held between barrier and load for as long as a global "
    "atomic takes; no run showed it",
    {(1, 0)},
    {("Write", "Read", 0x40)},
)
_DYNAMIC = Report(
    f"{_LEADER.why}. The other places are a task's words, of which more or fewer are "
    "reported from run to run: no fault seen, as between the reads (0.7.4: "
    "generic:1822-1826) and the next task's writes (1798-1819) is a barrier of the "
    "whole block (1842), in the cubin too",
    {*_LEADER.counts, (2, 0), (3, 0)},
    {*_LEADER.places, ("Read", "Write", 0x400)},
)
_BARRIER = (
    r"did not run: \d+ x Barrier error detected\. Divergent thread\(s\) in block\."
    r" at \+0x[0-9a-f]+"
)
_PLACES = Report(
    "no fault seen: multiplying and loading warps arrive at one barrier of 160 or 288 "
    "threads from two places, which PTX allows and the tool does not; it ends the "
    "kernel there",
    says=_BARRIER,
)
_BULK = Report(
    f"{_LEADER.why}. The other is a bulk copy of tokens and their reads: no fault "
    "seen, as each waits for the mbarrier that the copy completes, and a barrier of "
    "the whole block is before the next copy (0.7.4: gated:3362-3447), in the cubin "
    "too; 0.7.2.post1 has the same and no report. It ends since the barriers after "
    "three warps have left say of how many threads they are (scripts/hopper/abi.py)",
    {(2, 0)},
    {("Write", "Read", 0x1700)},
)

REPORTS: dict[tuple[str, str, str], Report] = {
    (_OLD, "racecheck", "micro"): _MICRO,
    (_OLD, "racecheck", "micro relu2"): _MICRO,
    (_OLD, "racecheck", "dynamic"): _DYNAMIC,
    (_NEW, "racecheck", "dynamic"): _DYNAMIC,
    (_OLD, "racecheck", "dynamic gated"): _LEADER,
    (_OLD, "racecheck", "dynamic relu2"): _DYNAMIC,
    (_NEW, "racecheck", "dynamic gated"): _BULK,
    (_NEW, "racecheck", "dynamic relu2"): _DYNAMIC,
    **{
        (release, "synccheck", kind): _PLACES
        for release in (_OLD, _NEW)
        for kind in ("micro", "micro relu2", "static", "static relu2", "dynamic gated")
    },
}
"""FlashInfer release, tool, kind of kernel: what compute-sanitizer's report is."""

SMALLER = {(_OLD, "racecheck", kind) for kind in ("dynamic gated", "dynamic relu2")}
"""Of which kernels racecheck saw a call of one block and one expert alone."""

HELD = {_OLD: ("Qwen3-30B-A3B", "GLM-4.6")}
"""FlashInfer releases beside the one that the series requires whose record is kept, and
models that each has to have."""

RACES: dict[tuple[str, str], str] = {(_OLD, "micro"): _MICRO.why}
"""FlashInfer release and kernel: a race that its results may show. A sum of a row may
be gone, so a case is held against the bound of its worst row alone."""

ROWS: dict[tuple[str, str, int, int, str], str] = {
    (_NEW, "GLM-4.5-Air", 8, 8192, "all to one expert"): (
        "one value before FC2 is a unit of FP32 from a tie of BF16, and with its other "
        "neighbour the double's row is the kernel's to five digits"
    ),
}
"""FlashInfer release, model, ranks, tokens and rows of a call of which one row is
further from the double than ties of FP4 explain: what was found on the GPU."""

SKIPPED: dict[tuple[str, str], int] = {
    # The automatic b12x GEMM is for 12.0 alone: patch 0016.
    ("tests/kernels/quantization/test_flashinfer_nvfp4_scaled_mm.py", "12.1"): 6,
}
"""File of the series' tests and capability: cases that are not for it."""
