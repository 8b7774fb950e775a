# SPDX-License-Identifier: Apache-2.0
"""A model split over processes by vLLM's mp executor: ``ranks.py FOLDER OUT``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from checkpoint import Format
from held import counted, footprint
from model import Tiny, write
from offline import agreeing, forget, prompts
from rows import Rows
from split import (
    CLOSE,
    COUNT,
    LIMIT,
    ROOM,
    Said,
    Split,
    apart,
    ask,
    by_fork,
    heard,
    left,
    running,
    started,
)
from told import logged, quoted

LONG = 2 * ROOM + 32
ONE, TWO = Split(), Split(tensor=2)
# By the intermediate size that a rank of two has: FlashInfer's kernels take the first
# as it is, and read the second as 256.
WHOLE, PADDED = "of 256 a rank", "of 160 a rank, padded"
SIZES = {WHOLE: 512, PADDED: 320}
REFUSED = 272
UP = (
    "world_size=2 rank=1 local_rank=1",
    "rank 0 in world size 2 is assigned as",
    "NVFP4 W4A4 MoE on SM120",
)
GEMMS = 4
"""Calls of the GEMM that warm a rank up: q, k and v are one matrix, so that each layer
has the same two; tiles begin at 1 and 2 tokens, the next at more than ``ROOM``."""
NOT_STARTED = "WorkerProc initialization failed"
NAMED = {"moe_backend": "flashinfer_cutedsl_sm12x"}
# Padding makes the weights too large for it to be selected by itself.
CHOSEN = {WHOLE: {}, PADDED: NAMED}
Counts = dict[tuple[str, int], dict[str, Any]]
"""What `make footprint` says of a layer, by size and ranks of tensor parallelism."""


def tiny(size: int, form: Format, seed: int = 0) -> Tiny:
    return Tiny(0.01, form, linear=True, intermediate=size, seed=seed)


def given() -> tuple[list[list[int]], list[int]]:
    """Short prompts, and one that takes several calls."""
    (long,) = prompts(1, LONG, seed=1)
    return prompts(3, 20), long


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    by_fork()
    found: dict[Split, Said] = {}
    kinds = [(name, split.tensor) for name in SIZES for split in (ONE, TWO)]
    cases = [
        (tiny(SIZES[name], Format.MODELOPT), ranks, CHOSEN[name])
        for name, ranks in kinds
    ]
    counts = dict(zip(kinds, footprint(cases, ROOM), strict=True))
    for form in Format:
        for name in SIZES:
            found = halved(rows, folder, form, name, counts) or found
        refused(rows, folder, form)
    first = folder / f"ranks {Format.MODELOPT.value} {SIZES[WHOLE]}"
    staged(rows, first, found, counts)
    reloaded(rows, folder, first)
    out.write_text(json.dumps(rows), encoding="utf-8")


def halved(
    rows: Rows, folder: Path, form: Format, name: str, counts: Counts
) -> dict[Split, Said]:
    """TP 2 against TP 1; what both said of the first checkpoint, else nothing."""
    size = SIZES[name]
    checkpoint = write(folder / f"ranks {form.value} {size}", tiny(size, form))
    said = {}
    for split in (ONE, TWO):
        log: list[str] = []  # of this split alone
        with heard(log), started(checkpoint, split, **CHOSEN[name]) as llm:
            said[split] = ask(llm, *given())
            kernels = llm.collective_rpc("sm12x_kernels")
            held = llm.collective_rpc("sm12x_bytes")
            warm = llm.collective_rpc("sm12x_warm_up")
        if form is Format.MODELOPT:
            step = (
                f"{split.name}: bytes a rank, intermediate size {size // split.tensor}"
            )
            layers = tiny(size, form).layers
            counted(rows, step, layers, counts[name, split.tensor], held)
    far = apart(said[TWO], said[ONE])
    ours = [rank["moe"] == ["FlashInferCuteDSLSM12xExperts"] for rank in kernels]
    rows.add(
        f"TP 2, {form.value}, intermediate size {name}",
        f"TP 1's logits within {CLOSE}, the fork's experts on both ranks",
        f"error {far:.4f}; {sum(ours)} ranks of {len(ours)} on the fork's experts",
        0 < far <= CLOSE and ours == [True, True],
    )  # fmt: skip
    if form is not Format.MODELOPT or name != WHOLE:
        return {}
    wanted = [ROOM, ROOM, LONG - 2 * ROOM]
    logged(rows, "TP 2: log", UP, log)
    layers = tiny(size, form).layers
    warmed(rows, "TP 2: warm-up", warm, layers)
    chunks = [sizes[: 3 * layers : layers] for sizes in said[TWO].sizes]
    rows.add(
        "TP 2: chunked prefill", f"{wanted} tokens a call on both ranks",
        " and ".join(map(str, chunks)), chunks == [wanted] * 2,
    )  # fmt: skip
    return said


def warmed(rows: Rows, step: str, found: list[dict[str, int]], layers: int) -> None:
    """One row: each rank's calls, and what has some, in so many layers of its own."""
    rows.add(
        step,
        f"on each rank, by experts, q, k and v, and o of {layers} layers: each call "
        f"that the series counts for experts, and {GEMMS} of the GEMM",
        "; ".join(
            f"{rank['moe']} and {rank['linear']} calls of {rank['providers']} providers"
            for rank in found
        ),
        len(found) == TWO.tensor
        and all(
            rank["moe"] == rank["moe wanted"] > 0
            and rank["linear"] == GEMMS
            and rank["providers"] == 3 * layers
            for rank in found
        ),
    )  # fmt: skip


