# SPDX-License-Identifier: Apache-2.0
"""The footprint as a table, with the largest ratio last, held to a bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.base.errors import Finding
from scripts.footprint import cutlass
from scripts.footprint.count import TOKENS, Row
from scripts.selection.report import columns, short

BOUND = 1.10
"""Largest ratio of bytes to upstream's default that is selected by itself."""
COLUMNS = (
    "model", "TP", "fork", "GiB", "upstream", "GiB", "weights", "scratch MiB",
    "upstream's MiB", "all", "more, because",
)  # fmt: skip
NOTES = (
    "NVFP4 experts of one GPU, all layers, as vLLM's own code lays them out on the "
    f"meta device, both with the same FlashInfer; calls of at most {TOKENS} tokens.",
    "weights: packed values and block scales, fork over upstream's default; scratch: "
    "what all layers share, the fork's and upstream's; all: weights and scratch. Both "
    f"ratios are held to {BOUND:.2f}.",
    f"The fork keeps its scratch. {cutlass.BACKEND} allocates its own in C++ for each "
    "call, and other work has that memory between calls: it is counted once, as a "
    f"lower bound, three buffers by the source of FlashInfer {cutlass.READ_IN}, so "
    "that all is no less than it is while experts run.",
)


def comparable(rows: Sequence[Row]) -> list[Row]:
    """Those that both load, the largest ratio of weights last."""
    return sorted((row for row in rows if row.comparable), key=_ratios)


def _ratios(row: Row) -> tuple[float, float]:
    return round(row.weights_ratio, 3), row.ratio


def alone(rows: Sequence[Row]) -> list[Row]:
    """Those that upstream's default does not load."""
    return [row for row in rows if not row.fork.stopped and row.upstream.stopped]


def worse(rows: Sequence[Row]) -> list[str]:
    """What is selected by itself and is worse than upstream's default, in words."""
    said = []
    for row in rows:
        name = f"{row.model.name} TP {row.tensor_parallel}"
        if row.fork.stopped and not row.upstream.stopped:
            said.append(f"{name}: {row.fork.stopped}")
        elif row.comparable and not row.weights_ratio <= BOUND:
            said.append(f"{name}: {row.weights_ratio:.2f} times the bytes")
        elif row.comparable and not row.ratio <= BOUND:
            said.append(f"{name}: {row.ratio:.2f} times the bytes, with scratch")
    return said


def hold(rows: Sequence[Row]) -> None:
    """Raise where a row is worse than upstream's default.

    Raises:
        Finding: It is; each row is named.
    """
    if said := worse(rows):
        raise Finding(
            "what is selected by itself takes more than upstream's default",
            expected=f"at most {BOUND:.2f} times its bytes, and what it loads",
            found="\n".join(said),
            next="fix the patch that selects it",
        )


def why(row: Row) -> str:
    """What a row above one is larger by, in words."""
    said = []
    if row.weights_ratio > 1:
        rank = row.model.rank(row.tensor_parallel)
        said.append(f"I = {rank} is padded to whole tiles")
    if row.fork.scratch > row.upstream.scratch and row.ratio > 1:
        said.append("more scratch")
    return "; ".join(said)


def cells(row: Row) -> tuple[str, ...]:
    """One row, as text."""
    return (
        row.model.name,
        str(row.tensor_parallel),
        short(row.fork.chosen),
        f"{row.total(row.fork) / 2**30:.2f}",
        short(row.upstream.chosen),
        f"{row.total(row.upstream) / 2**30:.2f}",
        f"{row.weights_ratio:.3f}",
        f"{row.fork.scratch / 2**20:.0f}",
        f"{row.upstream.scratch / 2**20:.0f}",
        f"{row.ratio:.3f}",
        why(row),
    )


def render(rows: Sequence[Row]) -> str:
    """For a person."""
    lines = columns([COLUMNS, *map(cells, comparable(rows))])
    if others := alone(rows):
        lines += ["", "Loaded by the fork alone; what upstream's default says:"]
        told = [
            (
                row.model.name,
                str(row.tensor_parallel),
                short(row.fork.chosen),
                f"{row.total(row.fork) / 2**30:.2f}",
                row.upstream.stopped.partition(":")[0],
            )
            for row in others
        ]
        lines += columns(told)
    neither = [row for row in rows if row.fork.stopped and row.upstream.stopped]
    if neither:
        lines += ["", "Loaded by neither:"]
        lines += [
            f"{row.model.name} TP {row.tensor_parallel}: {row.fork.stopped}"
            for row in neither
        ]
    return "\n".join([*lines, "", *NOTES])


def as_data(rows: Sequence[Row]) -> dict[str, Any]:
    """For `scripts.reports.write`."""
    return {
        "title": "Bytes of experts, fork beside upstream's default",
        "columns": list(COLUMNS),
        "rows": [list(cells(row)) for row in comparable(rows)],
        "notes": list(NOTES),
    }
