# SPDX-License-Identifier: Apache-2.0
"""Siblings of what the drifts of real releases found (`corpus_released.py`)."""

from __future__ import annotations

from functools import partial

from tests.unit.port import drifts
from tests.unit.port.corpus_third import ELEMENTS, HEAD, IN_PART, NAMES
from tests.unit.port.drifts import on
from tests.unit.port.model import Change, Files

ROUNDS, SIZES, SMALL, READER, SPECS = (
    f"vllm/{name}.py" for name in ("rounds", "sizes", "small", "reader", "specs")
)
PINS, OURS = "requirements/cuda.txt", "vllm/sm12x.py"

TREE: Files = {
    ROUNDS: HEAD
    + """\
from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass
class Round:
    names: list[str]
    shapes: list[int]

    def count(self):
        return len(self.names)


class Spot(NamedTuple):
    row: int
    column: int

    def flat(self, width):
        return self.row * width + self.column


Mode = Literal[
    "plain",
    "packed",
]
""",
    SIZES: HEAD
    + """\
ORDER = ["cutlass", "marlin"]

LIMITS = {
    90: {
        "rows": 64,  # a warp
        "columns": 32,
    },
    100: {"rows": 128},
}

STEPS = {
    "small": [16, 32],
    "large": [64, 128],
}
""",
    SMALL: HEAD
    + """\
class Processor:
    size = 14

    def tokens(self, width, height):
        rows, rest = divmod(height, self.size)
        columns = width // self.size
        patches = rows * columns
        return patches * self.merged()

    def merged(self):
        return 4
""",
    READER: HEAD
    + """\
def first(text):
    for word in text.split():
        return word


class Reader:
    def take(self, key):
        return self.held[key]
""",
    SPECS: HEAD
    + """\
from dataclasses import dataclass


class Spec:
    size = 1


class Ratio(Spec):
    on = True
    ratio = 1


@dataclass
class Config:
    specs: list[Ratio]
    names: list[str]
""",
    PINS: """\
-r common.txt
torch==2.13.0
flashinfer-python==0.7.0
nvidia-cutlass-dsl[cu13]==4.7.1
quack-kernels==0.6.5  # Required by MSA
""",
}

case = partial(drifts.drift, TREE)

_DEFAULTS = on(
    ROUNDS,
    ("import dataclass\n", "import dataclass, field\n"),
    ("    names: list[str]\n", "    names: list[str] = field(default_factory=list)\n"),
    (
        "    shapes: list[int]\n",
        "    shapes: list[int] = field(default_factory=list)\n",
    ),
)
_FIELD = ("    def count(self):\n", "    number: int\n\n    def count(self):\n")


def _below(head: str, field: str) -> drifts.Edits:
    made = f"@dataclass{head}\nclass Ours(Round):\n    {field}\n"
    start = "from dataclasses import dataclass\n\nfrom vllm.rounds import Round\n\n\n"
    return {OURS: [("", HEAD + start + made)]}


_RENAMED = on(SPECS, ("    ratio = 1\n", "    per_state = 1\n"))


def _user(body: str) -> drifts.Edits:
    start = "from vllm.specs import Config, Ratio\n\n\n"
    return {OURS: [("", HEAD + start + body)]}


_ASKED = {
    "a name is of the class that a test asks for": (
        "def f(spec):\n    if isinstance(spec, Ratio):\n        return spec.ratio\n"
    ),
    "a name is of the class that a test of two asks for": (
        "def f(spec):\n    if isinstance(spec, Ratio) and spec.on:\n"
        "        return spec.ratio\n"
    ),
    "a loop goes over what a field holds": (
        "def f(config: Config):\n    for one in config.specs:\n"
        "        yield one.ratio\n"
    ),
    "a list is made of what a field holds": (
        "def f(config: Config):\n"
        "    return [one.ratio for one in config.specs if one.on]\n"
    ),
    "a table is made of what a field holds": (
        "def f(config: Config):\n    return {one: one.ratio for one in config.specs}\n"
    ),
}
_NOT_ASKED = {
    "a name is set again after its test": (
        "def f(spec, other):\n    if isinstance(spec, Ratio):\n"
        "        spec = other(spec)\n        return spec.ratio\n"
    ),
    "a name is of the class of a test that failed": (
        "def f(spec):\n    if isinstance(spec, Ratio):\n        return 1\n"
        "    return spec.ratio\n"
    ),
    "a test of two asks for a class or for something else": (
        "def f(spec):\n    if isinstance(spec, Ratio) or spec.on:\n"
        "        return spec.ratio\n"
    ),
    "a loop goes over the texts of a field": (
        "def f(config: Config, ratio):\n    for one in config.names:\n"
        "        yield one.ratio\n"
    ),
}

