# SPDX-License-Identifier: Apache-2.0
"""What a run showed that is no agreement: whose it is, or that nobody knows yet."""

from __future__ import annotations

_OLD, _NEW = "0.7.2.post1", "0.7.4"
_API = (
    "the first report is a failed call of the driver's API by cuda-bindings, which "
    "probes for functions; the others were not read"
)
_GATED = (
    "open: under memcheck the launch fails, with 11,408 reports on 0.7.2.post1 and "
    "5,872 on 0.7.4; without it the kernel runs and agrees with its double"
)
_PROBED = (
    "micro",
    "direct micro",
    "static",
    "dynamic",
    "micro relu2",
    "static relu2",
    "dense",
)

REPORTS: dict[tuple[str, str, str], str] = {
    (_OLD, "racecheck", "micro"): "FlashInfer's: no barrier between the stores of the "
    "FC2 tile and the reads of the scatter; 0.7.4 has it, and no report",
    **{(v, "memcheck", "dynamic gated"): _GATED for v in (_OLD, _NEW)},
    **{(v, "memcheck", kind): _API for v in (_OLD, _NEW) for kind in _PROBED},
}
"""FlashInfer release, tool, kind of kernel: what compute-sanitizer's report is."""

APART: dict[tuple[str, str], str] = {
    ("models", "direct_micro"): "the double of the record divided where this kernel "
    "multiplies by the inverse of the global scale: other FP4 codes at ties",
}
"""Part and kernel whose double is further away than its bound, and why."""
