# SPDX-License-Identifier: Apache-2.0
"""Upstream changes that were set down before the port was taught their kinds.

Of each kind some have one right answer, so that a port that refuses everything
is no better than one that believes everything. `make carry-matrix` counts them
apart from the corpus; what they came to is reported as it came.
"""

from __future__ import annotations

from tests.unit.port.model import Change, Series, file_case

HEAD = "# SPDX-License-Identifier: Apache-2.0\n"
PATH = "vllm/plan.py"

PLAN = (
    HEAD
    + '''\
"""How a layer is planned."""

from dataclasses import dataclass
from enum import Enum

from vllm.caps import has_tiles, pad
from vllm.tables import KNOWN, LIMITS

WIDTHS = [16, 32, 64]

LABELS = {
    "row": "rows first",
    "col": "columns first",
}

ORDER = (
    "row",
    "col",
)


class Layout(Enum):
    ROW = 1
    COL = 2


@dataclass
class Shape:
    m: int
    n: int
    k: int = 0


def square(n):
    return Shape(n, n)


def plan(layer, rows):
    """Tiles of a layer."""
    width = pad(rows, 16)
    if layer.quantized:
        width = pad(width, 32)
        layer.tiles = width // 16
    else:
        layer.tiles = 1
    return width


def limit(name):
    """The largest size of a name."""
    if name in KNOWN:
        return LIMITS[name]
    return 0


class Planner:
    """Plans layer after layer."""

    def __init__(self, device):
        self.device = device
        self.plans = []

    def add(self, layer):
        for block in layer.blocks:
            if block.ready:
                self.plans.append(plan(block, layer.rows))
        return len(self.plans)

    def flush(self):
        if not self.plans:
            return None
        done = self.plans
        self.plans = []
        return done
'''
)

CAPS = (
    HEAD
    + '''\
"""What a device can."""


def has_tiles(device):
    return device.major >= 9


def pad(rows, to):
    return (rows + to - 1) // to * to


def sm100_tiles(rows, width):
    """Tiles on SM100."""
    count = rows // width
    left = rows % width
    if left:
        count += 1
    return count


def sm120_tiles(rows, width):
    """Tiles on SM120."""
    count = rows // width
    left = rows % width
    if left:
        count += 1
    return count
'''
)

TABLES = HEAD + 'KNOWN = {"row", "col"}\n\nLIMITS = {"row": 4096, "col": 8192}\n'

TREE = {PATH: PLAN, "vllm/caps.py": CAPS, "vllm/tables.py": TABLES}


def _swap(text: str, *edits: tuple[str, str]) -> str:
    for old, new in edits:
        assert text.count(old) == 1, (text.count(old), old)
        text = text.replace(old, new)
    return text


def tree_case(
    name: str,
    kind: str,
    patch: dict[str, str | None],
    upstream: dict[str, str | None],
    right: dict[str, str | None] | None,
    base: dict[str, str] | None = None,
    dropped: bool = False,
) -> Change:
    """A case of several files.

    Args:
        name: Unique.
        kind: What upstream did.
        patch: Files that the patch changes, whole; None where it deletes one.
        upstream: The same of upstream.
        right: What is to be changed in upstream's tree; None for a person.
        base: The tree that both start from.
        dropped: As in `Change`.
    """
    start = TREE if base is None else base

    def on(below: dict[str, str], over: dict[str, str | None]) -> dict[str, str]:
        return {p: t for p, t in {**below, **over}.items() if t is not None}

    new = on(start, upstream)
    answers = () if right is None else (on(new, right),)
    return Change(name, kind, start, on(start, patch), new, answers, dropped)


FIELD = [("    k: int = 0\n", "    k: int = 0\n    tile: int = 16\n")]
MEMBER = [("    COL = 2\n", "    COL = 2\n    TILE = 3\n")]
WIDTH = [("WIDTHS = [16, 32, 64]", "WIDTHS = [16, 32, 64, 128]")]
LABEL = [
    (
        '    "col": "columns first",\n',
        '    "col": "columns first",\n    "tile": "tile by tile",\n',
    )
]
KIND_ELEMENTS = "elements changed"
KIND_TWIN = "moved to a file, twin stays"
KIND_AROUND = "the ground around changed"
KIND_NAME = "a name we use changed"
KIND_ABSORBED = "landed in part"

SM120 = CAPS[CAPS.index("def sm120_tiles") :]
SM100 = CAPS[CAPS.index("def sm100_tiles") : CAPS.index("def sm120_tiles")]
WIDER = SM120.replace("    if left:\n", "    if left > 1:\n")
NARROW = "def sm121_tiles(rows, width):\n" + SM120.split("\n", 1)[1].replace(
    "SM120", "SM121"
)

