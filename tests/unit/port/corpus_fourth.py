# SPDX-License-Identifier: Apache-2.0
"""A fourth set of upstream's changes, set down once the third had been taught.

On the tree of `heldout`; of the same kinds, and siblings of what was mended.
"""

from __future__ import annotations

from tests.unit.port.heldout import (
    CAPS,
    HEAD,
    NEW,
    PATH,
    PLAN,
    SM100,
    SM120,
    TABLES,
    TREE,
)
from tests.unit.port.heldout import tree_case as whole
from tests.unit.port.model import Change, Series, replaced

CAPS_AT, TABLES_AT = "vllm/caps.py", "vllm/tables.py"

ELEMENTS = "elements changed"
TWINS = "moved to a file, twin stays"
AROUND = "the ground around changed"
NAMES = "a name we use changed"
TWICE = "both bring one name"
IN_PART = "landed in part"

Pairs = list[tuple[str, str]]
Files = dict[str, str | None]


def plan(*pairs: tuple[str, str]) -> Files:
    return {PATH: replaced(PLAN, *pairs)}


def here(
    name: str, kind: str, patch: Pairs, upstream: Pairs, right: Pairs | None
) -> Change:
    """A case of `PLAN` alone."""
    ours = replaced(PLAN, *upstream)
    answer: Files | None = None if right is None else {PATH: replaced(ours, *right)}
    return whole(name, kind, plan(*patch), {PATH: ours}, answer)


def new(text: str) -> Files:
    return {NEW: HEAD + text}


LABEL = [
    (
        '    "col": "columns first",\n',
        '    "col": "columns first",\n    "tile": "tile by tile",\n',
    )
]
HOOK = [
    (
        "        layer.tiles = width // 16\n",
        "        layer.tiles = width // 16\n        layer.sm12x = True\n",
    )
]
DONE = [("        done = self.plans\n", "        done = list(self.plans)\n")]
WIDER = replaced(CAPS, (SM120, SM120.replace("    if left:\n", "    if left > 1:\n")))
LEAST = replaced(CAPS, ("\n\ndef pad", "\nLEAST = 16\n\n\ndef pad"))
KERNEL = "csrc/plan.cu"
CUDA = """\
#include "plan.h"

#if defined(WIDE)
int width(int rows) {
  return rows * 2;
}
#else
int width(int rows) {
  int found = rows;
  found += 0;
  return found;
}
#endif

int take(Queue& queue) {
  int taken = 0;
  while (!queue.empty()) {
    taken += queue.pop();
  }
  return taken;
}
"""
IN_CUDA: dict[str, str] = {**TREE, KERNEL: CUDA}

BELOW = new(
    "from vllm.plan import Planner\n\n\n"
    "class Sm12xPlanner(Planner):\n"
    "    def finish(self):\n        return super().flush()\n"
)