_KNOWN = tuple(
    case(f"13: {name}", NAMES, _user(body), _RENAMED) for name, body in _ASKED.items()
) + tuple(
    case(f"13: {name}", NAMES, _user(body), _RENAMED, _user(body))
    for name, body in _NOT_ASKED.items()
)

THIRTEENTH: tuple[Change, ...] = (
    *_KNOWN,
    # Python makes no class whose field without a default comes after one with it.
    case(
        "13: a field comes behind fields that got defaults",
        ELEMENTS,
        on(ROUNDS, _FIELD),
        _DEFAULTS,
    ),
    case(
        "13: a field of a class of ours, below one whose fields got defaults",
        NAMES,
        _below("", "number: int"),
        _DEFAULTS,
    ),
    case(
        "13: a field by name only, below one whose fields got defaults",
        NAMES,
        _below("(kw_only=True)", "number: int"),
        _DEFAULTS,
        _below("(kw_only=True)", "number: int"),
    ),
    case(
        "13: a field with a default, below one whose fields got defaults",
        NAMES,
        _below("", "number: int = 0"),
        _DEFAULTS,
        _below("", "number: int = 0"),
    ),
    case(
        "13: our default is in front of upstream's new class's field",
        NAMES,
        on(ROUNDS, ("    shapes: list[int]\n", "    shapes: list[int] = ()\n")),
        {
            "vllm/long.py": [
                (
                    "",
                    HEAD + "from dataclasses import dataclass\n\n"
                    "from vllm.rounds import Round\n\n\n@dataclass\n"
                    "class Long(Round):\n    number: int\n",
                )
            ]
        },
    ),
    case(
        "13: an element of a named tuple comes behind one that got a default",
        ELEMENTS,
        on(ROUNDS, ("    def flat(self", "    page: int\n\n    def flat(self")),
        on(ROUNDS, ("    column: int\n", "    column: int = 0\n")),
    ),
    # What is given is what it was made of until now.
    case(
        "13: a text became its bytes, and is read from them",
        NAMES,
        {
            OURS: [
                (
                    "",
                    HEAD + "from vllm.reader import first\n\n\n"
                    "def name(row):\n    return first(row.title)\n",
                )
            ]
        },
        on(
            READER, ("def first(text):\n", "def first(raw):\n    text = raw.decode()\n")
        ),
    ),
    case(
        "13: a key of a method became what it is looked up by",
        NAMES,
        {
            OURS: [
                (
                    "",
                    HEAD + "from vllm.reader import Reader\n\n\n"
                    "def name(reader: Reader, row):\n    return reader.take(row.key)\n",
                )
            ]
        },
        on(
            READER,
            (
                "    def take(self, key):\n",
                "    def take(self, request):\n        key = request.key\n",
            ),
        ),
    ),
    # Under one key a collection again.
    case(
        "13: two values under one key",
        ELEMENTS,
        on(SIZES, ('        "columns": 32,\n', '        "columns": 48,\n')),
        on(SIZES, ('        "rows": 64,  # a warp\n', '        "rows": 96,\n')),
        on(SIZES, ('        "columns": 32,\n', '        "columns": 48,\n')),
    ),
    case(
        "13: one value under one key, set twice",
        ELEMENTS,
        on(
            SIZES,
            ('        "rows": 64,  # a warp\n', '        "rows": 48,  # a warp\n'),
        ),
        on(
            SIZES,
            ('        "rows": 64,  # a warp\n', '        "rows": 96,  # a warp\n'),
        ),
    ),
    case(
        "13: a value and what is said of it, beside another value",
        ELEMENTS,
        on(SIZES, ('        "rows": 64,  # a warp\n', '        "rows": 32,  # half\n')),
        on(SIZES, ('        "columns": 32,\n', '        "columns": 48,\n')),
        on(SIZES, ('        "rows": 64,  # a warp\n', '        "rows": 32,  # half\n')),
    ),
    case(
        "13: both say of a value something else",
        ELEMENTS,
        on(SIZES, ('        "rows": 64,  # a warp\n', '        "rows": 32,  # half\n')),
        on(
            SIZES, ('        "rows": 64,  # a warp\n', '        "rows": 64,  # whole\n')
        ),
    ),
    case(
        "13: a list under a key, of which both change the order",
        ELEMENTS,
        on(SIZES, ('    "small": [16, 32],\n', '    "small": [8, 16, 32],\n')),
        on(SIZES, ('    "small": [16, 32],\n', '    "small": [32, 16],\n')),
    ),
    case(
        "13: the value under a key is of another kind",
        ELEMENTS,
        on(SIZES, ('    100: {"rows": 128},\n', '    100: {"rows": 160},\n')),
        on(SIZES, ('    100: {"rows": 128},\n', '    100: [("rows", 128)],\n')),
    ),
    # What upstream adds to a class is more than that it has a new name.
    case(
        "13: a class got another name, and its line says a name twice",
        IN_PART,
        on(SMALL, ("patches = rows * columns", "patches = max(rows, 1) * columns")),
        on(SMALL, ("class Processor:\n", "class ChatProcessor:\n")),
        on(SMALL, ("patches = rows * columns", "patches = max(rows, 1) * columns")),
    ),
    case(
        "13: a class got another name, and has our line",
        IN_PART,
        on(
            SMALL,
            (
                "    def merged(self",
                "    def least(self):\n        return 1\n\n    def merged(self",
            ),
        ),
        on(
            SMALL,
            ("class Processor:\n", "class ChatProcessor:\n"),
            (
                "    def merged(self",
                "    def least(self):\n        return 1\n\n    def merged(self",
            ),
        ),
        {},
        dropped=True,
    ),
    # What landed with more beside it landed.
    case(
        "13: our member landed with another beside it",
        IN_PART,
        on(ROUNDS, ('    "packed",\n', '    "packed",\n    "tiled",\n')),
        on(ROUNDS, ('    "packed",\n', '    "packed",\n    "tiled",\n    "tree",\n')),
        {},
        dropped=True,
    ),
    case(
        "13: our entry landed with another value beside it",
        IN_PART,
        on(
            SIZES,
            (
                '    "large": [64, 128],\n',
                '    "large": [64, 128],\n    "huge": [256],\n',
            ),
        ),
        on(
            SIZES,
            (
                '    "large": [64, 128],\n',
                '    "large": [64, 128],\n    "huge": [256, 512],\n    "tiny": [8],\n',
            ),
        ),
    ),
    case(
        "13: our first of an order landed behind another",
        IN_PART,
        on(SIZES, ('["cutlass", "marlin"]', '["sm12x", "cutlass", "marlin"]')),
        on(SIZES, ('["cutlass", "marlin"]', '["cutlass", "sm12x", "marlin"]')),
    ),
    # A line of requirements is a package.
    case(
        "13: requirements: two packages on lines that touch",
        ELEMENTS,
        on(PINS, ("flashinfer-python==0.7.0", "flashinfer-python==0.7.4")),
        on(
            PINS, ("[cu13]==4.7.1", "[cu13]==4.8.0"), ("torch==2.13.0", "torch==2.14.0")
        ),
        on(PINS, ("flashinfer-python==0.7.0", "flashinfer-python==0.7.4")),
    ),
    case(
        "13: requirements: a package with an extra, on lines that touch",
        ELEMENTS,
        on(PINS, ("[cu13]==4.7.1", "[cu13]==4.8.1")),
        on(PINS, ("flashinfer-python==0.7.0", "flashinfer-python==0.7.2")),
        on(PINS, ("[cu13]==4.7.1", "[cu13]==4.8.1")),
    ),
    case(
        "13: requirements: one package, which upstream spells otherwise",
        ELEMENTS,
        on(PINS, ("flashinfer-python==0.7.0", "flashinfer-python==0.7.4")),
        on(PINS, ("flashinfer-python==0.7.0", "flashinfer_python==0.7.2")),
    ),
    case(
        "13: requirements: a package that upstream lists no more",
        ELEMENTS,
        on(PINS, ("quack-kernels==0.6.5", "quack-kernels==0.6.6")),
        on(PINS, ("quack-kernels==0.6.5  # Required by MSA\n", "")),
    ),
    case(
        "13: requirements: a package that upstream lists twice now",
        ELEMENTS,
        on(PINS, ("torch==2.13.0", "torch==2.13.1")),
        on(
            PINS,
            (
                "torch==2.13.0\nflash",
                'torch==2.13.0; platform_machine == "x86_64"\n'
                'torch==2.14.0; platform_machine != "x86_64"\nflash',
            ),
        ),
    ),
)
