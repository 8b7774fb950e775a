# SPDX-License-Identifier: Apache-2.0
"""What a run showed that is no agreement: whose it is, or that nobody knows yet."""

from __future__ import annotations

REPORTS: dict[tuple[str, str, str], str] = {
    ("0.7.2.post1", "racecheck", "micro"): "FlashInfer's: no barrier between the "
    "stores of the FC2 tile and the reads of the scatter; 0.7.4 has it, and no report",
}
"""FlashInfer release, tool, kind of kernel: what compute-sanitizer's report is."""
