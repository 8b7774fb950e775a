# SPDX-License-Identifier: Apache-2.0
"""The nearest thing that would fit, where what was asked for does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from scripts.doctor.model import gpus
from scripts.doctor.model.assess import Assessment, Wanted, assess
from scripts.doctor.model.known import Known
from scripts.doctor.model.kv import cache
from scripts.selection.table import Table

_LEAST_CONTEXT = 2048
_ROUND = 1024
_GAIN = 1.05
"""By what a second change has to lengthen a sequence, or it is not worth naming."""


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


Change = tuple[str, str, Wanted]
"""What to try: words, the variables that say it, and the question."""


def nearest(it: Known, found: Assessment, asked: Wanted, table: Table) -> list[Other]:
    """What would fit: one of a kind, the smallest changes first; maybe none.

    Args:
        it: The checkpoint.
        found: What does not fit.
        asked: What was asked for, vLLM's defaults not filled in.
        table: What is recorded of the selection.
    """
    others: list[Other] = []
    if not found.stops and (alone := _shorter(it, found, asked, table)):
        context = alone.context
        what = f"sequences of at most {context:,} tokens"
        others.append(Other(what, f"CONTEXT={context}", alone))
    for kind in _kinds(found, asked):
        reached = max((each.found.context for each in others), default=0)
        if one := _first(it, kind, table, reached, asked.count):
            others.append(one)
    return others


def _first(
    it: Known, kind: Iterable[Change], table: Table, reached: int, least: int
) -> Other | None:
    """The first of a kind that fits; else that which does with the longest sequence.

    Of further GPUs the fewest that take half of the asked length.

    Args:
        it: The checkpoint.
        kind: Changes, the smallest first.
        table: What is recorded of the selection.
        reached: Tokens of a sequence that fit by something simpler.
        least: GPUs that there are.
    """
    best: Other | None = None
    for what, give, wanted in kind:
        other = assess(it, wanted, table)
        if other.fits:
            return Other(what, give, other)
        if other.stops or (shorter := _shorter(it, other, wanted, table)) is None:
            continue
        context = shorter.context
        if context >= _GAIN * reached and (
            best is None or context > best.found.context
        ):
            length = f"{what}, sequences of at most {context:,} tokens"
            best = Other(length, f"{give} CONTEXT={context}", shorter)
            # Nobody buys twice as many GPUs for the rest of a sequence.
            if wanted.count > least and 2 * context >= other.context:
                return best
    return best


def _shorter(
    it: Known, found: Assessment, wanted: Wanted, table: Table
) -> Assessment | None:
    context = _longest(it, found)
    if context is None:
        return None
    other = assess(it, replace(wanted, context=context), table)
    return other if other.fits else None


def _kinds(found: Assessment, asked: Wanted) -> Iterator[Iterable[Change]]:
    """Kinds of changes, and of each what to try."""
    ranks, kv = found.wanted.ranks, replace(asked, kv="fp8")
    if found.kv == "nvfp4" and found.stops:
        yield [("an FP8 KV cache", "KV=fp8", kv)]
    if not found.stops:
        yield _sequences(found, asked)
        if found.kv == "auto":
            yield [("an FP8 KV cache", "KV=fp8", kv)]
        yield _tokens(found, asked)
    else:
        yield (
            (
                f"{n} of them sharing the model" if n > 1 else "one of them alone",
                f"TP={n}",
                replace(asked, ranks=n),
            )
            for n in reversed(_RANKS)
            if n < ranks
        )
    yield (
        (
            f"{n} GPUs of the same kind",
            f"COUNT={max(n, asked.count)} TP={n}",
            replace(asked, ranks=n, count=max(n, asked.count)),
        )
        for n in _RANKS
        if n > ranks
    )
    larger = [g for g in gpus.load() if g.memory > asked.gpu.memory and not g.unified]
    yield (
        (
            f"{n} x {gpu.name}",
            f"GPU='{gpu.name}' COUNT={n} TP={n}",
            replace(asked, gpu=gpu, ranks=n, count=n),
        )
        for n in _RANKS[:4]
        for gpu in sorted(larger, key=lambda gpu: gpu.memory)
    )


_RANKS = (1, 2, 4, 8, 16, 32)


def _sequences(found: Assessment, asked: Wanted) -> Iterator[Change]:
    """The sampler's and the logits' bytes follow from how many there are at once."""
    assert found.wanted.seqs is not None
    seqs = 1 << (found.wanted.seqs - 1).bit_length()
    while (seqs := seqs // 2) >= 1:
        if seqs < found.wanted.seqs:
            what = f"at most {seqs} sequences at once" if seqs > 1 else "one sequence"
            yield what, f"SEQS={seqs}", replace(asked, seqs=seqs)


def _tokens(found: Assessment, asked: Wanted) -> Iterator[Change]:
    assert found.wanted.tokens is not None
    for tokens in (2048, 1024, 512):
        # vLLM takes no more sequences than tokens.
        if (asked.seqs or 0) <= tokens < found.wanted.tokens:
            fewer = replace(asked, tokens=tokens)
            yield f"at most {tokens} tokens a step", f"TOKENS={tokens}", fewer


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
