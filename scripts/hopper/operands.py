# SPDX-License-Identifier: Apache-2.0
"""max and min of three operands, which Hopper has for two."""

from __future__ import annotations

import re

from scripts.hopper.statements import Untranslatable, statements

_NAME = re.compile(r"(?:max|min)(?:\.ftz)?(?:\.NaN)?\.f32")
_THREE = 4
"""Operands of one with three sources."""


def in_twos(text: str) -> tuple[str, int]:
    """Each as two, which is what it means; and how many there were.

    Args:
        text: A module of PTX.

    Raises:
        Untranslatable: One has a guard, so that a block cannot stand for it.
    """
    made, at, count = [], 0, 0
    for one in statements(text):
        if not _NAME.fullmatch(one.name) or len(groups := one.groups()) != _THREE:
            continue
        if one.guard:
            raise Untranslatable(f"{one.name} has a guard: {one.text}")
        to, first, second, third = (name for (name,) in groups)
        new = (
            f"{{ .reg .b32 hopper_m; {one.name} hopper_m, {first}, {second};"
            f" {one.name} {to}, hopper_m, {third}; }}"
        )
        made += [text[at : one.start], new]
        at, count = one.end, count + 1
    return "".join([*made, text[at:]]), count
