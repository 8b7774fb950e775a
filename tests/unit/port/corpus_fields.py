# SPDX-License-Identifier: Apache-2.0
"""More of the corpus: what is passed by position, and grew on both sides.

A patch puts `tile` behind the last field or parameter, upstream puts another
there or further up. Where a call counts as far as that, nobody but a person can
say which of the two it means; where nobody counts that far, either order is right.
"""

from __future__ import annotations

from tests.unit.port.corpus_drift import ELEMENTS, HEAD
from tests.unit.port.model import Change, replaced

BOX = "vllm/box.py"
USER = "vllm/boxes.py"

SOURCE = (
    HEAD
    + '''\
"""Boxes, in every way that Python has to say them."""

from collections import namedtuple
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import ClassVar, NamedTuple, TypedDict

import attr
import msgspec


@dataclass
class Plain:
    m: int
    n: int
    k: int = 0


@dataclass(kw_only=True)
class Named:
    m: int
    n: int
    last: int = 0


@dataclass
class Half:
    m: int
    _: KW_ONLY
    n: int = 1
    rest: int = 0


class Pair(NamedTuple):
    m: int
    n: int
    span: int = 0


Loose = namedtuple("Loose", ["m", "n", "loose"], defaults=[0, 0])


class Keys(TypedDict):
    m: int
    n: int
    key: int


@attr.define
class Defined:
    m: int
    n: int
    size: int = 0


class Wire(msgspec.Struct):
    m: int
    n: int
    wire: int = 0


class Written:
    def __init__(self, m, n, depth=0):
        self.m = m
        self.n = n


def area(m, n, edge=0):
    return m * n + edge


@dataclass
class Above:
    m: int
    top: int = 0


@dataclass
class Below(Above):
    n: int = 0
    low: int = 0
'''
)


def _case(
    name: str,
    field: str,
    upstream: str = "",
    uses: str = "",
    extra: tuple[tuple[str, str], ...] = (),
    patch: tuple[str, str] | None = None,
    merged: bool = False,
) -> Change:
    """A field behind `field` on both sides.

    Args:
        name: Unique.
        field: The last field, a whole line without its indent.
        upstream: What upstream's new `vllm/boxes.py` does.
        uses: What the patch's new `vllm/more.py` does.
        extra: What else upstream replaces.
        patch: What the patch replaces, if not a line behind `field`.
        merged: Whether both fields may stand, in any order.
    """
    old = f"    {field}\n"
    tile = patch or (old, f"{old}    tile: int = 16\n")
    step = (old, f"{old}    step: int = 1\n") if field else None
    base = {BOX: SOURCE}
    mine = {BOX: replaced(SOURCE, tile)}
    if uses:
        mine["vllm/more.py"] = HEAD + uses
    now = replaced(SOURCE, *([step] if step else []), *extra)
    new = {BOX: now}
    if upstream:
        new[USER] = HEAD + upstream
    right = []
    if merged:
        one, two = "    step: int = 1\n", tile[1].removeprefix(old)
        for text in (one + two, two + one):
            right.append({**new, **mine, BOX: replaced(now, (one, text))})
    return Change(name, ELEMENTS, base, mine, new, tuple(right))