ELEMENTS: tuple[Change, ...] = (
    file_case(
        "dataclass gets a field on both sides, built by position",
        KIND_ELEMENTS,
        [*FIELD, ("    return Shape(n, n)\n", "    return Shape(n, n, 0, 32)\n")],
        [("    k: int = 0\n", "    k: int = 0\n    batch: int = 1\n")],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "field inserted above ours, others count positions",
        KIND_ELEMENTS,
        FIELD,
        [
            ("    k: int = 0\n", "    k: int = 0\n    split: int = 1\n"),
            ("    return Shape(n, n)\n", "    return Shape(n, n, 0, 2)\n"),
        ],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "enum's numbers become names",
        KIND_ELEMENTS,
        MEMBER,
        [("    ROW = 1\n    COL = 2\n", '    ROW = "row"\n    COL = "col"\n')],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "enum's next number is taken",
        KIND_ELEMENTS,
        MEMBER,
        [("    COL = 2\n", "    COL = 2\n    BLOCK = 3\n")],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "list of numbers becomes list of pairs",
        KIND_ELEMENTS,
        WIDTH,
        [("WIDTHS = [16, 32, 64]", "WIDTHS = [(16, 1), (32, 1), (64, 2)]")],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "dict of texts becomes dict of pairs",
        KIND_ELEMENTS,
        LABEL,
        [
            ('    "row": "rows first",\n', '    "row": ("rows first", 0),\n'),
            ('    "col": "columns first",\n', '    "col": ("columns first", 1),\n'),
        ],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "our entry came, in other quotes and one line higher",
        KIND_ELEMENTS,
        LABEL,
        [
            (
                '    "row": "rows first",\n',
                "    'tile': 'tile by tile',\n    \"row\": \"rows first\",\n",
            )
        ],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "dict got another entry at the same place",
        KIND_ELEMENTS,
        LABEL,
        [
            (
                '    "col": "columns first",\n',
                '    "col": "columns first",\n    "any": "as it comes",\n',
            )
        ],
        [
            (
                '    "any": "as it comes",\n',
                '    "any": "as it comes",\n    "tile": "tile by tile",\n',
            )
        ],
        [
            (
                '    "any": "as it comes",\n',
                '    "tile": "tile by tile",\n    "any": "as it comes",\n',
            )
        ],
        base=PLAN,
        path=PATH,
    ),
)

TWINS: tuple[Change, ...] = (
    tree_case(
        "SM120's went to a new file, SM100's got its name's likeness",
        KIND_TWIN,
        {"vllm/caps.py": _swap(CAPS, (SM120, WIDER))},
        {
            "vllm/caps.py": CAPS.replace(SM120, "").replace(
                "sm100_tiles", "sm1xx_tiles"
            ),
            "vllm/sm120.py": HEAD + "\n\n" + SM120,
        },
        None,
    ),
    tree_case(
        "SM120's went to a file that was there, a copy came under a like name",
        KIND_TWIN,
        {"vllm/caps.py": _swap(CAPS, (SM120, WIDER))},
        {
            "vllm/caps.py": CAPS.replace(SM120, NARROW),
            "vllm/tables.py": TABLES + "\n\n" + SM120,
        },
        None,
    ),
    tree_case(
        "renamed where it stands, and nobody else has the name",
        KIND_TWIN,
        {"vllm/caps.py": _swap(CAPS, (SM120, WIDER))},
        {"vllm/caps.py": CAPS.replace("sm120_tiles", "blackwell_tiles")},
        {
            "vllm/caps.py": _swap(CAPS, (SM120, WIDER)).replace(
                "sm120_tiles", "blackwell_tiles"
            )
        },
    ),
)

HOOK = [
    (
        "        layer.tiles = width // 16\n",
        "        layer.tiles = width // 16\n        layer.sm12x = True\n",
    )
]
READY = [
    (
        "                self.plans.append(plan(block, layer.rows))\n",
        "                block.seen = True\n"
        "                self.plans.append(plan(block, layer.rows))\n",
    )
]
DONE = [("        done = self.plans\n", "        done = list(self.plans)\n")]

