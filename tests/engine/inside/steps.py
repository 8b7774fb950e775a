# SPDX-License-Identifier: Apache-2.0
"""The engine's steps, one after the other, in one process: ``steps.py FOLDER OUT``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from begin import ROOM, loaded, warm
from checkpoint import Format
from held import counted, footprint
from model import Tiny, write
from offline import (
    Tokens,
    after,
    agreeing,
    apart,
    apart_of,
    asked,
    end,
    engine,
    forget,
    generate,
    lines,
    logprobs_of,
    prompts,
    tokens_of,
)
from rows import Rows
from vllm.v1.worker.cpu_worker import CPUWorker
from vllm.v1.worker.gpu_worker import Worker

TINY = Tiny(0.01, Format.MODELOPT, linear=True)
OTHER = Tiny(0.01, Format.MODELOPT, linear=True, seed=1)
CHUNK, BLOCK, LONG, COUNT = 64, 32, 160, 16
# Of log probabilities; BF16 products of a batch are summed in another order.
CLOSE = 0.1
# Of logits; what FP4 may cost where attention has it too, see ../table.py.
FAR = 0.3


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    first, second = write(folder / "a", TINY), write(folder / "b", OTHER)
    with lines() as log:
        llm = engine(first, max_num_batched_tokens=ROOM)
    loaded(rows, llm, log)
    warm(rows, llm, TINY)
    # Of several lengths, so that prefill and decode share batches.
    short = [p[: 5 + 7 * i] for i, p in enumerate(prompts(6, 40))]
    alone = [generate(llm, [p], COUNT)[0] for p in short]
    decoded(rows, llm, alone)
    found = llm.collective_rpc("sm12x_bytes")
    (said,) = footprint([(TINY, 1, {})], ROOM)
    counted(rows, "bytes of experts", TINY.layers, said, found)
    batched(rows, llm, short, alone)
    few(rows, llm)
    (long,) = prompts(1, LONG, seed=1)
    cached(rows, llm, long)
    slept(rows, llm, first, short[:2])
    before = [tokens_of(each) for each in alone[:3]]
    after, whole = reloaded(rows, llm, second, short[:3], long)
    back(rows, llm, first, short[:3], before)
    end(llm)
    llm = engine(second, max_num_batched_tokens=CHUNK)
    fresh = [tokens_of(generate(llm, [p], COUNT)[0]) for p in short[:3]]
    rows.add(
        "weight reload: tokens", "as a new engine on that checkpoint",
        f"{agreeing(after, fresh)} of {3 * COUNT} tokens, not those of the old one",
        after == fresh and after != before,
    )  # fmt: skip
    chunked(rows, llm, long, whole)
    end(llm)
    named(rows, first)
    out.write_text(json.dumps(rows), encoding="utf-8")


def decoded(rows: Rows, llm: Any, alone: Sequence[Any]) -> None:
    calls = asked(llm, "sm12x_calls")
    counts = [len(tokens_of(each)) for each in alone]
    different = len({token for each in alone for token in tokens_of(each)})
    rows.add(
        "prefill and decode", f"{COUNT} tokens to each of {len(alone)} requests",
        f"{counts} tokens, {different} different ones",
        counts == [COUNT] * len(alone) and different > COUNT,
    )  # fmt: skip
    rows.add(
        "what FlashInfer converts", "nothing in any call",
        ", ".join(calls["converted"]) or "nothing", not calls["converted"],
    )  # fmt: skip


def batched(
    rows: Rows, llm: Any, given: Sequence[Tokens], alone: Sequence[Any]
) -> None:
    forget(llm)
    start = len(asked(llm, "sm12x_calls")["moe"])
    once = generate(llm, given, COUNT)
    sizes = [tokens for _, tokens in asked(llm, "sm12x_calls")["moe"][start:]]
    forget(llm)
    again = generate(llm, given, COUNT)
    # FlashInfer has another kernel for up to eight tokens, so that a short prompt
    # alone is rounded in another way than among others.
    pairs = [(a, b) for a, b, p in zip(once, alone, given, strict=True) if len(p) > 8]
    some, others = zip(*pairs, strict=True)
    far, most = apart(some, others), COUNT * len(pairs)
    same = agreeing([tokens_of(e) for e in some], [tokens_of(e) for e in others])
    rows.add(
        "batching", "each as alone, where the kernel is the same",
        f"{same} of {most} tokens; log probabilities at most {far:.3f} apart; "
        f"{max(sizes)} rows in the largest call",
        same == most and far <= CLOSE and max(sizes) > max(map(len, given)),
    )  # fmt: skip
    exact = all(
        tokens_of(a) == tokens_of(b) and logprobs_of(a) == logprobs_of(b)
        for a, b in zip(once, again, strict=True)
    )
    rows.add(
        "batching, again", "the same bits", "the same" if exact else "others", exact
    )


def few(rows: Rows, llm: Any) -> None:
    """Prompts for which FlashInfer has another kernel alone than among others."""
    given = prompts(16, 5, seed=2)
    forget(llm)
    alone = torch.cat([after(llm, [each]) for each in given])
    error = apart_of(after(llm, given), alone)
    rows.add(
        "batching of prompts of five tokens", f"error above 0 and up to {FAR}",
        f"error {error:.3f}: alone, they run in the kernel for up to eight tokens, "
        "which rounds in another way",
        0 < error <= FAR,
    )  # fmt: skip


def cached(rows: Rows, llm: Any, long: Tokens) -> None:
    forget(llm)
    (first,), (second,) = generate(llm, [long], COUNT), generate(llm, [long], COUNT)
    hits = first.num_cached_tokens, second.num_cached_tokens
    same = agreeing([tokens_of(first)], [tokens_of(second)])
    want = (0, (LONG - 1) // BLOCK * BLOCK)
    rows.add(
        "prefix caching", f"{want[0]} then {want[1]} of {LONG} tokens from the cache",
        f"{hits[0]} then {hits[1]}; {same} of {COUNT} tokens the same",
        hits == want and same == COUNT,
    )  # fmt: skip


def slept(rows: Rows, llm: Any, folder: Path, given: Sequence[Tokens]) -> None:
    before = [tokens_of(each) for each in generate(llm, given, COUNT)]
    with lines() as said:
        llm.sleep(level=1)
        llm.wake_up()
    words = "sleep mode is not supported on CPU, ignore it."
    stopped = said.count(words) == 2
    rows.not_run("sleep and wake", stopped, CPUWorker.sleep, words, words)
    after = [tokens_of(each) for each in generate(llm, given, COUNT)]
    rows.add(
        "sleep and wake, as far as the scheduler goes", "the same tokens",
        f"{agreeing(before, after)} of {COUNT * len(given)}", before == after,
    )  # fmt: skip
    from vllm.config import ModelConfig

    refused = ""
    try:
        ModelConfig(str(folder), enable_sleep_mode=True)
    except ValueError as error:
        refused = str(error)
    words = "Sleep mode is not supported on current platform"
    rows.not_run(
        "enable_sleep_mode", words in refused, ModelConfig.__post_init__, words, words
    )


def reloaded(
    rows: Rows, llm: Any, folder: Path, given: Sequence[Tokens], long: Tokens
) -> tuple[list[Tokens], Tokens]:
    generate(llm, given, 1)
    before = asked(llm, "sm12x_addresses")
    made = asked(llm, "sm12x_calls")["wrappers"]
    asked(llm, "reload_weights", weights_path=str(folder))
    forget(llm)
    after = [tokens_of(generate(llm, [p], COUNT)[0]) for p in given]
    (whole,) = generate(llm, [long], COUNT)
    moved = Counter(
        name for (_, name, was), (_, _, now) in
        zip(before, asked(llm, "sm12x_addresses"), strict=True) if was != now
    )  # fmt: skip
    more = asked(llm, "sm12x_calls")["wrappers"] - made
    rows.add(
        "weight reload: addresses", "none moves, no wrapper is made",
        f"{len(before)} looked at, {moved.total()} moved{list(moved) or ''}, "
        f"{more} wrappers made",
        not moved and not more,
    )  # fmt: skip
    return after, tokens_of(whole)


def back(
    rows: Rows, llm: Any, folder: Path, given: Sequence[Tokens], want: list[Tokens]
) -> None:
    asked(llm, "reload_weights", weights_path=str(folder))
    forget(llm)
    found = [tokens_of(generate(llm, [p], COUNT)[0]) for p in given]
    rows.add(
        "weight reload, back again", "the first tokens",
        f"{agreeing(found, want)} of {COUNT * len(given)}", found == want,
    )  # fmt: skip
    refused = ""
    try:
        llm.start_weight_update()
    except RuntimeError as error:
        refused = str(error)
    rows.not_run(
        "update_weights", bool(refused), Worker._check_weight_transfer_engine,
        "needs a transfer engine, and vLLM's (nccl, ipc, rdt) need a GPU",
    )  # fmt: skip


def chunked(rows: Rows, llm: Any, long: Tokens, whole: Tokens) -> None:
    forget(llm)
    start = len(asked(llm, "sm12x_calls")["moe"])
    (output,) = generate(llm, [long], COUNT)
    sizes = [tokens for _, tokens in asked(llm, "sm12x_calls")["moe"][start:]]
    prefill = sizes[: 3 * TINY.layers : TINY.layers]
    same = agreeing([tokens_of(output)], [whole])
    rows.add(
        "chunked prefill", f"{LONG} tokens in chunks of {CHUNK}, the same tokens",
        f"chunks of {prefill}; {same} of {COUNT} tokens as in one piece",
        prefill == [CHUNK, CHUNK, LONG - 2 * CHUNK] and same == COUNT,
    )  # fmt: skip


def named(rows: Rows, folder: Path) -> None:
    """The switch, and SM121, in the same process."""
    import sm12x_double
    import vllm.envs as envs

    sm12x_double.become("12.1")
    with lines() as said:
        llm = engine(folder)
    kernels = asked(llm, "sm12x_kernels")
    ours = [line.partition(".")[0] for line in said if " on SM121: " in line]
    rows.add(
        "SM121", "the same kernels", " | ".join(ours),
        len(ours) == 2 and kernels["moe"] == ["FlashInferCuteDSLSM12xExperts"],
    )  # fmt: skip
    end(llm)
    assert envs.VLLM_SM12X_AUTO_SELECT == "all"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
