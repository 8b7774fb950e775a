# SPDX-License-Identifier: Apache-2.0
"""What a run showed that is no agreement: whose it is, or that nobody knows yet."""

from __future__ import annotations

_OLD, _NEW = "0.7.2.post1", "0.7.4"
_MICRO = (
    "FlashInfer's: no barrier between the stores of the FC2 tile and the reads of the "
    "scatter; 0.7.4 has it, and no report"
)
_DYNAMIC = (
    "FlashInfer's: the leader of a block stores the next batch's number with no "
    "barrier after the reads of the last (0.7.4: generic:1149-1160). A warp would have "
    "to be held between barrier and load for as long as a global atomic takes; no run "
    "showed it. Of the other places the source has a barrier between: not explained"
)
_PLACES = (
    "no fault seen: multiplying and loading warps arrive at one barrier of 160 threads "
    "from two places, which PTX allows and the tool does not; it ends the kernel there"
)
_LEFT = (
    "no fault seen: warps that have nothing to do have left before barriers of the "
    "whole block, which PTX allows and the tool does not; it ends the kernel there"
)
_SLOW = (
    "open: not done within 400 s, nor alone within 150 s; with 0.7.2.post1 it ended, "
    "with two hazards of the kind of the dynamic kernel"
)

REPORTS: dict[tuple[str, str, str], str] = {
    (_OLD, "racecheck", "micro"): _MICRO,
    (_OLD, "racecheck", "micro relu2"): _MICRO,
    (_OLD, "racecheck", "dynamic"): _DYNAMIC,
    (_NEW, "racecheck", "dynamic"): _DYNAMIC,
    (_OLD, "racecheck", "dynamic gated"): _DYNAMIC,
    (_NEW, "racecheck", "dynamic gated"): _SLOW,
    **{
        (release, "synccheck", kind): _PLACES
        for release in (_OLD, _NEW)
        for kind in ("micro", "micro relu2", "static", "static relu2")
    },
    (_OLD, "synccheck", "dynamic gated"): _LEFT,
    (_NEW, "synccheck", "dynamic gated"): _LEFT,
}
"""FlashInfer release, tool, kind of kernel: what compute-sanitizer's report is."""

SKIPPED: dict[tuple[str, str], int] = {
    # The automatic b12x GEMM is for 12.0 alone: patch 0013.
    ("tests/kernels/quantization/test_flashinfer_nvfp4_scaled_mm.py", "12.1"): 6,
}
"""File of the series' tests and capability: cases that are not for it."""
