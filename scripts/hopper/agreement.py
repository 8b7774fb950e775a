# SPDX-License-Identifier: Apache-2.0
"""What README says of the double beside the kernel, and of the kernel's bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.hopper.judge import AT_TIES, SAME_BITS, is_same
from scripts.hopper.known import ROWS
from scripts.hopper.record import release
from scripts.hopper.tables import Record, Records, table
from scripts.hopper.wording import largest, listed, up, word
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models


def kernels(records: Records, same: bool) -> str:
    """Names of those that give, or do not give, the same bits in each run."""
    found: dict[str, bool] = {}
    for row in (row for record in records for row in table(record, "regimes")):
        name = row["regime"].removesuffix("_gated").replace("_", " ")
        found[name] = found.get(name, True) and row["runs apart"] == 0
    return listed(name for name, alike in found.items() if alike == same)


def double(records: Records) -> str:
    new = records[-1]
    models = {row["model"] for row in table(new, "models")}
    known = [m for m in hopper_models.models() if m.name in models]
    few = [m.name for m in known if m.few]
    unsure = [m.name for m in known if m.is_from_memory]
    real = len(models - {"gpt-oss-like", *few, *unsure})
    small = largest(records, "regimes", "kernel-double")
    far, apart = (
        largest([new], "models", name) for name in ("kernel-double", "runs apart")
    )
    rows = unordered(new)
    farther = sum(row["kernel-double"] > row["runs apart"] for row in rows)
    return f"""The double that stands for the kernel elsewhere, here with the GPU's
reciprocal, agrees bit for bit with {kernels(records, True)} in small cases, and within
{AT_TIES} in layers of {word(real)} real models, of {listed(unsure)} with sizes
partly from memory and of a gpt-oss-like one, at each of 1, 2, 4 and 8 ranks that the
size allows, and of {word(len(few))} more at two of these. {_divided(new)} With
{kernels(records, False)}, which add BF16 numbers in any order, it is up to {small}
away in small cases. In those layers, on {release(new)}, it is up to {far} away, and in
{farther} of {len(rows)} cases farther than runs of the kernel are from each other, up
to {apart}. So the spread of runs does not explain it; the rounding of that many BF16
sums in another order would (2^-9 times the square root of their
number).{"".join(_explained(new))}"""


def unordered(record: Record) -> list[dict[str, Any]]:
    """Layers of kernels that add in any order, where there is anything to add."""
    return [
        row
        for row in table(record, "models")
        if row["kernel"] not in SAME_BITS and row["rows"] != cases.ALL_PADDED
    ]


def _divided(record: Record) -> str:
    """With 1 / x, as elsewhere: the same calls."""
    rows = [r for r in table(record, "reciprocals") if r["kernel"] in SAME_BITS]
    small, layers = (
        [r for r in rows if (r["layer"] == cases.SMALL_LAYER) == is_small]
        for is_small in (True, False)
    )
    models = len({row["layer"] for row in layers})
    worst = max(row["worst row, 1/x"] for row in small)
    far = [max(row["kernel-double, 1/x"] for row in each) for each in (small, layers)]
    inside = f"up to {up(far[1])}" if far[1] else "nothing"
    return f"""Elsewhere it has 1 / x, whose last unit decides ties: of the same calls
it is then up to {up(far[0])} from these kernels in small cases, a row up to
{up(worst)}, and {inside} in layers of {word(models)} of the models, at one token and at
the most of static."""


def same_bits(records: Records) -> str:
    same, others = (kernels(records, each) for each in (True, False))
    dense = [r for r in table(records[-1], "linear") if r["how"] == cases.OWN_CHOICE]
    all_of = sum(is_same(row) for row in dense)
    w4a16 = table(records[-1], "w4a16")
    some = [row["runs"].split()[0] for row in w4a16 if not is_same(row)]
    return f"""The same bits in {cases.RUNS} runs: {same}, and {all_of} of {len(dense)}
cases of the GEMM. Not so: {others}, and {len(some)} of {len(w4a16)} cases of the W4A16
MoE, in which {min(map(int, some))} to {max(map(int, some))} of {cases.RUNS} runs gave
the first one's bits."""


def unexplained(records: Records) -> Iterator[str]:
    """Rows of calls that add nothing in any order, and that nobody looked into."""
    for row in odd(records[-1]):
        if not _why(records[-1], row):
            yield f"{_told(row)}, though runs of the kernel are the same: unexplained"


def _explained(record: Record) -> Iterator[str]:
    for row in odd(record):
        if why := _why(record, row):
            yield f" O{_told(row)[1:]}: {why}."


def odd(record: Record) -> list[dict[str, Any]]:
    """Calls whose runs are the same, and of which a row is far from the double."""
    return [
        row
        for row in unordered(record)
        if row["runs apart"] == 0 and row["worst row"] > AT_TIES
    ]


def _why(record: Record, row: Mapping[str, Any]) -> str:
    call = row["model"], row["ranks"], row["tokens"], row["rows"]
    return ROWS.get((release(record), *call), "")


def _told(row: Mapping[str, Any]) -> str:
    call = (
        f"{row['model']} on {row['ranks']} ranks, {row['tokens']} tokens, {row['rows']}"
    )
    return f"of {call}, a row is {row['worst row']:.3f} from the double"