def refused(rows: Rows, folder: Path, form: Format) -> None:
    """A size that no rank can take: all say so, and the start ends."""
    checkpoint = write(folder / f"ranks {form.value} {REFUSED}", tiny(REFUSED, form))
    said: list[str] = []
    ended, before, begun = "", running(), time.monotonic()
    with heard(said):
        try:
            with started(checkpoint, TWO, **NAMED):
                pass
        except Exception as error:
            ended = str(error)
    remain = left(before, begun)
    took = time.monotonic() - begun
    words = f"intermediate size {REFUSED // 2} per rank, which is no multiple of 16"
    ranks = sorted(
        {
            line.partition("Worker_")[2][:3]
            for line in said
            if words in line and "Worker_" in line and "Error" in line
        }
    )
    rows.add(
        f"TP 2, {form.value}, intermediate size of {REFUSED // 2} a rank",
        f"both ranks refuse with the reason, and the start ends within {LIMIT:.0f} s "
        "with the error that docs/gpu-owners.md quotes, and no process left",
        f"{', '.join(ranks) or 'no rank'}: {words}; {ended or 'it started'} after "
        f"{took:.0f} s, {len(remain)} processes left",
        ranks == ["TP0", "TP1"] and ended == quoted(NOT_STARTED) and not remain
        and took < LIMIT,
    )  # fmt: skip


def staged(
    rows: Rows, checkpoint: Path, found: dict[Split, Said], counts: Counts
) -> None:
    """PP 2 is TP 1, and TP 2 x PP 2 is TP 2, to the bit."""
    layers = tiny(SIZES[WHOLE], Format.MODELOPT).layers // 2
    for like in (ONE, TWO):
        split = replace(like, pipeline=2)
        with started(checkpoint, split) as llm:
            said = ask(llm, *given())
            ranks = len(llm.collective_rpc("sm12x_kernels"))
            held = llm.collective_rpc("sm12x_bytes")
            if like is ONE:
                warm = llm.collective_rpc("sm12x_warm_up")
                warmed(rows, "PP 2: warm-up", warm, layers)
        step = f"{split.name}: bytes a rank"
        counted(rows, step, layers, counts[WHOLE, split.tensor], held)
        far = apart(said, found[like])
        rows.add(
            split.name, f"the bits of {like.name}",
            f"{ranks} processes; error {far}; "
            f"{agreeing(said.tokens, found[like].tokens)} of {COUNT * 4} tokens",
            said.equals(found[like]) and ranks == split.tensor * 2,
        )  # fmt: skip


def reloaded(rows: Rows, folder: Path, first: Path) -> None:
    """Other weights into both ranks, against an engine that has had no others."""
    size = SIZES[WHOLE]
    second = write(folder / "ranks other", tiny(size, Format.MODELOPT, seed=1))
    with started(first, TWO) as llm:
        before = ask(llm, *given())
        where = llm.collective_rpc("sm12x_addresses")
        llm.collective_rpc("reload_weights", kwargs={"weights_path": str(second)})
        forget(llm)
        after = ask(llm, *given())
        stayed = [
            a == b
            for a, b in zip(
                where, llm.collective_rpc("sm12x_addresses"), strict=True
            )
        ]  # fmt: skip
    with started(second, TWO) as llm:
        fresh = ask(llm, *given())
    rows.add(
        "TP 2: weight reload", "a new engine's bits, no address moves on any rank",
        f"error {apart(after, fresh)}, {apart(before, fresh):.2f} before; "
        f"{stayed.count(True)} ranks of {len(stayed)} have all addresses",
        after.equals(fresh) and not before.equals(fresh) and stayed == [True, True],
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