_FIRST: tuple[Change, ...] = (
    _case(
        "NamedTuple, built by position in another file",
        "span: int = 0",
        "from vllm.box import Pair\n\nONE = Pair(1, 2, 3, 4)\n",
    ),
    _case(
        "NamedTuple, only its first fields are counted",
        "span: int = 0",
        "from vllm.box import Pair\n\nONE = Pair(1, 2, 3)\n",
        merged=True,
    ),
    _case(
        "dataclass, built through its module",
        "k: int = 0",
        "from vllm import box\n\n\ndef made():\n    return box.Plain(1, 2, 3, 4)\n",
    ),
    _case(
        "dataclass, built under another name",
        "k: int = 0",
        "from vllm.box import Plain as P\n\nONE = [P(1, 2, 3, n) for n in range(4)]\n",
    ),
    _case(
        "dataclass, built from a list",
        "k: int = 0",
        "from vllm.box import Plain\n\n\ndef made(row):\n    return Plain(*row)\n",
    ),
    _case(
        "dataclass, built by map",
        "k: int = 0",
        "from itertools import starmap\n\nfrom vllm.box import Plain\n\n\n"
        "def made(rows):\n    return list(starmap(Plain, rows))\n",
    ),
    _case(
        "dataclass, taken apart by match",
        "k: int = 0",
        "from vllm.box import Plain\n\n\ndef last(box):\n    match box:\n"
        "        case Plain(m, n, k, step):\n            return step\n"
        "    return None\n",
    ),
    _case(
        "dataclass, built by its own classmethod",
        "k: int = 0",
        extra=(
            (
                "    k: int = 0\n    step: int = 1\n",
                "    k: int = 0\n    step: int = 1\n\n    @classmethod\n"
                "    def cube(cls, n):\n        return cls(n, n, n, 2)\n",
            ),
        ),
    ),
    _case(
        "dataclass, its subclass calls the init above",
        "k: int = 0",
        "from vllm.box import Plain\n\n\nclass Deep(Plain):\n"
        "    def __init__(self, m):\n        super().__init__(m, m, 0, 5)\n",
    ),
    _case(
        "dataclass, a subclass is built by position",
        "k: int = 0",
        "from vllm.box import Plain\n\n\nclass Deep(Plain):\n    pass\n\n\n"
        "ONE = Deep(1, 2, 3, 4)\n",
    ),
    _case(
        "dataclass of fields by name alone",
        "last: int = 0",
        "from vllm.box import Named\n\nONE = Named(m=1, n=2, step=3)\n",
        merged=True,
    ),
    _case(
        "dataclass, fields by name alone from KW_ONLY on",
        "rest: int = 0",
        "from vllm.box import Half\n\nONE = Half(1, step=3)\n",
        merged=True,
    ),
    _case(
        "the patch itself builds by position",
        "k: int = 0",
        uses="from vllm.box import Plain\n\nONE = Plain(1, 2, 0, 32)\n",
    ),
    _case(
        "upstream's field stands further up, the patch counts",
        "k: int = 0",
        uses="from vllm.box import Plain\n\nONE = Plain(1, 2, 0, 32)\n",
        extra=(
            (
                "    m: int\n    n: int\n    k: int = 0\n    step: int = 1\n",
                "    m: int\n    step: int\n    n: int\n    k: int = 0\n",
            ),
        ),
    ),
    _case(
        "TypedDict",
        "key: int",
        'from vllm.box import Keys\n\nONE: Keys = {"m": 1, "n": 2, "key": 3}\n',
        merged=True,
    ),
    _case(
        "attrs, built by position",
        "size: int = 0",
        "from vllm.box import Defined\n\nONE = Defined(1, 2, 3, 4)\n",
    ),
    _case(
        "msgspec, built by position",
        "wire: int = 0",
        "from vllm.box import Wire\n\nONE = Wire(1, 2, 3, 4)\n",
    ),
    _case(
        "namedtuple by its function, built by position",
        "",
        "from vllm.box import Loose\n\nONE = Loose(1, 2, 3, 4)\n",
        extra=(
            (
                '["m", "n", "loose"], defaults=[0, 0]',
                '["m", "n", "loose", "step"], defaults=[0, 0, 0]',
            ),
        ),
        patch=(
            '["m", "n", "loose"], defaults=[0, 0]',
            '["m", "n", "loose", "tile"], defaults=[0, 0, 0]',
        ),
    ),
    _case(
        "an init that is written out, called by position",
        "",
        "from vllm.box import Written\n\nONE = Written(1, 2, 3, 4)\n",
        extra=(("m, n, depth=0):", "m, n, depth=0, step=1):"),),
        patch=("m, n, depth=0):", "m, n, depth=0, tile=16):"),
    ),
    _case(
        "a function, called by position",
        "",
        "from vllm.box import area\n\nONE = area(1, 2, 3, 4)\n",
        extra=(("m, n, edge=0):", "m, n, edge=0, step=1):"),),
        patch=("m, n, edge=0):", "m, n, edge=0, tile=16):"),
    ),
    _case(
        "we add to the class above, upstream counts in the one below",
        "",
        "from vllm.box import Below\n\nONE = Below(1, 2, 3, 4, 5)\n",
        extra=(("    low: int = 0\n", "    low: int = 0\n    step: int = 1\n"),),
        patch=("    top: int = 0\n", "    top: int = 0\n    tile: int = 16\n"),
    ),
)

