# SPDX-License-Identifier: Apache-2.0
"""The servers that docs/gpu-owners.md tells to type for the GPUs of one machine."""

from __future__ import annotations

from pathlib import Path

from rows import Rows
from split import COUNT
from told import commands
from typed import Answers, Command, answers, lengths, of_copies

# vLLM's own: else the second copy wants a second memory node of the machine.
SIMULATED = {"VLLM_CPU_SIM_MULTI_NUMA": "0"}


def typed(rows: Rows, checkpoint: Path, logs: Path) -> Answers:
    """A row for each; what two ranks of tensor parallelism answer."""
    tensor, pipeline, both, copies = commands("Two GPUs in one machine")
    want, ranks = _served(tensor, checkpoint, logs / "one machine.log")
    rows.add(
        "vllm serve, two ranks on one machine", "answers, as the page has it typed",
        f"{lengths(want)} tokens by {ranks} ranks",
        lengths(want) == [COUNT] * len(want) and ranks == 2,
    )  # fmt: skip
    # That their bits are one process's is `ranks.staged`'s to say.
    got, ranks = _served(pipeline, checkpoint, logs / "one machine, stages.log")
    rows.add(
        "vllm serve, two stages on one machine", "answers, as the page has it typed",
        f"{lengths(got)} tokens by {ranks} ranks",
        lengths(got) == [COUNT] * len(want) and ranks == 2,
    )  # fmt: skip
    got, ranks = _served(both, checkpoint, logs / "one machine, both.log")
    rows.add(
        "vllm serve, both on one machine", "the bits of two ranks, as it is typed",
        f"{sum(a == b for a, b in zip(got, want, strict=True))} of {len(want)} answers "
        f"by {ranks} ranks",
        got == want and ranks == 4,
    )  # fmt: skip
    log = logs / "one machine, copies.log"
    with Command(copies, checkpoint, log, environ=SIMULATED) as server:
        server.wait(server.alive)
        said, done = of_copies(server)
    answered(rows, "vllm serve, copies on one machine", said, done)
    return want


def _served(block: str, checkpoint: Path, log: Path) -> tuple[Answers, int]:
    """Its answers, and how many workers it has."""
    with Command(block, checkpoint, log) as server:
        server.wait(server.alive)
        if "pipeline" in block:  # see `split.started`
            server.workers("execute_dummy_batch")
        return answers(server), len(set(server.workers("sm12x_process")))


def answered(rows: Rows, step: str, said: list[Answers], done: list[list[int]]) -> None:
    """One row: each copy answers what it is asked; ``ranks_data`` says how exactly."""
    one, other = said
    rows.add(
        step, f"{len(one)} answers by each copy, the same by both",
        f"{lengths(one)} and {lengths(other)} tokens; requests of the first {done[0]}, "
        f"then of the second {done[1]}; "
        f"{sum(a == b for a, b in zip(one, other, strict=True))} the same",
        lengths(one) == [COUNT] * len(one) and one == other
        and done == [[len(one), 0], [0, len(other)]],
    )  # fmt: skip
