# SPDX-License-Identifier: Apache-2.0
"""Two ranks of data parallelism, whose experts are split: ``ranks_data.py FOLDER OUT``.

Without expert parallelism the experts of both ranks are one tensor parallel group, and
each call has the tokens of both.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import data_double
import sm12x_double
import torch
import vllm.v1.worker.cpu_worker  # noqa: F401  likewise
from checkpoint import Format
from held import counted, footprint
from model import Tiny, write
from offline import (
    Tokens,
    after,
    agreeing,
    apart_of,
    end,
    engine,
    generate,
    prompts,
    tokens_of,
)
from over_http import free_port
from ranks import CHOSEN, PADDED, SIZES, WHOLE, tiny
from rows import Rows
from split import CLOSE, COUNT, ROOM, by_fork

RANKS, LIMIT = 2, 600
FORMS = {WHOLE: Format.COMPRESSED, PADDED: Format.MODELOPT}
# Each rank's prompts, of several lengths; then one rank alone has some.
SHARES = (5, 1), (3, 0)


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    by_fork()
    sm12x_double.install()  # here, so that the ranks, which are forks, have it imported
    rows.not_run(
        "DP 2 on a CPU without a double of two collectives", data_double.lacking(),
        data_double.LACKING, "CpuCommunicator has none", data_double.WORDS,
    )  # fmt: skip
    data_double.install()
    for name, size in SIZES.items():
        path = folder / f"ranks data {size}"
        checkpoint = write(path, tiny(size, FORMS[name]))
        (whole,) = forked(folder, checkpoint, CHOSEN[name], [None])
        found = forked(folder, checkpoint, CHOSEN[name], range(RANKS))
        step = f"DP 2, {FORMS[name].value}, intermediate size {name}"
        for number, share in enumerate(SHARES):
            judged(rows, step, number, whole, found, largest(share))
        bytes_counted(rows, step, tiny(size, FORMS[name]), found, CHOSEN[name])
    out.write_text(json.dumps(rows), encoding="utf-8")


def largest(share: Sequence[int]) -> int:
    """Tokens of the largest call: those of both ranks; an idle one brings one."""
    tokens = (sum(map(len, prompts_of(share, rank))) for rank in range(RANKS))
    return sum(min(max(each, 1), ROOM) for each in tokens)


def bytes_counted(
    rows: Rows, step: str, tiny: Tiny, found: Any, chosen: Mapping[str, str]
) -> None:
    """One row: experts in halves, and room for the tokens of both ranks."""
    (said,) = footprint([(tiny, RANKS, chosen)], RANKS * ROOM)
    held = [each["bytes"] for each in found]
    counted(rows, f"{step}: bytes a rank", tiny.layers, said, held)


def judged(
    rows: Rows, name: str, number: int, whole: Any, found: Any, most: int | None = None
) -> None:
    """One step of both ranks, against one process with all prompts.

    Args:
        rows: Where it goes.
        name: Of the step.
        number: Which of ``SHARES``.
        whole: What the one process said.
        found: What the ranks said.
        most: Tokens of the largest call; None where it depends on when prompts come.
    """
    share = SHARES[number]
    parts = [each["steps"][number] for each in found]
    logits = torch.cat([part["logits"] for part in parts])
    tokens = [each for part in parts for each in part["tokens"]]
    want = whole["steps"][number]
    far = apart_of(logits, want["logits"])
    same = f"{agreeing(tokens, want['tokens'])} of {COUNT * len(tokens)} tokens"
    calls = [max(part["sizes"], default=0) for part in parts]
    ours = all(
        each["kernels"]["moe"] == ["FlashInferCuteDSLSM12xExperts"] for each in found
    )
    rows.add(
        f"{name}, {share[0]} and {share[1]} prompts",
        f"one process's logits within {CLOSE}, largest calls on both ranks "
        f"of {most or 'some'} tokens",
        f"error {far:.4f}; {same}; largest calls {calls}",
        far <= CLOSE and ours and len(tokens) == sum(share)
        and (calls == [most] * RANKS if most else min(calls) > 0),
    )  # fmt: skip


def forked(
    folder: Path,
    checkpoint: Path,
    chosen: dict[str, str],
    asked: Sequence[int | None],
) -> list[Any]:
    """What these ranks say, which run at once; None is the whole model by itself."""
    context = multiprocessing.get_context("fork")
    outs = [folder / f"data {number}.pickle" for number in range(len(asked))]
    port = free_port()
    ranks = [
        context.Process(target=one, args=(checkpoint, chosen, rank, port, out))
        for rank, out in zip(asked, outs, strict=True)
    ]
    for each in ranks:
        each.start()
    until = time.monotonic() + LIMIT
    while None in (codes := [each.exitcode for each in ranks]) and not any(codes):
        left = until - time.monotonic()
        running = [r.sentinel for r, c in zip(ranks, codes, strict=True) if c is None]
        if left <= 0 or not multiprocessing.connection.wait(running, left):
            break
    if any(codes) or None in codes:
        for each in ranks:  # one that waits for another never ends
            each.kill()
        raise RuntimeError(f"the ranks' processes ended with {codes}")
    return [pickle.loads(out.read_bytes()) for out in outs]


def one(
    checkpoint: Path, chosen: dict[str, str], rank: int | None, port: int, out: Path
) -> None:
    """A rank, or the whole model in one process."""
    if rank is not None:
        told = {"RANK": rank, "RANK_LOCAL": rank, "SIZE": RANKS, "MASTER_PORT": port}
        told["MASTER_IP"] = "127.0.0.1"
        os.environ.update({f"VLLM_DP_{name}": str(v) for name, v in told.items()})
    llm = engine(checkpoint, max_num_batched_tokens=ROOM, **chosen)
    steps = []
    for share in SHARES:
        steps.append(_step(llm, prompts_of(share, rank)))
    (kernels,) = llm.collective_rpc("sm12x_kernels")
    (held,) = llm.collective_rpc("sm12x_bytes")
    told = {"steps": steps, "kernels": kernels, "bytes": held}
    out.write_bytes(pickle.dumps(told))
    end(llm)


def prompts_of(share: Sequence[int], rank: int | None) -> list[Tokens]:
    """A rank's prompts of one step, or all."""
    given = [p[: 9 + 4 * i] for i, p in enumerate(prompts(sum(share), 40))]
    if rank is None:
        return given
    start = sum(share[:rank])
    return given[start : start + share[rank]]


def _step(llm: Any, given: list[list[int]]) -> dict[str, Any]:
    """All prompts at once; a rank without any takes part in the others' calls."""
    (before,) = (len(each["moe"]) for each in llm.collective_rpc("sm12x_calls"))
    logits = after(llm, given)
    tokens = [tokens_of(each) for each in generate(llm, given, COUNT)]
    (calls,) = llm.collective_rpc("sm12x_calls")
    sizes = [size for _, size in calls["moe"][before:]]
    return {"logits": logits, "tokens": tokens, "sizes": sizes}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
