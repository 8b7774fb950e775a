# SPDX-License-Identifier: Apache-2.0
"""What the repository itself holds, for whoever ran nothing in this checkout."""

from __future__ import annotations

from scripts.footprint import record as footprint
from scripts.footprint import table
from scripts.hardware import cuda
from scripts.hopper import record, render
from scripts.in_vllm.hopper_cases import TESTS
from scripts.selection import main, report
from scripts.site.found import Record


def of_matrix() -> Record:
    """What vLLM selects, as `make matrix UPDATE=1` wrote it."""
    found = main.recorded()
    return Record(report.as_data(found.table), found.tree, found.day)


def of_footprint() -> Record:
    """What experts of real models take, as `make footprint UPDATE=1` wrote it."""
    found = footprint.read()
    return Record(table.as_data(found.rows), found.tree, found.day)


def of_cuda() -> Record:
    """What a CUDA device gave, as `make hopper STEP=device UPDATE=1` wrote it."""
    found = cuda.recorded()
    of = cuda.made_on(found)
    return Record(found, of.tree, found["machine"]["date"], of.ran)


def of_hopper() -> Record:
    """What the kernels gave on a Hopper GPU, each release of FlashInfer.

    Day and tree are those of the newest release's; each run says its own, too.
    """
    found = record.recorded()
    of = record.made_on(found[-1])
    return Record(
        {"runs": [render.as_data(each) for each in found]},
        of.tree,
        found[-1]["machine"]["date"],
        of.ran,
        TESTS,
    )