FOURTH: tuple[Change, ...] = (
    here(
        "our key is taken out again below",
        ELEMENTS,
        LABEL,
        [
            (
                'ORDER = (\n    "row",\n    "col",\n)\n',
                'ORDER = (\n    "row",\n    "col",\n)\n\nLABELS.pop("tile", None)\n',
            )
        ],
        None,
    ),
    here(
        "another key is set below",
        ELEMENTS,
        LABEL,
        [
            (
                'ORDER = (\n    "row",\n    "col",\n)\n',
                'ORDER = (\n    "row",\n    "col",\n)\n\nLABELS["any"] = "any"\n',
            )
        ],
        LABEL,
    ),
    here(
        "enum's numbers are bits now",
        ELEMENTS,
        [("    COL = 2\n", "    COL = 2\n    TILE = 3\n")],
        [
            ("from enum import Enum\n", "from enum import IntFlag\n"),
            ("class Layout(Enum):", "class Layout(IntFlag):"),
        ],
        None,
    ),
    whole(
        "both twins renamed",
        TWINS,
        {CAPS_AT: WIDER},
        {
            CAPS_AT: CAPS.replace("sm100_tiles", "tiles_a").replace(
                "sm120_tiles", "tiles_b"
            )
        },
        None,
    ),
    whole(
        "goes into a class of the file, the twin stays",
        TWINS,
        {CAPS_AT: WIDER},
        {
            CAPS_AT: CAPS.replace(SM120, "")
            + "class Tiles:\n    @staticmethod\n"
            + "".join(f"    {row}\n" if row else "\n" for row in SM120.splitlines())
        },
        None,
    ),
    whole(
        "the twin goes into a class of the file",
        TWINS,
        {CAPS_AT: WIDER},
        {
            CAPS_AT: CAPS.replace(SM100, "")
            + "\n\nclass Tiles:\n    @staticmethod\n"
            + "".join(f"    {row}\n" if row else "\n" for row in SM100.splitlines())
        },
        {
            CAPS_AT: WIDER.replace(SM100, "")
            + "\n\nclass Tiles:\n    @staticmethod\n"
            + "".join(f"    {row}\n" if row else "\n" for row in SM100.splitlines())
        },
    ),
    whole(
        "#if gets a not",
        AROUND,
        {KERNEL: replaced(CUDA, ("  found += 0;\n", "  found += 0;\n  found += 1;\n"))},
        {KERNEL: replaced(CUDA, ("#if defined(WIDE)", "#if !defined(WIDE)"))},
        None,
        base=IN_CUDA,
    ),
    whole(
        "C++: the loop asks the contrary",
        AROUND,
        {
            KERNEL: replaced(
                CUDA,
                (
                    "    taken += queue.pop();\n",
                    "    taken += queue.pop();\n    taken += 1;\n",
                ),
            )
        },
        {KERNEL: replaced(CUDA, ("while (!queue.empty())", "while (queue.empty())"))},
        None,
        base=IN_CUDA,
    ),
    here(
        "way out comes that leaves always where the hook is",
        AROUND,
        HOOK,
        [
            (
                "    width = pad(rows, 16)\n",
                "    width = pad(rows, 16)\n    if layer.quantized:\n"
                "        return width\n",
            )
        ],
        None,
    ),
    here(
        "the early way out is an assert of the contrary",
        AROUND,
        DONE,
        [
            (
                "        if not self.plans:\n            return None\n",
                "        assert not self.plans\n",
            )
        ],
        None,
    ),
    whole(
        "a variable of a module that we set has another name",
        NAMES,
        new(
            "from vllm import tables\n\n\n"
            "def narrow():\n    tables.LIMITS = {}\n    return tables\n"
        ),
        {
            TABLES_AT: TABLES.replace("LIMITS", "SIZES"),
            PATH: PLAN.replace("LIMITS", "SIZES"),
        },
        None,
    ),
    whole(
        "what we ask of the class above by super has another name",
        NAMES,
        BELOW,
        {PATH: PLAN.replace("def flush(", "def drain(")},
        None,
    ),
    whole(
        "what we do not ask of the class above by super has another name",
        NAMES,
        BELOW,
        {PATH: PLAN.replace("def add(", "def append(")},
        BELOW,
    ),
    whole(
        "a dict whose items we ask for is a list of names",
        NAMES,
        new(
            "from vllm.tables import LIMITS\n\n\n"
            "def largest():\n    return max(v for _, v in LIMITS.items())\n"
        ),
        {TABLES_AT: TABLES.replace('{"row": 4096, "col": 8192}', '["row", "col"]')},
        None,
    ),
    whole(
        "a number that we count with is a text",
        NAMES,
        new(
            "from vllm.caps import LEAST\n\n\ndef least(n):\n    return max(n, LEAST)\n"
        ),
        {CAPS_AT: LEAST.replace("LEAST = 16\n", 'LEAST = "16"\n')},
        None,
        base={
            **TREE,
            CAPS_AT: CAPS.replace("\n\ndef pad", "\nLEAST = 16\n\n\ndef pad"),
        },
    ),
    whole(
        "a number that we count with is another number",
        NAMES,
        new(
            "from vllm.caps import LEAST\n\n\ndef least(n):\n    return max(n, LEAST)\n"
        ),
        {CAPS_AT: LEAST.replace("LEAST = 16\n", "LEAST = 32\n")},
        new(
            "from vllm.caps import LEAST\n\n\ndef least(n):\n    return max(n, LEAST)\n"
        ),
        base={
            **TREE,
            CAPS_AT: CAPS.replace("\n\ndef pad", "\nLEAST = 16\n\n\ndef pad"),
        },
    ),
    whole(
        "the value of an enum's member that we count with is a text",
        NAMES,
        new(
            "from vllm.plan import Layout\n\n\n"
            "def after():\n    return Layout.COL.value + 1\n"
        ),
        plan(("    ROW = 1\n    COL = 2\n", '    ROW = "row"\n    COL = "col"\n')),
        None,
    ),
    whole(
        "a class method that we call by cls has another name",
        NAMES,
        plan(
            (
                "    def flush(self):\n",
                "    @classmethod\n    def of(cls, device):\n"
                "        return cls(device=device)\n\n"
                "    def flush(self):\n",
            )
        ),
        plan(
            (
                "    def __init__(self, device):\n        self.device = device\n",
                "    def __init__(self, where):\n        self.device = where\n",
            )
        ),
        None,
    ),
    here(
        "we set on self what upstream makes a property",
        TWICE,
        [
            (
                "        self.plans = []\n\n",
                "        self.plans = []\n        self.size = 0\n\n",
            )
        ],
        [
            (
                "        self.plans = []\n        return done\n",
                "        self.plans = []\n        return done\n\n"
                "    @property\n    def size(self):\n        return len(self.plans)\n",
            )
        ],
        None,
    ),
    here(
        "a local of one name, of upstream's between ours and its use",
        TWICE,
        [
            (
                '    """Tiles of a layer."""\n',
                '    """Tiles of a layer."""\n    least = 128\n',
            ),
            ("    return width\n", "    return max(width, least)\n"),
        ],
        [
            (
                "    if layer.quantized:\n",
                "    least = layer.smallest\n    layer.spare = least\n"
                "    if layer.quantized:\n",
            )
        ],
        None,
    ),
    here(
        "a local of one name in another function",
        TWICE,
        [
            (
                '    """Tiles of a layer."""\n',
                '    """Tiles of a layer."""\n    least = 128\n',
            ),
            ("    return width\n", "    return max(width, least)\n"),
        ],
        [
            (
                "        return len(self.plans)\n",
                "        least = 1\n        return least\n",
            )
        ],
        [
            (
                '    """Tiles of a layer."""\n',
                '    """Tiles of a layer."""\n    least = 128\n',
            ),
            ("    return width\n", "    return max(width, least)\n"),
        ],
    ),
    here(
        "landed under another local's name",
        IN_PART,
        [
            (
                "    return width\n",
                "    spare = width % 128\n    layer.spare = spare\n    return width\n",
            )
        ],
        [
            (
                "    return width\n",
                "    rest = width % 128\n    layer.spare = rest\n    return width\n",
            )
        ],
        None,
    ),
)

