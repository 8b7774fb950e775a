# SPDX-License-Identifier: Apache-2.0
"""What the repository itself holds, for whoever ran nothing in this checkout."""

from __future__ import annotations

from scripts.hardware import cuda
from scripts.hopper import record, render
from scripts.selection import main, report
from scripts.site.found import Record


def of_matrix() -> Record:
    """What vLLM selects, as `make matrix UPDATE=1` wrote it."""
    found = main.recorded()
    return Record(report.as_data(found.table), found.tree, found.day)


def of_cuda() -> Record:
    """What a CUDA device gave, as `make cuda UPDATE=1` wrote it."""
    found = cuda.recorded()
    return Record(found, found["tree"], found["machine"]["date"])


def of_hopper() -> Record:
    """What the kernels gave on a Hopper GPU, each release of FlashInfer.

    Its day is the last one's; records of different series name none.
    """
    found = record.recorded()
    trees = {each["bundle"]["tree"] for each in found}
    return Record(
        {"runs": [render.as_data(each) for each in found]},
        trees.pop() if len(trees) == 1 else "",
        max(each["machine"]["date"] for each in found),
    )
