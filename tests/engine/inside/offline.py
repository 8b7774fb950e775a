# SPDX-License-Identifier: Apache-2.0
"""``LLM`` on a CPU, with settings that leave out what a test does not look at."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from vocabulary import SIZE

Tokens = list[int]


def engine(folder: Path, **more: Any) -> Any:
    """``LLM(folder)``."""
    from vllm import LLM

    return LLM(str(folder), **arguments(**more))


def arguments(**more: Any) -> dict[str, Any]:
    """An engine's: eager, as CPU graphs are none of SM12x's, and a small cache."""
    usual: dict[str, Any] = {
        "dtype": "bfloat16",
        "enforce_eager": True,
        "max_model_len": 512,
        "max_num_batched_tokens": 512,
        "max_num_seqs": 16,
        "block_size": 32,
        "kv_cache_memory_bytes": 1 << 26,
        "max_logprobs": -1,
        "worker_extension_cls": "worker_part.WorkerPart",
    }
    return usual | more


def prompts(count: int, length: int, seed: int = 0) -> list[Tokens]:
    """Random tokens, none of them special."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(3, SIZE, (count, length), generator=rng).tolist()


def generate(llm: Any, given: Sequence[Tokens], count: int) -> list[Any]:
    """Greedy; the requests go in at once, and their outputs come in order."""
    asked = [{"prompt_token_ids": tokens} for tokens in given]
    return llm.generate(asked, greedy(count), use_tqdm=False)


def greedy(count: int) -> Any:
    """How that many tokens are chosen."""
    from vllm import SamplingParams

    return SamplingParams(
        temperature=0, max_tokens=count, ignore_eos=True, logprobs=0, detokenize=False
    )


def tokens_of(output: Any) -> Tokens:
    return list(output.outputs[0].token_ids)


def logprobs_of(output: Any) -> list[float]:
    """Of the tokens that it chose."""
    done = output.outputs[0]
    pairs = zip(done.token_ids, done.logprobs, strict=True)
    return [each[token].logprob for token, each in pairs]


def after(llm: Any, given: Sequence[Tokens]) -> torch.Tensor:
    """Log probabilities of all tokens after each prompt: [prompts, SIZE] float32."""
    asked = [{"prompt_token_ids": tokens} for tokens in given]
    return logits_of(llm.generate(asked, next_token(), use_tqdm=False))


def next_token() -> Any:
    """How one token is chosen, with what is said of all others."""
    from vllm import SamplingParams

    return SamplingParams(temperature=0, max_tokens=1, logprobs=-1, detokenize=False)


def logits_of(outputs: Sequence[Any]) -> torch.Tensor:
    """Of all tokens, where `next_token` chose: [outputs, SIZE] float32."""
    said = [output.outputs[0].logprobs[0] for output in outputs]
    return torch.tensor([[each[t].logprob for t in range(SIZE)] for each in said])


def apart_of(got: torch.Tensor, want: torch.Tensor) -> float:
    """Norm of the difference of logits over that of ``want``.

    Both are log probabilities [..., tokens]; what softmax takes away is left out.
    """
    a, b = (each - each.mean(-1, keepdim=True) for each in (got, want))
    return float((a - b).norm() / b.norm())


def score(llm: Any, sequences: Sequence[Tokens], start: int) -> torch.Tensor:
    """Log probabilities of all tokens after each prefix of the sequences.

    Args:
        llm: The engine.
        sequences: Prompt and continuation, all of one length L.
        start: Length of the prompt.

    Returns:
        [sequences, L - start, SIZE] float32: row i says what follows token
        start + i - 1.
    """
    from vllm import SamplingParams

    how = SamplingParams(
        temperature=0, max_tokens=1, ignore_eos=True, prompt_logprobs=-1,
        detokenize=False,
    )  # fmt: skip
    asked = [{"prompt_token_ids": tokens} for tokens in sequences]
    rows = []
    for output in llm.generate(asked, how, use_tqdm=False):
        said = output.prompt_logprobs[start:]
        rows.append([[each[t].logprob for t in range(SIZE)] for each in said])
    return torch.tensor(rows)


@contextmanager
def lines() -> Iterator[list[str]]:
    """What vLLM logs while the block runs, in this process.

    What it says once only, it says again. Loading an engine sets up logging anew, so
    that a handler would be lost; each line is seen where it is made.
    """
    import vllm.logger

    for name in ("_print_info_once", "_print_warning_once"):
        getattr(vllm.logger, name).cache_clear()
    said: list[str] = []
    handle = logging.Logger.handle

    def seen(self: logging.Logger, record: logging.LogRecord) -> None:
        if record.name.startswith("vllm"):
            said.append(record.getMessage())
        handle(self, record)

    logging.Logger.handle = seen
    try:
        yield said
    finally:
        logging.Logger.handle = handle


def end(llm: Any) -> None:
    """Let go of an engine of this process, so that another one can start."""
    from vllm.distributed import cleanup_dist_env_and_memory

    llm.llm_engine.engine_core.shutdown()
    cleanup_dist_env_and_memory()


def asked(llm: Any, name: str, **kwargs: Any) -> Any:
    """A method of its one worker, see ``worker_part``."""
    (answer,) = llm.collective_rpc(name, kwargs=kwargs)
    return answer


def forget(llm: Any) -> None:
    """Empty the prefix cache."""
    if not llm.reset_prefix_cache():
        raise AssertionError("the prefix cache was not reset")


def agreeing(some: Sequence[Tokens], others: Sequence[Tokens]) -> int:
    """How many tokens agree, up to the first of each sequence that does not."""
    total = 0
    for a, b in zip(some, others, strict=True):
        for x, y in zip(a, b, strict=True):
            if x != y:
                break
            total += 1
    return total


def apart(some: Sequence[Any], others: Sequence[Any]) -> float:
    """Largest difference of log probabilities, up to the first token that differs."""
    most = 0.0
    for a, b in zip(some, others, strict=True):
        pairs = zip(
            tokens_of(a), tokens_of(b), logprobs_of(a), logprobs_of(b), strict=True
        )
        for x, y, p, q in pairs:
            most = max(most, abs(p - q)) if x == y else most
            if x != y:
                break
    return most
