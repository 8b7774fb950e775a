# SPDX-License-Identifier: Apache-2.0
"""The matrix in short: what a user gets by default, and what changes that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from scripts.selection.cases import (
    AUTO,
    CAPABILITIES,
    DEVICES,
    FEATURES,
    LAYERS,
    OURS,
    PLAIN,
    SCHEMES,
    SWITCH,
    USUAL,
    Case,
    World,
)
from scripts.selection.table import SAME, UNKNOWN, Outcome, Table, key

KINDS = tuple((layer, scheme) for layer in LAYERS for scheme in SCHEMES)
"""What a model may have."""


def columns(rows: Iterable[Iterable[str]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell.

    >>> columns([["a", "b"], ["long", ""]])
    ['a     b', 'long']
    """
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def short(name: str) -> str:
    """A choice without its class, as a heading has the layer.

    >>> short("MARLIN (MarlinExperts)"), short("FlashInferB12xNvFp4LinearKernel")
    ('MARLIN', 'FlashInferB12x')
    >>> short("FlashInferB12xNvFp4LinearKernel (b12x_or_cutlass)")
    'FlashInferB12x, by M'
    >>> short("refused: ValueError")
    'none'
    """
    if name.startswith("refused: "):
        return "none"
    name, _, more = name.partition(" (")
    by_m = ", by M" if more == "b12x_or_cutlass)" else ""
    return name.replace("NvFp4", "").replace("LinearKernel", "") + by_m


def default(
    table: Table,
    layer: str,
    scheme: str,
    capability: str,
    *,
    feature: str = PLAIN,
    world: World = USUAL,
    switch: str = SWITCH[0],
) -> Outcome:
    """What automatic selection gives there.

    Raises:
        KeyError: The table has no such case.
    """
    case = Case(layer, scheme, capability, AUTO, feature, switch)
    return table[key(case, world)]


def by_default(table: Table) -> Iterator[list[str]]:
    """One row a capability, and one of upstream's below it where they differ."""
    yield ["", "", *(f"{layer} {scheme}" for layer, scheme in KINDS)]
    for capability in (*OURS, *(c for c in CAPABILITIES if c not in OURS)):
        found = [default(table, *kind, capability) for kind in KINDS]
        yield [capability, DEVICES[capability], *(short(f.fork) for f in found)]
        if any(f.upstream != SAME for f in found):
            other = [SAME if f.upstream == SAME else short(f.upstream) for f in found]
            yield ["", "upstream", *other]


def changes(table: Table) -> Iterator[list[str]]:
    """What changes the default on SM12x: feature, package or switch, and why."""
    yield ["layer", "with", "gets", "since"]
    for layer, scheme in KINDS:
        usual = default(table, layer, scheme, OURS[0])
        for name, found in _variants(table, layer, scheme):
            if found.fork != usual.fork:
                since = found.why or ("as upstream" if found.upstream == SAME else "")
                since = re.sub(r"(Config)\(.*\)", r"\1(...)", since)
                yield [f"{layer} {scheme}", name, short(found.fork), since]


def _variants(table: Table, layer: str, scheme: str) -> Iterator[tuple[str, Outcome]]:
    """The cases that differ from the usual one in one thing, on the first device."""
    for feature in FEATURES[layer][1:]:
        yield feature, default(table, layer, scheme, OURS[0], feature=feature)
    for world, name in (
        (World("absent", USUAL.b12x), "no FlashInfer"),
        (World("too old", USUAL.b12x), "FlashInfer too old"),
        (World(USUAL.flashinfer, "absent"), "no b12x"),
    ):
        yield name, default(table, layer, scheme, OURS[0], world=world)
    for switch in SWITCH[1:]:
        name = f"VLLM_SM12X_AUTO_SELECT={switch}"
        yield name, default(table, layer, scheme, OURS[0], switch=switch)


@dataclass(frozen=True)
class Tally:
    """Of the cases that both trees know, how many they decide alike."""

    alike: int
    asked: int

    def __str__(self) -> str:
        return f"{self.alike:,} of {self.asked:,}"


def tallies(table: Table) -> dict[str, Tally]:
    """Off SM12x, on it, and on it by automatic selection with the switch off."""
    ours = {k: o for k, o in table.items() if k.capability in OURS}
    off = [k for k in ours if k.backend == AUTO and k.switch == "none"]
    found = {
        "off": [o for k, o in table.items() if k not in ours],
        "on": list(ours.values()),
        "switched off": [ours[k] for k in off],
    }
    return {
        name: Tally(
            sum(o.upstream == SAME for o in outcomes),
            sum(o.upstream != UNKNOWN for o in outcomes),
        )
        for name, outcomes in found.items()
    }


def counts(table: Table) -> list[str]:
    """How many cases were put to both trees, and how many came out alike."""
    tally = tallies(table)
    return [
        f"{len(table):,} cases; decided as upstream off SM12x: {tally['off']}, "
        f"on it: {tally['on']}",
        "VLLM_SM12X_AUTO_SELECT=none, automatic, on SM12x as upstream: "
        f"{tally['switched off']}",
    ]


def as_data(table: Table) -> dict[str, Any]:
    """The short form for a report: defaults, what changes them, and the counts."""
    return {
        "kinds": [" ".join(kind) for kind in KINDS],
        "defaults": [
            {
                "capability": capability,
                "devices": DEVICES[capability],
                "ours": capability in OURS,
                "choices": [_both(default(table, *kind, capability)) for kind in KINDS],
            }
            for capability in CAPABILITIES
        ],
        "changes": [
            dict(zip(("layer", "given", "gets", "since"), row, strict=True))
            for row in list(changes(table))[1:]
        ],
        "cases": len(table),
        "tallies": {name: asdict(each) for name, each in tallies(table).items()},
    }


def _both(found: Outcome) -> dict[str, str]:
    fork = short(found.fork)
    other = fork if found.upstream == SAME else short(found.upstream)
    return {"fork": fork, "upstream": other}
