# SPDX-License-Identifier: Apache-2.0
"""What an installed vLLM says of a model's layers, which is better than a record."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts import IN_VLLM
from scripts.base import interpreter
from scripts.base.errors import Unusable
from scripts.doctor.model.assess import Assessment, Row, stop_of
from scripts.doctor.model.choose import Choice
from scripts.doctor.model.known import Known
from scripts.doctor.model.layers import Kind
from scripts.doctor.model.memory import Item
from scripts.doctor.remark import Remark, note
from scripts.selection.ask import Answer

_SECONDS = 600


@dataclass(frozen=True)
class Told:
    """Its answers.

    Attributes:
        patched: Whether the series is in it.
        linear: Of each scheme and shape.
        moe: Of the routed experts, if they are in NVFP4.
        scratch: Bytes by FlashInfer's allocator.
    """

    version: str
    patched: bool
    linear: Mapping[tuple[str, int, int], Answer]
    moe: Answer | None
    scratch: int | None


def ask(python: str, it: Known, found: Assessment) -> Told | Remark:
    """Put the model's layers to the vLLM of that interpreter.

    Returns:
        Its answers; or why there are none, as a remark.
    """
    shapes = sorted(
        {
            (row.form.scheme, *shape)
            for row in found.rows
            if row.form.scheme and row.kind is not Kind.EXPERTS
            for shape in row.shapes
        }
    )
    question = {
        "capability": found.wanted.gpu.capability,
        "linear": shapes,
        "moe": _moe(it, found),
    }
    try:
        told = interpreter.ask(
            *(python, str(IN_VLLM / "ask_model.py"), json.dumps(question)),
            again="make doctor",
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            seconds=_SECONDS,
        )
    except Unusable as error:
        said = str(error.found).splitlines()[-1][-200:]
        return note(
            f"the vLLM of {python} could not be asked: {said}",
            "make doctor PYTHON=/path/to/venv/bin/python, without MODEL, looks at it",
        )
    answers = zip(shapes, told["linear"], strict=True)
    moe = Answer(*told["moe"]) if told["moe"] else None
    linear = {shape: Answer(*answer) for shape, answer in answers}
    return Told(told["version"], told["patched"], linear, moe, told["scratch"])


def _moe(it: Known, found: Assessment) -> dict[str, Any] | None:
    experts = it.model.experts
    schemes = [r.form.scheme for r in found.rows if r.kind is Kind.EXPERTS]
    if experts is None or not schemes or schemes[0] is None:
        return None
    return {
        "scheme": schemes[0],
        "experts": experts.count,
        "top_k": experts.top_k,
        "hidden": experts.hidden,
        "intermediate": experts.intermediate // found.wanted.ranks,
        "activation": experts.activation,
        "limit": experts.limit,
        "bias": experts.bias,
        "tokens": found.wanted.tokens,
    }


def with_answers(found: Assessment, told: Told) -> Assessment:
    """The same, what was asked in the place of what is recorded."""
    rows = tuple(_row(row, told) for row in found.rows)
    # What stops is asked too, and takes the place of what is recorded.
    recorded = {stop_of(row) for row in found.rows}
    now = (stop_of(row) for row in rows)
    stops = [stop for stop in found.stops if stop not in recorded]
    stops += [stop for stop in now if stop]
    budget = found.budget
    if told.scratch is not None:
        items = [
            Item(i.name, told.scratch, True, "asked of FlashInfer's allocator")
            if i.name == "MoE scratch"
            else i
            for i in budget.items
        ]
        budget = replace(budget, items=tuple(items))
    stops = list(dict.fromkeys(stops))
    return replace(found, rows=rows, budget=budget, stops=tuple(stops))


def _row(row: Row, told: Told) -> Row:
    if row.form.scheme is None:
        return row
    if row.kind is Kind.EXPERTS:
        answers = [told.moe] if told.moe else []
    else:
        keys = [(row.form.scheme, *shape) for shape in row.shapes]
        answers = [told.linear[key] for key in keys if key in told.linear]
    if not answers:
        return row
    return replace(row, choice=_choice(row.choice, answers, told))


def _choice(recorded: Choice, answers: Sequence[Answer], told: Told) -> Choice:
    names = list(dict.fromkeys(answer.chosen for answer in answers))
    chosen = " or ".join(names)
    if not told.patched:
        return replace(recorded, stock=chosen)
    refused = tuple(
        dict.fromkeys(
            each
            for answer in answers
            for each in answer.said.partition(". Passed over: ")[2].split("; ")
            if each
        )
    )
    stops = next((a.said.splitlines()[0] for a in answers if a.refused), "")
    return replace(recorded, patched=chosen, refused=refused, stops=stops)


def source(told: Told, python: str, recorded: str) -> str:
    """Where the choices are from, for a person."""
    what = "the patched vLLM" if told.patched else "stock vLLM"
    asked = f"{what} as asked: {told.version} of {Path(python)}, on a double of the GPU"
    other = "stock" if told.patched else "patched"
    return f"{asked}; {other} {recorded}"