AROUND: tuple[Change, ...] = (
    file_case(
        "if and else changed places by a not",
        KIND_AROUND,
        HOOK,
        [("    if layer.quantized:\n", "    if not layer.quantized:\n")],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "an equality became its contrary two levels up",
        KIND_AROUND,
        READY,
        [("            if block.ready:\n", "            if not block.ready:\n")],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "the early way out asks the contrary",
        KIND_AROUND,
        DONE,
        [("        if not self.plans:\n", "        if self.plans:\n")],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "branches exchanged, the hook's lines are in the else now",
        KIND_AROUND,
        HOOK,
        [
            (
                "    if layer.quantized:\n        width = pad(width, 32)\n"
                "        layer.tiles = width // 16\n    else:\n"
                "        layer.tiles = 1\n",
                "    if layer.dense:\n        layer.tiles = 1\n    else:\n"
                "        width = pad(width, 32)\n"
                "        layer.tiles = width // 16\n",
            )
        ],
        None,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "another function's test changed",
        KIND_AROUND,
        HOOK,
        [("    if name in KNOWN:\n", "    if name not in KNOWN:\n")],
        HOOK,
        base=PLAN,
        path=PATH,
    ),
    file_case(
        "the other branch's body changed",
        KIND_AROUND,
        HOOK,
        [("        layer.tiles = 1\n", "        layer.tiles = 2\n")],
        HOOK,
        base=PLAN,
        path=PATH,
    ),
)

NEW = "vllm/sm12x.py"
USES = {
    NEW: HEAD
    + "from vllm.caps import pad\nfrom vllm.tables import KNOWN\n\n\n"
    + "def tiles(rows):\n    return pad(rows, 16), sorted(KNOWN)\n"
}
ADDS = {
    NEW: HEAD
    + "from vllm import caps\nfrom vllm.tables import KNOWN\n\n\n"
    + 'def register():\n    KNOWN.add("tile")\n    return caps.pad(1, to=16)\n'
}

NAMES: tuple[Change, ...] = (
    tree_case(
        "what our new file imports was renamed",
        KIND_NAME,
        USES,
        {
            "vllm/caps.py": CAPS.replace("def pad(", "def round_up("),
            PATH: PLAN.replace("pad", "round_up"),
        },
        None,
    ),
    tree_case(
        "the module of what we import went",
        KIND_NAME,
        USES,
        {
            "vllm/tables.py": None,
            "vllm/known.py": TABLES,
            PATH: PLAN.replace("vllm.tables", "vllm.known"),
        },
        None,
    ),
    tree_case(
        "an argument that we pass by name has another",
        KIND_NAME,
        ADDS,
        {
            "vllm/caps.py": CAPS.replace("rows, to)", "rows, multiple)").replace(
                "+ to - 1) // to * to", "+ multiple - 1) // multiple * multiple"
            )
        },
        None,
    ),
    tree_case(
        "the two arguments that we pass changed places",
        KIND_NAME,
        USES,
        {
            "vllm/caps.py": CAPS.replace("def pad(rows, to)", "def pad(to, rows)"),
            PATH: PLAN.replace("pad(rows, 16)", "pad(16, rows)").replace(
                "pad(width, 32)", "pad(32, width)"
            ),
        },
        None,
    ),
    tree_case(
        "the set that we add to is a tuple now",
        KIND_NAME,
        ADDS,
        {"vllm/tables.py": TABLES.replace('{"row", "col"}', '("row", "col")', 1)},
        None,
    ),
    tree_case(
        "a package of our new module's name came",
        KIND_NAME,
        USES,
        {"vllm/sm12x/__init__.py": HEAD, "vllm/sm12x/gemm.py": HEAD + "N = 1\n"},
        None,
    ),
    tree_case(
        "a needed argument came behind those that we pass",
        KIND_NAME,
        USES,
        {
            "vllm/caps.py": CAPS.replace("def pad(rows, to)", "def pad(rows, to, up)"),
            PATH: PLAN.replace("pad(rows, 16)", "pad(rows, 16, True)").replace(
                "pad(width, 32)", "pad(width, 32, True)"
            ),
        },
        None,
    ),
    tree_case(
        "a local that our line reads was renamed above it",
        KIND_NAME,
        {
            PATH: _swap(
                PLAN,
                ("    return width\n", "    layer.width = width\n    return width\n"),
            )
        },
        {
            PATH: _swap(
                PLAN,
                ("    width = pad(rows, 16)\n", "    span = pad(rows, 16)\n"),
                ("        width = pad(width, 32)\n", "        span = pad(span, 32)\n"),
                ("        layer.tiles = width // 16\n", "        layer.tiles = 3\n"),
                ("    return width\n", "    layer.done = True\n    return span\n"),
            )
        },
        None,
    ),
    tree_case(
        "an argument with a default came, our calls are as they were",
        KIND_NAME,
        USES,
        {"vllm/caps.py": CAPS.replace("def pad(rows, to)", "def pad(rows, to, up=1)")},
        USES,
    ),
    tree_case(
        "what we import moved, and is handed on from where it was",
        KIND_NAME,
        USES,
        {
            "vllm/rounding.py": HEAD
            + "\n\n"
            + CAPS[CAPS.index("def pad") : CAPS.index("def sm100_tiles")],
            "vllm/caps.py": CAPS.replace(
                CAPS[CAPS.index("def pad") : CAPS.index("def sm100_tiles")], ""
            ).replace(
                '"""What a device can."""\n',
                '"""What a device can."""\n\nfrom vllm.rounding import pad\n',
            ),
        },
        USES,
    ),
)

