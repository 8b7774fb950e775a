# SPDX-License-Identifier: Apache-2.0
"""Of each part of make engine it is said what stops it on a Hopper GPU."""

from __future__ import annotations

from scripts.hopper import render
from scripts.hopper.served import ENGINE
from scripts.in_vllm.hopper_cases import PAIR, PARTS
from tests.engine.__main__ import Part
from tests.unit.hopper.runs import SERIES, result


def test_every_part_of_make_engine_is_there() -> None:
    assert [one.part for one in ENGINE] == [part.value for part in Part]


def test_the_table_has_them() -> None:
    text = render.as_text(result(), SERIES).split("Of make engine\n")[1]
    for one in ENGINE:
        [line] = [line for line in text.splitlines() if line.startswith(one.part)]
        assert one.runs in line and one.stops in line and line.endswith(one.why)


def test_what_ran_names_a_part_of_make_hopper() -> None:
    for one in ENGINE:
        named = {p for p in (*PARTS, *PAIR) if f"({p})" in one.runs}
        assert named or one.runs == "nothing", one.part
