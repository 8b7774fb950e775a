# SPDX-License-Identifier: Apache-2.0
"""How README's section on the real kernels says numbers, names and lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable

from scripts.hopper.tables import Records, number, table

_WORDS = (
    "none", "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_WIDTH = 88


def filled(words: str, indent: str = "") -> str:
    return textwrap.fill(
        " ".join(words.split()),
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def listed(names: Iterable[str]) -> str:
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} and {last}" if most else last


def word(count: int) -> str:
    return _WORDS[count] if count < len(_WORDS) else str(count)


def up(figure: float) -> str:
    return f"{math.ceil(round(figure * 1000, 6)) / 1000:.3f}"


def largest(records: Records, part: str, column: str) -> str:
    figures = [number(row[column]) for r in records for row in table(r, part)]
    return up(max(each for each in figures if not math.isnan(each)))