DOCUMENTED = _swap(
    PLAN,
    (
        "def limit(name):\n",
        "def halved(name):\n"
        '    """Half of the largest size, for SM12x."""\n'
        "    full = limit(name)\n"
        "    return full // 2\n\n\n"
        "def limit(name):\n",
    ),
)

ABSORBED: tuple[Change, ...] = (
    tree_case(
        "landed, and its docstring says it otherwise",
        KIND_ABSORBED,
        {PATH: DOCUMENTED},
        {PATH: DOCUMENTED.replace("Half of the largest size, for SM12x.", "A half.")},
        {},
        dropped=True,
    ),
    tree_case(
        "one of three equal lines landed",
        KIND_ABSORBED,
        {
            PATH: _swap(
                PLAN,
                (
                    "    width = pad(rows, 16)\n",
                    "    layer.note('sm12x')\n    width = pad(rows, 16)\n",
                ),
                (
                    "        self.plans = []\n        return done\n",
                    "        self.plans = []\n        layer.note('sm12x')\n"
                    "        return done\n",
                ),
                ("    return 0\n", "    layer.note('sm12x')\n    return 0\n"),
            )
        },
        {
            PATH: _swap(
                PLAN,
                ("    return 0\n", "    layer.note('sm12x')\n    return -1\n"),
            )
        },
        None,
    ),
    tree_case(
        "landed but for the word that matters",
        KIND_ABSORBED,
        {PATH: DOCUMENTED},
        {PATH: DOCUMENTED.replace("    return full // 2\n", "    return full\n")},
        None,
    ),
)

HELD_OUT: tuple[Change, ...] = (*ELEMENTS, *TWINS, *AROUND, *NAMES, *ABSORBED)

FIRST = _swap(
    PLAN,
    (
        "def limit(name):\n",
        "def tile(rows):\n    return pad(rows, 128)\n\n\ndef limit(name):\n",
    ),
    ("    if name in KNOWN:\n", "    if name in KNOWN and has_tiles(name):\n"),
)
GONE_TEST = _swap(
    PLAN,
    (
        "    if name in KNOWN:\n        return LIMITS[name]\n    return 0\n",
        "    return LIMITS.get(name, 0)\n",
    ),
)

HELD_OUT_SERIES: tuple[Series, ...] = (
    Series(
        "the second calls what the first adds, and the first waits",
        TREE,
        (
            {**TREE, PATH: FIRST},
            {
                **TREE,
                PATH: FIRST,
                NEW: HEAD + "from vllm.plan import tile\n\nN = tile(1)\n",
            },
        ),
        {**TREE, PATH: GONE_TEST},
        (False, False),
    ),
    Series(
        "the third calls what the second adds, which stands on the first",
        TREE,
        (
            {**TREE, PATH: FIRST},
            {
                **TREE,
                PATH: FIRST,
                NEW: HEAD
                + "from vllm.plan import tile\n\n\ndef go():\n    return tile(1)\n",
            },
            {
                **TREE,
                PATH: FIRST,
                NEW: HEAD
                + "from vllm.plan import tile\n\n\ndef go():\n    return tile(1)\n",
                "vllm/last.py": HEAD + "from vllm import sm12x\n\nN = sm12x.go()\n",
            },
        ),
        {**TREE, PATH: GONE_TEST},
        (False, False, False),
    ),
    Series(
        "the second has nothing to do with the first, which waits",
        TREE,
        (
            {**TREE, PATH: FIRST},
            {**TREE, PATH: FIRST, "vllm/tables.py": TABLES.replace("4096", "2048")},
        ),
        {**TREE, PATH: GONE_TEST},
        (False, True),
    ),
)