_SECOND: tuple[Change, ...] = (
    _case(
        "dataclass, built by partial",
        "k: int = 0",
        "from functools import partial\n\nfrom vllm.box import Plain\n\n\n"
        "MADE = partial(Plain, 1, 2, 3, 4)\n",
    ),
    _case(
        "dataclass, built by type(self)",
        "k: int = 0",
        extra=(
            (
                "    k: int = 0\n    step: int = 1\n",
                "    k: int = 0\n    step: int = 1\n\n"
                "    def next(self):\n        return type(self)(self.m, 1, 1, 2)\n",
            ),
        ),
    ),
    _case(
        "NamedTuple, made from a list",
        "span: int = 0",
        "from vllm.box import Pair\n\n\ndef made(row):\n    return Pair._make(row)\n",
    ),
    _case(
        "dataclass, imported inside a function",
        "k: int = 0",
        "def made():\n    from vllm.box import Plain\n\n    return Plain(1, 2, 3, 4)\n",
    ),
    _case(
        "dataclass, imported from beside",
        "k: int = 0",
        "from .box import Plain\n\nONE = Plain(1, 2, 3, 4)\n",
    ),
    _case(
        "dataclass, a list behind the first argument",
        "k: int = 0",
        "from vllm.box import Plain\n\n\ndef made(m, *row):\n"
        "    return Plain(m, *row)\n",
    ),
    _case(
        "dataclass, a subclass of a subclass counts in its classmethod",
        "k: int = 0",
        "from vllm.box import Plain\n\n\nclass Deep(Plain):\n    pass\n\n\n"
        "class Deeper(Deep):\n    @classmethod\n    def one(cls):\n"
        "        return cls(1, 2, 3, 4)\n",
    ),
    _case(
        "dataclass, ours is no argument of the init",
        "k: int = 0",
        "from vllm.box import Plain\n\nONE = Plain(1, 2, 3, 4)\n",
        patch=(
            "    k: int = 0\n",
            "    k: int = 0\n    tile: int = field(init=False, default=16)\n",
        ),
        merged=True,
    ),
    _case(
        "dataclass, ours is of the class",
        "k: int = 0",
        "from vllm.box import Plain\n\nONE = Plain(1, 2, 3, 4)\n",
        patch=(
            "    k: int = 0\n",
            "    k: int = 0\n    tile: ClassVar[int] = 16\n",
        ),
        merged=True,
    ),
    _case(
        "dataclass, both fields by name alone, each says so",
        "k: int = 0",
        "from vllm.box import Plain\n\nONE = Plain(1, 2, 3)\n",
        patch=(
            "    k: int = 0\n",
            "    k: int = 0\n    tile: int = field(kw_only=True, default=16)\n",
        ),
        merged=True,
    ),
    _case(
        "another class of that name is built by position",
        "k: int = 0",
        "from other.box import Plain\n\nONE = Plain(1, 2, 3, 4)\n",
        merged=True,
    ),
    _case(
        "dataclass, copied with another value",
        "k: int = 0",
        "from dataclasses import replace\n\nfrom vllm.box import Plain\n\n"
        "ONE = replace(Plain(1, 2), step=3)\n",
        merged=True,
    ),
    _case(
        "dataclass, what is only handed to the init",
        "k: int = 0",
        "from vllm.box import Plain\n\nONE = Plain(1, 2, 3, 4)\n",
        patch=("    k: int = 0\n", "    k: int = 0\n    tile: InitVar[int] = 16\n"),
    ),
    _case(
        "NamedTuple, taken apart",
        "span: int = 0",
        "from vllm.box import Pair\n\n\ndef last(pair: Pair):\n"
        "    m, n, span, step = pair\n    return step\n",
    ),
)
FIELDS: tuple[Change, ...] = (*_FIRST, *_SECOND)
