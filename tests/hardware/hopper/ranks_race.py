# SPDX-License-Identifier: Apache-2.0
"""compute-sanitizer's racecheck on both ranks of ``ranks`` at once, small layers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hopper_cases
import hopper_models
import pair
import ranks
import sanitizer

COLUMNS = hopper_cases.COLUMNS["ranks_race"]
TOOL = "racecheck"


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row for each rank."""
    if stage.recording:
        yield from ranks.shares(stage, check=True)
        return
    command = ["compute-sanitizer", "--tool", TOOL, "--print-limit", "100000"]
    command += sanitizer._MORE[TOOL]
    check = {pair.CHECK: "1"}
    with tempfile.TemporaryDirectory() as folder:
        said = pair.started(Path(folder), "ranks", stage.capability, command, **check)
    for kind, text in zip(hopper_models.SPLIT_KINDS, said, strict=True):
        yield [TOOL, kind, *sanitizer.read_rank(text)]
