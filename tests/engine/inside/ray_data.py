# SPDX-License-Identifier: Apache-2.0
"""Two ranks of data parallelism as vLLM's own server starts them through Ray.

``--data-parallel-backend ray``: each rank is an engine of its own in an actor, on a
node of its own, and has a worker in another actor there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray_double
from offline import Tokens, arguments, greedy, logits_of, next_token, tokens_of
from ranks_data import RANKS, SHARES, prompts_of
from split import COUNT, ROOM


def asked(checkpoint: Path, chosen: dict[str, str]) -> list[Any]:
    """What the ranks say, as ``ranks_data.forked`` has it."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    try:
        return asyncio.run(_asked(checkpoint, chosen))
    finally:
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"


async def _asked(checkpoint: Path, chosen: dict[str, str]) -> list[Any]:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    engine = AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=str(checkpoint),
            data_parallel_size=RANKS,
            data_parallel_size_local=1,
            data_parallel_backend="ray",
            data_parallel_address=ray_double.head(),
            **arguments(max_num_batched_tokens=ROOM, **chosen),
        )
    )
    try:
        found = [await _step(engine, share) for share in SHARES]
        kernels = await _of_all(engine, "sm12x_kernels")
        nodes = await _of_all(engine, "sm12x_node")
        held = await _of_all(engine, "sm12x_bytes")
    finally:
        engine.shutdown()
    return [
        {
            "steps": [step[rank] for step in found],
            "kernels": kernels[rank],
            "node": nodes[rank],
            "bytes": held[rank],
        }
        for rank in range(RANKS)
    ]


async def _step(engine: Any, share: Sequence[int]) -> list[dict[str, Any]]:
    """All prompts of both ranks at once, each at its rank."""
    given = [prompts_of(share, rank) for rank in range(RANKS)]
    before = [len(calls["moe"]) for calls in await _of_all(engine, "sm12x_calls")]
    logits = await _answers(engine, given, next_token())
    tokens = await _answers(engine, given, greedy(COUNT))
    calls = await _of_all(engine, "sm12x_calls")
    return [
        {
            "logits": logits_of(logits[rank]),
            "tokens": [tokens_of(each) for each in tokens[rank]],
            "sizes": [size for _, size in calls[rank]["moe"][before[rank] :]],
        }
        for rank in range(RANKS)
    ]


async def _of_all(engine: Any, name: str) -> list[Any]:
    """What a method of ``worker_part`` says, by rank, of whom each has one worker."""
    every = await engine.engine_core.call_utility_all_async(
        "collective_rpc", name, None, (), {}
    )
    return [answer for (answer,) in every]


async def _answers(
    engine: Any, given: Sequence[Sequence[Tokens]], how: Any
) -> list[list[Any]]:
    async def one(tokens: Tokens, rank: int, number: int) -> Any:
        last = None
        async for output in engine.generate(
            {"prompt_token_ids": tokens},
            how,
            f"{rank}-{number}",
            data_parallel_rank=rank,
        ):
            last = output
        return last

    every = [
        asyncio.gather(*(one(tokens, rank, n) for n, tokens in enumerate(prompts)))
        for rank, prompts in enumerate(given)
    ]
    return [list(answers) for answers in await asyncio.gather(*every)]
