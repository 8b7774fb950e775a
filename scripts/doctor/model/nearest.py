# SPDX-License-Identifier: Apache-2.0
"""The nearest thing that would fit, where what was asked for does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scripts.doctor.model import gpus
from scripts.doctor.model.assess import Assessment, Known, Wanted, assess
from scripts.doctor.model.kv import cache
from scripts.selection.table import Table

_MOST = 3
_LEAST_CONTEXT = 2048
_ROUND = 1024


@dataclass(frozen=True)
class Other:
    """Something that fits.

    Attributes:
        what: What is otherwise, for a person.
        give: The variables of `make doctor` that say it.
    """

    what: str
    give: str
    found: Assessment


def nearest(it: Known, found: Assessment, table: Table) -> list[Other]:
    """What would fit, the smallest changes first; at most three, maybe none."""
    others: list[Other] = []
    for what, give, wanted in _changes(found):
        other = assess(it, wanted, table)
        if not other.fits and not other.stops:
            context = _longest(it, other)
            if context is None:
                continue
            shorter = replace(wanted, context=context)
            alone = give == "CONTEXT"
            length = f"sequences of at most {context:,} tokens"
            what = length if alone else f"{what}, {length}"
            give = f"CONTEXT={context}" if alone else f"{give} CONTEXT={context}"
            other = assess(it, shorter, table)
        if other.fits:
            others.append(Other(what, give, other))
        if len(others) == _MOST:
            break
    return others


def _changes(found: Assessment) -> Iterator[tuple[str, str, Wanted]]:
    """What to try: words, the variables that say it, and the question."""
    wanted = found.wanted
    assert wanted.tokens is not None
    if found.kv == "nvfp4" and found.stops:
        yield "an FP8 KV cache", "KV=fp8", replace(wanted, kv="fp8")
    if not found.stops:
        yield "sequences of fewer tokens", "CONTEXT", wanted
        if found.kv == "auto":
            yield "an FP8 KV cache", "KV=fp8", replace(wanted, kv="fp8")
        for tokens in (2048, 1024, 512):
            if tokens < wanted.tokens:
                seqs = min(wanted.seqs or tokens, tokens)
                fewer = replace(wanted, tokens=tokens, seqs=seqs)
                yield f"at most {tokens} tokens a step", f"TOKENS={tokens}", fewer
    for ranks in (1, 2, 4, 8, 16, 32):
        if ranks > wanted.ranks:
            more = replace(wanted, ranks=ranks, count=max(ranks, wanted.count))
            yield f"{ranks} GPUs of the same kind", f"COUNT={ranks} TP={ranks}", more
        elif ranks < wanted.ranks and found.stops:
            fewer = replace(wanted, ranks=ranks)
            yield f"{ranks} of them sharing the model", f"TP={ranks}", fewer
    for gpu in gpus.load():
        if gpu.memory <= wanted.gpu.memory or gpu.unified:
            continue
        for ranks in (1, 2, 4, 8):
            other = replace(wanted, gpu=gpu, ranks=ranks, count=ranks)
            give = f"GPU='{gpu.name}' COUNT={ranks}"
            yield f"{ranks} x {gpu.name}", give, other


def _longest(it: Known, found: Assessment) -> int | None:
    """The longest sequence of which one fits; None if it is too short to be of use."""
    wanted = found.wanted
    assert wanted.tokens is not None

    def fits(context: int) -> bool:
        assert wanted.tokens is not None
        mixers = it.model.mixers
        keeps = cache(mixers, wanted.ranks, found.kv, context, wanted.tokens)
        return keeps.sequences(found.budget.left) >= 1

    low, high = 0, found.context // _ROUND + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * _ROUND) else (low, middle)
    return low * _ROUND if low * _ROUND >= _LEAST_CONTEXT else None