LEFT_FOURTH: tuple[Change, ...] = (
    here(
        "dict is made of pairs by a comprehension now",
        ELEMENTS,
        LABEL,
        [
            ("LABELS = {\n", "LABELS = {k: v.upper() for k, v in {\n"),
            (
                '    "col": "columns first",\n}\n',
                '    "col": "columns first",\n}.items()}\n',
            ),
        ],
        LABEL,
    ),
    here(
        "both tests of a pair are turned, and so is how they are joined",
        AROUND,
        [
            (
                "                self.plans.append(plan(block, layer.rows))\n",
                "                block.seen = True\n"
                "                self.plans.append(plan(block, layer.rows))\n",
            )
        ],
        [
            (
                "            if block.ready:\n",
                "            if not (not block.ready or block.held):\n",
            )
        ],
        [
            (
                "                self.plans.append(plan(block, layer.rows))\n",
                "                block.seen = True\n"
                "                self.plans.append(plan(block, layer.rows))\n",
            )
        ],
    ),
)
"""What is refused, though there is a right answer: counted as held out."""

_FIRST = plan(
    ("    if name in KNOWN:\n", "    if name in KNOWN and has_tiles(name):\n"),
    ("class Planner:\n", "class Halved:\n    size = 2\n\n\nclass Planner:\n"),
    ('    "col": "columns first",\n', '    "col": "columns first",\n    "sm1": "x",\n'),
)
_ONE = {**TREE, **{p: t for p, t in _FIRST.items() if t}}
_TURNED = {
    **TREE,
    PATH: replaced(
        PLAN,
        (
            "    if name in KNOWN:\n        return LIMITS[name]\n    return 0\n",
            "    return LIMITS.get(name, 0)\n",
        ),
    ),
}


def _then(name: str, text: str, carried: bool) -> Series:
    two = {**_ONE, NEW: HEAD + text}
    return Series(name, TREE, (_ONE, two), _TURNED, (False, carried))


FOURTH_SERIES: tuple[Series, ...] = (
    _then(
        "stands below the class that the first adds",
        "from vllm import plan\n\n\nclass Third(plan.Halved):\n    size = 3\n",
        False,
    ),
    _then(
        "asks for a key of three letters that the first adds",
        'from vllm.plan import LABELS\n\nNAME = LABELS["sm1"]\n',
        False,
    ),
    _then(
        "stands below a class that was there",
        "from vllm import plan\n\n\nclass Third(plan.Planner):\n    size = 3\n",
        True,
    ),
)
