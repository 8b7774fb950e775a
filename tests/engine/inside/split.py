# SPDX-License-Identifier: Apache-2.0
"""Models that are split over processes: started, asked, and what they said."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch
from offline import Tokens, after, apart_of, end, engine, generate, tokens_of

LIMIT = 240.0
"""Seconds in which all ranks end where one fails; vLLM waits 300 for a forward pass."""
ROOM, COUNT = 64, 6
"""Tokens of a call, and of an answer."""
CLOSE = 0.15
"""Of logits of the whole model: another order of BF16 sums moves a few inputs of the
next layer over the edge between two FP4 codes."""


@dataclass(frozen=True)
class Split:
    """How a model is divided.

    Attributes:
        backend: vLLM's executor, ``mp`` or ``ray``; one process of it, too, so that
            the process that asks holds no model.
    """

    tensor: int = 1
    pipeline: int = 1
    backend: str = "mp"

    @property
    def name(self) -> str:
        parts = [f"TP {self.tensor}"] if self.tensor > 1 else []
        parts += [f"PP {self.pipeline}"] if self.pipeline > 1 else []
        return " x ".join(parts) or "TP 1"

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "tensor_parallel_size": self.tensor,
            "pipeline_parallel_size": self.pipeline,
            "distributed_executor_backend": self.backend,
            "max_num_batched_tokens": ROOM,
        }


@dataclass
class Said:
    """What a model answered.

    Attributes:
        logits: Log probabilities after each of the short prompts.
        tokens: Its answers to them, and the one to the long prompt.
        sizes: Tokens of the calls that the long prompt's prefill made, by rank.
    """

    logits: torch.Tensor
    tokens: list[Tokens]
    sizes: list[list[int]] = field(default_factory=list)

    def equals(self, other: Said) -> bool:
        """Whether all bits are the same."""
        same = torch.equal(self.logits, other.logits)
        return same and self.tokens == other.tokens


def by_fork() -> None:
    """Let vLLM fork its processes, as it does on a GPU; its CPU platform spawns them.

    A spawned one imports vLLM and FlashInfer anew. No thread of OpenMP is lost, as each
    process has one.
    """
    import vllm.v1.engine.coordinator
    import vllm.v1.engine.utils
    import vllm.v1.executor.multiproc_executor

    context = multiprocessing.get_context("fork")
    for starts in (
        vllm.v1.engine.coordinator,
        vllm.v1.engine.utils,
        vllm.v1.executor.multiproc_executor,
    ):
        starts.get_mp_context = lambda: context


@contextmanager
def started(folder: Path, split: Split, **more: Any) -> Iterator[Any]:
    """The engine, which is ended behind the block."""
    llm = engine(folder, **split.arguments | more)
    try:
        if split.pipeline > 1:
            # A stage receives into tensors that its first dummy pass makes. A GPU's
            # worker has one at start; an eager CPUWorker fails with its first prompt.
            llm.collective_rpc("execute_dummy_batch")
        yield llm
    finally:
        end(llm)


def ask(llm: Any, short: Sequence[Tokens], long: Tokens) -> Said:
    """Its answers; prompts go in one after the other, so that batches are the same."""
    logits = torch.cat([after(llm, [each]) for each in short])
    tokens = [tokens_of(generate(llm, [each], COUNT)[0]) for each in short]
    before = [len(rank["moe"]) for rank in llm.collective_rpc("sm12x_calls")]
    tokens.append(tokens_of(generate(llm, [long], COUNT)[0]))
    sizes = [
        [size for _, size in rank["moe"][start:]]
        for rank, start in zip(
            llm.collective_rpc("sm12x_calls"), before, strict=True
        )
    ]  # fmt: skip
    return Said(logits, tokens, sizes)


def apart(one: Said, other: Said) -> float:
    """Norm of the difference of logits over that of the other's."""
    return apart_of(one.logits, other.logits)


def running() -> set[int]:
    """Processes below the target's own, those that have lost their parent included.

    But Python's resource trackers, which end with those that use them.
    """
    found = set()
    target = psutil.Process(int(os.environ["SM12X_ENGINE_STARTER"]))
    for each in target.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            ends_with_others = "resource_tracker" in " ".join(each.cmdline())
            if each.status() != psutil.STATUS_ZOMBIE and not ends_with_others:
                found.add(each.pid)
    return found


def left(before: set[int], begun: float) -> list[int]:
    """Processes that run and did not before; waits until there are none.

    Args:
        before: What ``running`` said.
        begun: When the ``LIMIT`` of this began, by ``time.monotonic``.
    """
    while (now := running() - before) and time.monotonic() - begun < LIMIT:
        time.sleep(0.2)
    return sorted(now)


@contextmanager
def heard(lines: list[str]) -> Iterator[Callable[[], list[str]]]:
    """What this process and those that it starts print during the block, as lines.

    All of them print to one file, which is the process's log. Yields what says the
    lines up to now.
    """
    log = Path("/proc/self/fd/1").resolve(strict=True)
    sys.stdout.flush()
    start = log.stat().st_size

    def so_far() -> list[str]:
        sys.stdout.flush()
        with log.open("rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace").splitlines()

    try:
        yield so_far
    finally:
        lines += so_far()
