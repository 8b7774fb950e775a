# SPDX-License-Identifier: Apache-2.0
"""Layers split over two GPUs, against the whole layer on one: a process a rank.

Each rank makes the whole layer from the same seed, and its own share of it, as vLLM's
loader would cut it. The shares run in a CUDA graph with vLLM's all-reduce on NCCL, and
their sum is held against the whole layer. ``--parts ranks`` starts the processes;
NVLink multicast stays as the machine's variables say. While kernels are written down
there is one process, which reaches those of both sizes.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import hopper_cases
import kernel_calls
import layers
import linear
import models
import pair
import sanitizer
import torch
from hopper_calls import REPLAYS
from hopper_models import SPLIT, SPLIT_CHECKED, SPLIT_LINEAR, SPLIT_TOKENS, Model
from models import MAX_TOKENS

COLUMNS = hopper_cases.COLUMNS["ranks"]
RANKS = 2
LAUNCHED: Counter[str] = Counter()
"""Of each kernel, by this process."""
_NOT_CALLED = ("ncclCommSuspend", "ncclCommResume")


def rows(stage: Any) -> Iterator[list[Any]]:
    """Rows of both ranks as one; of this rank, where this is one of two processes."""
    if stage.recording or pair.RANK is not None:
        check = pair.CHECK in os.environ
        yield from shares(stage, check)
        if check and not stage.recording:
            told = (f"{n} {name}" for name, n in sorted(LAUNCHED.items()))
            print(sanitizer.SAID + ", ".join(told), flush=True)
        return
    for one, other in zip(*pair.both("ranks", stage.capability), strict=True):
        alike = "the same" if one[-1] == other[-1] else "others"
        worse = [max(a, b) for a, b in zip(one[6:9], other[6:9], strict=True)]
        yield [*one[:6], *worse, alike]


def shares(stage: Any, check: bool) -> Iterator[list[Any]]:
    """A row for each layer and number of tokens, with a digest of the sum's bits.

    Args:
        stage: Where it stands.
        check: Only what compute-sanitizer looks at.
    """
    stage.checked = check
    reduce = _reducer(stage)
    for model, counts in (SPLIT_CHECKED if check else SPLIT).items():
        yield from _moe(stage, reduce, model, counts)
        if not stage.recording:
            torch.cuda.empty_cache()
    for n, k in SPLIT_LINEAR[:1] if check else SPLIT_LINEAR:
        yield from _linear(stage, reduce, n, k)


def _reducer(stage: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """vLLM's all-reduce on NCCL, as its CUDA graphs hold it."""
    if stage.recording:
        return lambda x: x
    from vllm.distributed.device_communicators import pynccl_wrapper
    from vllm.distributed.device_communicators.pynccl import PyNcclCommunicator
    from vllm.distributed.utils import StatelessProcessGroup

    # Of NCCL 2.29.7, which PyTorch here need not have; nothing calls them.
    library = pynccl_wrapper.NCCLLibrary
    library.exported_functions = [
        each for each in library.exported_functions if each.name not in _NOT_CALLED
    ]
    rank, port = pair.RANK or 0, int(os.environ[pair.PORT])
    group = StatelessProcessGroup.create("127.0.0.1", port, rank, RANKS)
    communicator = PyNcclCommunicator(group, torch.device("cuda:0"))
    if communicator.disabled:
        raise RuntimeError("vLLM found no NCCL")
    return communicator.all_reduce


def _moe(
    stage: Any, reduce: Any, model: Model, counts: tuple[int, ...]
) -> Iterator[list[Any]]:
    sizes = model.sizes
    share = model.intermediate // RANKS
    whole = layers.build(stage, sizes, model.intermediate, MAX_TOKENS)
    mine = _share(stage, whole, sizes, share)
    for tokens in counts:
        given = layers.inputs(stage, sizes, tokens, seed=tokens)

        def run(built: layers.Built, given: Any = given) -> torch.Tensor:
            return models.run(built, *given)

        stage.recorder.fresh()
        want = run(whole)
        LAUNCHED[layers.regime(stage)] += 1
        stage.recorder.fresh()
        run(mine)
        LAUNCHED[kernel := layers.regime(stage)] += 1
        head = [model.name, kernel, tokens, model.top_k]
        head += [model.intermediate, share]
        if stage.recording:
            yield head
            continue
        exact = layers.reference(whole, *given)
        yield [*head, *_summed(kernel, lambda: run(mine), reduce, want, exact)]


