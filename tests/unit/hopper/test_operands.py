# SPDX-License-Identifier: Apache-2.0
"""max and min of three operands as two of two."""

from __future__ import annotations

import pytest

from scripts.hopper.operands import in_twos
from scripts.hopper.statements import Untranslatable


@pytest.mark.parametrize("name", ["max.f32", "max.NaN.f32", "min.ftz.NaN.f32"])
def test_three_become_two_and_two(name: str) -> None:
    made, count = in_twos(f"{name} %r1, %r2,\n%r3, %r1;\nret;\n")
    assert count == 1
    assert made == (
        f"{{ .reg .b32 hopper_m; {name} hopper_m, %r2, %r3;"
        f" {name} %r1, hopper_m, %r1; }}\nret;\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "max.f32 %r1, %r2, %r3;",
        "max.s32 %r1, %r2, %r3;",
        "fma.rn.f32 %r1, %r2, %r3, %r4;",
        "// max.f32 %r1, %r2, %r3, %r4;\nret;",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert in_twos(text) == (text, 0)


def test_a_guard_is_named() -> None:
    with pytest.raises(Untranslatable, match="guard"):
        in_twos("@%p1 max.f32 %r1, %r2, %r3, %r4;")
