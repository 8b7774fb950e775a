# SPDX-License-Identifier: Apache-2.0
"""At which numbers of tokens a record has layers: the cuts between kernels.

They are asked of FlashInfer's functions where a bundle is made. What sizes alone decide
of them is known here, too: rows that are gone in the record and in its bundle are seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from scripts.hopper.tables import Row
from scripts.in_vllm import hopper_calls as calls
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models as layers


def of_layers(rows: Sequence[Row]) -> Iterator[str]:
    """What of the rows of the part models cannot be all of a run, a line each."""
    yield from _calls(rows)
    yield from _tokens(rows)


def _calls(rows: Iterable[Row]) -> Iterator[str]:
    """Where a call's padding decides its kernel, which only sizes do."""
    kernels: dict[tuple[Any, ...], set[Any]] = {}
    for row in rows:
        call = row["model"], row["ranks"], row["tokens"]
        kernels.setdefault(call, set()).add(row["kernel"])
    for call, names in kernels.items():
        if len(names) > 1:
            yield f"{call} is of several kernels: {', '.join(sorted(names))}"


def _tokens(rows: Iterable[Row]) -> Iterator[str]:
    """Where the numbers of tokens are not those of the cuts, one below and above."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["model"], row["ranks"]), []).append(row)
    known = {model.name: model for model in layers.models()}
    for (name, ranks), group in groups.items():
        if name in known:  # derived.py names the others
            for why in _of_layer(known[name], group):
                yield f"{name}, {ranks} ranks: {why}"


def _of_layer(model: layers.Model, group: Sequence[Row]) -> Iterator[str]:
    at = {
        what: {row["tokens"] for row in group if row["rows"] == what}
        for what in (cases.WHOLE, *cases.OTHER_ROWS)
    }
    cuts, all_of = at[cases.THIRD], at[cases.WHOLE]
    near = {n + d for n in cuts for d in (-1, 0, 1) if 0 < n + d <= layers.MAX_TOKENS}
    good = cuts <= all_of if model.few else near == all_of
    if not good or not {1, layers.MAX_TOKENS} <= cuts:
        yield "tokens that are not at and beside the cuts"
    if any(at[what] != cuts for what in cases.OTHER_ROWS):
        yield "other rows are not at the same tokens"
    static = {row["tokens"] for row in group if row["kernel"] == "static"}
    is_gated = model.activation != "relu2_no_mul"
    most = max(static, default=0)
    needed = {*calls.cuts(model.experts, model.top_k, is_gated, most), most}
    if lost := needed - (all_of if model.few else cuts):
        yield f"not at the cuts of {', '.join(map(str, sorted(lost)))} tokens"
    if not model.few and most + 1 not in all_of - static:
        yield f"not where static ends, at {most} tokens"
