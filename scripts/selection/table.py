# SPDX-License-Identifier: Apache-2.0
"""The matrix as a table: equal answers folded into one row, and back.

A row is a box: its cells list values, `*` is all of them, and every combination has
the row's answer. Rows do not overlap, and together they are all cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from scripts import RECORDS
from scripts.base.errors import Finding
from scripts.selection.ask import Answer
from scripts.selection.cases import (
    AUTO,
    B12X,
    CAPABILITIES,
    FEATURES,
    FLASHINFER,
    ONLY_OURS,
    OURS,
    SWITCH,
    Case,
    World,
)

RECORDED = RECORDS / "selection.tsv"
COLUMNS = (
    *("layer", "scheme", "backend", "feature", "capability", "FlashInfer", "b12x"),
    *("switch", "fork", "upstream", "why not the first choice"),
)
SAME = "="
UNKNOWN = "no such value"
# Folded in this order: what seldom matters first.
_FOLD = (7, 6, 5, 4, 3, 2)


class Key(NamedTuple):
    """Values of the first eight columns."""

    layer: str
    scheme: str
    backend: str
    feature: str
    capability: str
    flashinfer: str
    b12x: str
    switch: str


Box = tuple[frozenset[str], ...]
"""Several values of each."""


@dataclass(frozen=True)
class Outcome:
    """What a case comes to, with the series and without."""

    fork: str
    upstream: str
    """`SAME` if it is the fork's, `UNKNOWN` for a name that upstream lacks."""
    why: str = ""
    """On SM12x, why automatic selection passed over the series' first choice."""


Table = Mapping[Key, Outcome]


def key(case: Case, world: World) -> Key:
    """The place of a case in the table."""
    asked = case.layer, case.scheme, case.backend, case.feature, case.capability
    return Key(*asked, world.flashinfer, world.b12x, case.switch)


def outcome(case: Case, fork: Answer, upstream: Answer | None) -> Outcome:
    """Put both trees' answers side by side; None if upstream cannot be asked."""
    if upstream is None:
        other = UNKNOWN
    else:
        other = SAME if fork.chosen == upstream.chosen else upstream.chosen
    ours = case.backend == AUTO and case.capability in OURS
    return Outcome(fork.chosen, other, fork.why_not(case.first_choice) if ours else "")


def elsewhere_changed(table: Table) -> list[Key]:
    """Cases off SM12x that the series decides otherwise than upstream."""
    return [
        each
        for each, found in table.items()
        if each.capability not in OURS
        and found.upstream != SAME
        and each.backend not in ONLY_OURS
    ]


def fold(table: Table) -> list[tuple[Box, Outcome]]:
    """Boxes of cases with one outcome, few of them but not always the fewest."""
    outcomes = {found: number for number, found in enumerate(table.values())}
    # A set of values, and an outcome, is one object: many cases have the same.
    ones = {value: frozenset({value}) for each in table for value in each}
    rows: Iterable[tuple[Box, int]] = (
        (tuple(map(ones.__getitem__, each)), outcomes[found])
        for each, found in table.items()
    )
    for at in _FOLD:
        joined: dict[tuple[Box, int], list[frozenset[str]]] = {}
        for box, found in rows:
            joined.setdefault((box[:at] + box[at + 1 :], found), []).append(box[at])
        united = {one: frozenset().union(*one) for one in map(tuple, joined.values())}
        rows = [
            ((*rest[:at], united[tuple(values)], *rest[at:]), found)
            for (rest, found), values in joined.items()
        ]
    named = {number: found for found, number in outcomes.items()}
    return [(box, named[number]) for box, number in rows]


def cells(box: Box, backends: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A box as text: values in their usual order, `*` for all of them."""
    (layer,), (scheme,) = box[:2]
    shown = [layer, scheme]
    for values, every in zip(box[2:], domains(layer, backends), strict=True):
        listed = ",".join(sorted(values, key=every.index))
        shown.append("*" if values == set(every) else listed)
    return shown


def domains(
    layer: str, backends: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """All values of the columns from `backend` to `switch`, in order.

    Raises:
        KeyError: There is no such layer.
    """
    fixed = (CAPABILITIES, FLASHINFER, B12X, SWITCH)
    return (backends[layer], FEATURES[layer], *fixed)


def render(
    table: Table, backends: Mapping[str, tuple[str, ...]], head: Iterable[str]
) -> str:
    """The table as tab-separated text, with `head` as comments above it."""
    rows = [
        (*cells(box, backends), found.fork, found.upstream, found.why)
        for box, found in fold(table)
    ]
    # MoE before linear, automatic selection before names, SM12x first.
    rows.sort(key=lambda r: (r[0] != "MoE", r[1], r[2] != AUTO, "12." not in r[4], r))
    lines = [*(f"# {each}" for each in head), "\t".join(COLUMNS)]
    for layer in backends:
        lines.insert(-1, f"# {layer} backends: {','.join(backends[layer])}")
    return "\n".join([*lines, *("\t".join(row).rstrip() for row in rows)]) + "\n"


def parse(text: str) -> tuple[dict[Key, Outcome], dict[str, tuple[str, ...]]]:
    """Unfold what `render` has written, and the backends' names.

    Raises:
        Finding: Two rows speak of one case, or a row is none.
    """
    backends: dict[str, tuple[str, ...]] = {}
    table: dict[Key, Outcome] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for layer in FEATURES:
            if line.startswith(mark := f"# {layer} backends: "):
                backends[layer] = tuple(line.removeprefix(mark).split(","))
        if line.startswith("#") or line == "\t".join(COLUMNS):
            continue
        for each, found in _unfold(line, number, backends):
            if each in table:
                raise Finding(
                    "a case stands in two rows",
                    where=f"{RECORDED.name}:{number}",
                    found=", ".join(each),
                    next="make matrix UPDATE=1",
                )
            table[each] = found
    return table, backends


def _unfold(
    line: str, number: int, backends: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[Key, Outcome]]:
    layer, scheme, *rest = line.split("\t")
    if layer not in backends or len(rest) not in (8, 9):
        raise Finding(
            "a row is not one",
            where=f"{RECORDED.name}:{number}",
            expected=f"{len(COLUMNS)} columns",
            found=line,
            next="make matrix UPDATE=1",
        )
    values = [
        every if cell == "*" else cell.split(",")
        for cell, every in zip(rest[:6], domains(layer, backends), strict=True)
    ]
    found = Outcome(*rest[6:])
    for each in product(*values):
        yield Key(layer, scheme, *each), found


def differences(recorded: Table, found: Table) -> list[str]:
    """What `found` says otherwise than `recorded`, a line a case."""
    lines = []
    for each in recorded.keys() | found.keys():
        was, now = recorded.get(each), found.get(each)
        if was != now:
            lines.append(f"{', '.join(each)}: recorded {was}, found {now}")
    return sorted(lines)
