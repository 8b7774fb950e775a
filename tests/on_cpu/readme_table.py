# SPDX-License-Identifier: Apache-2.0
"""The README's table of what the series changes, held to what the tests measured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from scripts import ROOT

NEAR = 0.1
"""A figure of the README is rounded, and FlashInfer's own scatter is below this."""
_HEAD = "## What it changes, measured without the GPU"


def row(start: str) -> tuple[str, str, str]:
    """Heading and both sides, upstream's first, of a row of that table."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(_HEAD)[2]
    (found,) = re.findall(
        rf"^\| ({start}.*) \| (.*) \| (.*) \|$", text.partition("\n## ")[0], re.M
    )
    return found


def _numbers(cell: str) -> list[float]:
    return [float(n) for n in re.findall(r"\d+\.\d+", cell)]


def _near(told: float, found: float) -> bool:
    return abs(told - found) <= NEAR * found


def wrong(figures: Iterable[str]) -> list[str]:
    """What the table says otherwise than these figures, each a test's JSON."""
    every = [json.loads(each) for each in figures]
    errors = [
        f["row"] for f in every if (f["report"], f["part"]) == ("errors", "loaded")
    ]
    models = [f["row"] for f in every if f["report"] == "memory"]
    return [*_errors(errors), *_memory([m for m in models if m.get("verified")])]


def _errors(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    head, *cells = row("output error")
    told = dict(
        zip(
            _numbers(head),
            zip(*(_numbers(cell) for cell in cells), strict=True),
            strict=True,
        )
    )
    return [
        f"README: sigma {each['sigma']}, {side} {figure}; measured {each[side]}"
        for each in rows
        if each["sigma"] in told
        for side, figure in zip(("upstream", "fork"), told[each["sigma"]], strict=True)
        if not any(_near(figure, found) for found in each[side])
    ]


def _memory(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    head, *cells = row("MoE workspace")
    return [
        f"README: {head}, {side} {cell}; measured {each[side] / (1 << 30):.2f} GiB"
        for each in rows
        for side, cell in zip(("upstream", "fork"), cells, strict=True)
        if not _near(_numbers(cell)[0], each[side] / (1 << 30))
    ]
