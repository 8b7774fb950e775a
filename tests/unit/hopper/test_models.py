# SPDX-License-Identifier: Apache-2.0
"""Which layers of real models are run, and that what is not run is said."""

from __future__ import annotations

from scripts.hopper import render
from scripts.in_vllm.hopper_models import RANKS, SHAPES, left_out, models
from scripts.kernels import shapes
from tests.unit.hopper.runs import SERIES, result


def test_each_number_of_ranks_is_run_or_said_to_be_left_out() -> None:
    told = {name: "" for name, *_ in left_out()}
    for name, what, _ in left_out():
        told[name] += what
    for model in models():
        for n in {*RANKS} - {*model.ranks}:
            assert str(n) in told[model.name], (model.name, n)
        if model.few:
            assert len(model.ranks) == 2 and "tokens" in told[model.name]


def test_a_model_of_the_shapes_file_is_run_or_said_to_be_left_out() -> None:
    known = {model.name for model in models()} | {name for name, *_ in left_out()}
    assert {model.name for model in shapes.load(SHAPES).models} <= known
    assert len({model.name for model in models()}) == len(models())


def test_the_table_says_what_is_not_run_and_why() -> None:
    found = result()
    found["bundle"]["models"].remove("GLM-4.6")
    text = render.as_text(found, SERIES)
    for name, what, why in left_out():
        assert any(
            line.startswith(name) and what in line and line.endswith(why)
            for line in text.splitlines()
        )
    assert "GLM-4.6" in text and "this bundle was prepared without it" in text