def cut(whole: torch.Tensor, like: torch.Tensor, rank: int) -> torch.Tensor:
    """A rank's share of a layer's parameter, as vLLM's loader cuts it.

    Args:
        whole: [E, 2 I, ...] with the gate's rows first, [E, K, I / n], or a value an
            expert.
        like: The parameter of one rank, for its shape.
        rank: Which.
    """
    if whole.shape == like.shape:
        return whole
    if whole.shape[1] != like.shape[1]:
        halves = whole.unflatten(1, (2, -1)).chunk(RANKS, dim=2)
        return halves[rank].flatten(1, 2)
    return whole.chunk(RANKS, dim=2)[rank]


def _share(
    stage: Any, whole: layers.Built, sizes: dict[str, Any], size: int
) -> layers.Built:
    if stage.recording:
        return layers.build(stage, sizes, size, MAX_TOKENS)
    with torch.device(stage.device):
        experts = kernel_calls.experts_of(sizes, size, MAX_TOKENS, "NVFP4", layers.FORK)
    for name, parameter in experts.named_parameters():
        parameter.data.copy_(cut(whole.raw[name], parameter.data, pair.RANK or 0))
    kernel_calls.process(experts, MAX_TOKENS, layers.FORK)
    return layers.Built(experts, {}, sizes)


def _linear(stage: Any, reduce: Any, n: int, k: int) -> Iterator[list[Any]]:
    """A linear layer whose K is split, as attention's last and an MLP's down are."""
    from vllm.model_executor.layers.quantization.utils.nvfp4_utils import (
        swizzle_blockscale,
    )

    def share(whole: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        rank = pair.RANK or 0
        mine = {
            name: whole[name].chunk(RANKS, dim=1)[rank].contiguous()
            for name in ("codes", "scale")
        }
        return mine | {"swizzled": swizzle_blockscale(mine["scale"])}

    weight = linear._operand(stage, n, k, seed=n)
    for m in SPLIT_TOKENS:
        x = linear._operand(stage, m, k, seed=m)
        want = linear.call(stage, x, weight)
        both = share(x), share(weight)
        linear.call(stage, *both)
        LAUNCHED["dense"] += 2
        head = [f"linear, {n} x {k}", "dense", m, 1, k, k // RANKS]
        if stage.recording:
            yield head
            continue
        exact = linear.exact(x, weight)
        run = _call(stage, both)
        yield [*head, *_summed("dense", run, reduce, want, exact)]


def _call(stage: Any, both: Any) -> Callable[[], torch.Tensor]:
    return lambda: linear.call(stage, *both)


def _summed(
    kernel: str,
    run: Callable[[], torch.Tensor],
    reduce: Callable[[torch.Tensor], torch.Tensor],
    want: torch.Tensor,
    exact: torch.Tensor,
) -> list[Any]:
    """The ranks' sum in a graph: to one rank, to itself, to the reference, its bits."""
    eager = reduce(run()).clone()
    LAUNCHED[kernel] += 1
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = reduce(run())
    far = 0.0
    for _ in range(REPLAYS):
        out.zero_()
        graph.replay()
        LAUNCHED[kernel] += 1
        torch.cuda.synchronize()
        far = max(far, layers.apart(out, eager))
    bits = out.cpu().view(torch.int16).numpy().tobytes()
    figures = layers.apart(out, want), far, layers.apart(out, exact)
    return [*(round(f, 5) for f in figures), hashlib.sha256(bits).hexdigest()[:16]]
