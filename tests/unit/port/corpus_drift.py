# SPDX-License-Identifier: Apache-2.0
"""More of the corpus: merges that are clean as text, and wrong.

Elements of another shape, functions that went while a twin stayed, tests that
were turned round, names that mean something else, and changes that landed in part.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.port.model import BASE, PATH, Change, Series, file_case, replaced

HEAD = "# SPDX-License-Identifier: Apache-2.0\n"
UTIL = "vllm/rows.py"
USER = "vllm/sm12x.py"

ROWS = (
    HEAD
    + '''\
"""Rows and columns."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

NAMES = {"row", "col"}
SIZES = [1, 2, 4]
PAIRS = {"row": 1, "col": 2}


class Kind(Enum):
    ROW = auto()
    COL = auto()


class Mode(str, Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclass
class Tile:
    rows: int
    cols: int


class Span(NamedTuple):
    first: int
    last: int


def padded(count, to):
    return count + -count % to


def halves(count):
    return count // 2, count - count // 2


def is_even(count) -> bool:
    return count % 2 == 0


def first_rows(block):
    """The rows of the first half."""
    found = []
    for row in block:
        if row.used:
            found.append(row)
    total = len(found)
    return found[: total // 2]


def last_rows(block):
    """The rows of the last half."""
    found = []
    for row in block:
        if row.used:
            found.append(row)
    total = len(found)
    return found[total // 2 :]


class Store:
    """Keeps rows."""

    def put(self, row, hard=False):
        with self.lock:
            if row.used and not hard:
                self.kept.append(row)
            elif hard:
                self.gone.append(row)
            else:
                self.left.append(row)

    def take(self, count):
        if count > len(self.kept):
            raise ValueError(count)
        while count:
            count -= 1
            self.kept.pop()
        return self.kept
'''
)


def tree(
    name: str,
    kind: str,
    ours: Mapping[str, str | None],
    upstream: Mapping[str, str | None],
    right: Mapping[str, str | None] | None,
    *more: Mapping[str, str | None],
    dropped: bool = False,
) -> Change:
    """A case of several files: what each side makes of `ROWS`, and of others."""
    base = {UTIL: ROWS}

    def on(below: Mapping[str, str], over: Mapping[str, str | None]) -> dict[str, str]:
        return {p: t for p, t in {**below, **over}.items() if t is not None}

    new = on(base, upstream)
    answers = () if right is None else tuple(on(new, r) for r in (right, *more))
    return Change(name, kind, base, on(base, ours), new, answers, dropped)


def rows(*edits: tuple[str, str]) -> dict[str, str | None]:
    return {UTIL: replaced(ROWS, *edits)}


def user(body: str) -> dict[str, str | None]:
    return {USER: HEAD + body}


def _swapped(first: str, second: str) -> str:
    return ROWS.replace(first, "@").replace(second, first).replace("@", second)


ELEMENTS = "elements changed"
TWIN = "moved to a file, twin stays"
AROUND = "the ground around changed"
NAME = "a name we use changed"
PART = "landed in part"

AUTO = ("    COL = auto()\n", "    COL = auto()\n    TILE = auto()\n")
FAST = ('    SLOW = "slow"\n', '    SLOW = "slow"\n    SM12X = "sm12x"\n')
SIZE = ("SIZES = [1, 2, 4]", "SIZES = [1, 2, 4, 8]")
ENTRY = ('"col": 2}', '"col": 2, "tile": 3}')
DEPTH = ("    cols: int\n", "    cols: int\n    depth: int = 1\n")
BATCH = ("    cols: int\n", "    cols: int\n    batch: int = 1\n")
LAST = ROWS[ROWS.index("def last_rows") : ROWS.index("class Store")]
FIRST = ROWS[ROWS.index("def first_rows") : ROWS.index("def last_rows")]
MORE = LAST.replace("if row.used:", "if row.used or row.kept:")

KEPT = (
    "                self.kept.append(row)\n",
    "                self.kept.append(row)\n                self.sm12x += 1\n",
)
LEFT = (
    "                self.left.append(row)\n",
    "                self.left.append(row)\n                self.sm12x += 1\n",
)
POP = (
    "            self.kept.pop()\n",
    "            self.kept.pop()\n            self.sm12x -= 1\n",
)

STRUCT = """\
// SPDX-License-Identifier: Apache-2.0
namespace vllm {

struct Params {
  int rows;
  int cols;
};

enum class Op {
  Add,
  Mul,
};

}  // namespace vllm
"""

_ELEMENTS: tuple[Change, ...] = (
    tree(
        "dataclass: both add a field, and upstream builds it by position",
        ELEMENTS,
        rows(DEPTH),
        {
            **rows(BATCH),
            "vllm/grid.py": HEAD + "from vllm.rows import Tile\n\n"
            "GRID = Tile(1, 2, 3)\n",
        },
        None,
    ),
    tree(
        "dataclass: both add a field, and the patch builds it by position",
        ELEMENTS,
        {**rows(DEPTH), **user("from vllm.rows import Tile\n\nT = Tile(1, 2, 3)\n")},
        rows(BATCH),
        None,
    ),
    tree(
        "dataclass: both add a field, and all build it by name",
        ELEMENTS,
        {
            **rows(DEPTH),
            **user("from vllm.rows import Tile\n\nT = Tile(1, 2, depth=3)\n"),
        },
        rows(BATCH),
        {
            **rows((DEPTH[0], BATCH[1] + DEPTH[1].split("\n")[1] + "\n")),
            **user("from vllm.rows import Tile\n\nT = Tile(1, 2, depth=3)\n"),
        },
        {
            **rows((DEPTH[0], DEPTH[1] + BATCH[1].split("\n")[1] + "\n")),
            **user("from vllm.rows import Tile\n\nT = Tile(1, 2, depth=3)\n"),
        },
    ),
    tree(
        "named tuple: upstream adds a field before ours",
        ELEMENTS,
        {
            **rows(("    last: int\n", "    last: int\n    step: int = 1\n")),
            **user("from vllm.rows import Span\n\nS = Span(1, 2, 3)\n"),
        },
        rows(("    last: int\n", "    last: int\n    size: int = 0\n")),
        None,
    ),
    tree(
        "enum: counted members get values of their own",
        ELEMENTS,
        rows(AUTO),
        rows(("    ROW = auto()\n    COL = auto()\n", "    ROW = 10\n    COL = 20\n")),
        None,
    ),
    tree(
        "enum: upstream has our value under another name",
        ELEMENTS,
        rows(FAST),
        rows(('    FAST = "fast"\n', '    FAST = "fast"\n    CUTE = "sm12x"\n')),
        None,
    ),
    tree(
        "enum: a counted member comes beside ours",
        ELEMENTS,
        rows(AUTO),
        rows(("    COL = auto()\n", "    COL = auto()\n    BLOCK = auto()\n")),
        rows((AUTO[0], "    COL = auto()\n    BLOCK = auto()\n    TILE = auto()\n")),
        rows((AUTO[0], "    COL = auto()\n    TILE = auto()\n    BLOCK = auto()\n")),
    ),
    tree(
        "list: numbers become pairs",
        ELEMENTS,
        rows(SIZE),
        rows(("SIZES = [1, 2, 4]", "SIZES = [(1, 1), (2, 1), (4, 2)]")),
        None,
    ),
    tree(
        "list: becomes a dict",
        ELEMENTS,
        rows(SIZE),
        rows(("SIZES = [1, 2, 4]", "SIZES = {1: 1, 2: 1, 4: 2}")),
        None,
    ),
    tree(
        "dict: values become lists",
        ELEMENTS,
        rows(ENTRY),
        rows(('{"row": 1, "col": 2}', '{"row": [1], "col": [2]}')),
        None,
    ),
    tree(
        "dict: our entry in other quotes, elsewhere",
        ELEMENTS,
        rows(ENTRY),
        rows(('{"row": 1,', "{'tile': 3, \"row\": 1,")),
        None,
    ),
    tree(
        "set: our name in other quotes, elsewhere",
        ELEMENTS,
        rows(('{"row", "col"}', '{"row", "col", "tile"}')),
        rows(('{"row", "col"}', '{\'tile\', "row", "col"}')),
        None,
    ),
    file_case(
        "registry: far entries become pairs, ours is a name",
        ELEMENTS,
        [
            (
                '    "marlin": Backend.MARLIN,\n',
                '    "marlin": Backend.MARLIN,\n    "sm12x": Backend.EMULATION,\n',
            )
        ],
        [
            (
                '    "cutlass": Backend.CUTLASS,\n',
                '    "cutlass": (Backend.CUTLASS, 90),\n',
            )
        ],
        None,
    ),
    file_case(
        "struct: both add a field",
        ELEMENTS,
        [("  int cols;\n", "  int cols;\n  int depth;\n")],
        [("  int rows;\n", "  int batch;\n  int rows;\n")],
        None,
        base=STRUCT,
        path="csrc/params.h",
    ),
    file_case(
        "C++ enum: members get values",
        ELEMENTS,
        [("  Mul,\n", "  Mul,\n  Fma,\n")],
        [("  Add,\n  Mul,\n", "  Add = 1,\n  Mul = 2,\n")],
        None,
        base=STRUCT,
        path="csrc/params.h",
    ),
)

_TILE = [
    (
        '    "b": one("B", [3]),\n',
        '    "t": one("T", [7, 8]),\n    "b": one("B", [3]),\n',
    )
]
_NESTED: tuple[Change, ...] = (
    file_case(
        "dict: entries with lists of their own, both add one",
        ELEMENTS,
        _TILE,
        [
            (
                '    "e": one("E", [5]),\n',
                '    "e": one("E", [6]),\n    "z": one("Z", [9]),\n',
            )
        ],
        _TILE,
        base=HEAD + 'ENTRIES = {\n    "a": one("A", [1, 2]),\n    "b": one("B", [3]),\n'
        '    "c": one("C", [4]),\n    "d": one("D", [0]),\n'
        '    "e": one("E", [5]),\n}\n',
    ),
)

_TWINS: tuple[Change, ...] = (
    tree(
        "went to a new file; the twin got a name like it",
        TWIN,
        {UTIL: ROWS.replace(LAST, MORE)},
        {
            UTIL: ROWS.replace(LAST, "").replace("first_rows", "end_rows"),
            "vllm/last.py": HEAD + "\n\n" + LAST.rstrip("\n") + "\n",
        },
        None,
    ),
    tree(
        "went to a new file; nothing like it stays",
        TWIN,
        {UTIL: ROWS.replace(LAST, MORE)},
        {
            UTIL: ROWS.replace(LAST, "").replace(FIRST, ""),
            "vllm/last.py": HEAD + "\n\n" + LAST.rstrip("\n") + "\n",
        },
        None,
    ),
    tree(
        "two functions could be it",
        TWIN,
        {UTIL: ROWS.replace(LAST, MORE)},
        {
            UTIL: ROWS.replace(
                LAST,
                LAST.replace("last_rows", "end_rows")
                + LAST.replace("last_rows", "tail_rows"),
            )
        },
        None,
    ),
    tree(
        "a method went to a base class in another file, a like one stays",
        TWIN,
        rows(POP),
        {
            UTIL: replaced(
                ROWS,
                ("    def take(", "    def take_all("),
                ("class Store:", "class Store(Base):"),
            ),
            "vllm/base.py": HEAD
            + "\n\nclass Base:\n"
            + ROWS[ROWS.index("    def take(") :],
        },
        None,
    ),
    tree(
        "renamed, and another file has one of the old name as before",
        TWIN,
        {UTIL: ROWS.replace(LAST, MORE)},
        {UTIL: ROWS.replace("def last_rows", "def end_rows")},
        {UTIL: ROWS.replace(LAST, MORE).replace("def last_rows", "def end_rows")},
    ),
)

_AROUND: tuple[Change, ...] = (
    tree(
        "a test was turned round",
        AROUND,
        rows(KEPT),
        rows(("if row.used and not hard:", "if not row.used or hard:")),
        None,
    ),
    tree(
        "two branches changed places",
        AROUND,
        rows(LEFT),
        rows(
            (
                "            elif hard:\n                self.gone",
                "            elif soft:\n                self.left",
            ),
            (
                "            else:\n                self.left",
                "            else:\n                self.gone",
            ),
        ),
        None,
    ),
    tree(
        "a way out before it asks the contrary",
        AROUND,
        rows(("        return self.kept\n", "        return list(self.kept)\n")),
        rows(("if count > len(self.kept):", "if count <= len(self.kept):")),
        None,
    ),
    tree(
        "a line that we remove stands under the contrary",
        AROUND,
        rows(("                self.gone.append(row)\n", "                pass\n")),
        rows(("            elif hard:", "            elif not hard:")),
        None,
    ),
    tree(
        "another method's test changed",
        AROUND,
        rows(KEPT),
        rows(("while count:", "while count > 0:")),
        rows(("while count:", "while count > 0:"), KEPT),
    ),
)

PAD = user("from vllm.rows import padded\n\n\ndef go(n):\n    return padded(n, 8)\n")
NAMED = user("from vllm import rows\n\n\ndef go(n):\n    return rows.padded(n, to=8)\n")
ADD = user('from vllm.rows import NAMES\n\nNAMES.add("sm12x")\n')
ASK = user('from vllm.rows import NAMES\n\nOK = "row" in NAMES\n')
BOTH = user(
    "from vllm.rows import halves\n\n\ndef go(n):\n    a, b = halves(n)\n    return a\n"
)
EVEN = user("from vllm.rows import is_even\n\n\ndef go(n):\n    return is_even(n)\n")
MEMBER = user("from vllm.rows import Kind\n\nK = Kind.COL\n")
METHOD = user(
    "from vllm.rows import Store\n\n\nclass Ours(Store):\n"
    "    def go(self, row):\n        self.put(row, hard=True)\n"
)

_NAMES: tuple[Change, ...] = (
    tree("renamed", NAME, PAD, rows(("def padded(", "def pad_to(")), None),
    tree(
        "moved to another file",
        NAME,
        PAD,
        {
            UTIL: replaced(
                ROWS,
                ("def padded(count, to):\n    return count + -count % to\n\n\n", ""),
            ),
            "vllm/pad.py": HEAD + "\n\ndef padded(count, to):\n    return 0\n",
        },
        None,
    ),
    tree(
        "moved, and handed on",
        NAME,
        PAD,
        {
            UTIL: replaced(
                ROWS,
                ("def padded(count, to):\n    return count + -count % to\n\n\n", ""),
                (
                    "from enum import Enum, auto\n",
                    "from enum import Enum, auto\nfrom vllm.pad import padded\n",
                ),
            ),
            "vllm/pad.py": HEAD + "\n\ndef padded(count, to):\n    return 0\n",
        },
        PAD,
    ),
    tree(
        "argument by name renamed",
        NAME,
        NAMED,
        rows(("(count, to):", "(count, by):"), ("-count % to", "-count % by")),
        None,
    ),
    tree(
        "arguments by position exchanged",
        NAME,
        PAD,
        rows(("(count, to):", "(to, count):")),
        None,
    ),
    tree(
        "a needed argument more",
        NAME,
        PAD,
        rows(("(count, to):", "(count, to, up):")),
        None,
    ),
    tree(
        "an argument less",
        NAME,
        PAD,
        rows(("(count, to):", "(count):"), ("-count % to", "-count % 8")),
        None,
    ),
    tree(
        "an argument with a default more",
        NAME,
        PAD,
        rows(("(count, to):", "(count, to, up=0):")),
        PAD,
    ),
    tree(
        "a set became a list, and we add",
        NAME,
        ADD,
        rows(('{"row", "col"}', '["row", "col"]')),
        None,
    ),
    tree(
        "a set became a list, and we ask",
        NAME,
        ASK,
        rows(('{"row", "col"}', '["row", "col"]')),
        ASK,
    ),
    tree(
        "two values became three",
        NAME,
        BOTH,
        rows(
            (
                "return count // 2, count - count // 2",
                "return count // 2, count - count // 2, 0",
            )
        ),
        None,
    ),
    tree(
        "what comes back is of another type",
        NAME,
        EVEN,
        rows(
            ("def is_even(count) -> bool:", "def is_even(count) -> tuple[bool, str]:")
        ),
        None,
    ),
    tree(
        "a function became asynchronous",
        NAME,
        EVEN,
        rows(("def is_even", "async def is_even")),
        None,
    ),
    tree(
        "a member of an enum went",
        NAME,
        MEMBER,
        rows(("    COL = auto()\n", "    TILE = auto()\n")),
        None,
    ),
    tree(
        "a method that we inherit has another signature",
        NAME,
        METHOD,
        rows(
            ("row, hard=False)", "row, *, force=False)"),
            ("row.used and not hard", "row.used and not force"),
            ("elif hard", "elif force"),
        ),
        None,
    ),
    tree(
        "a file became a package, and keeps its names",
        NAME,
        PAD,
        {UTIL: None, "vllm/rows/__init__.py": ROWS},
        PAD,
    ),
    tree(
        "a package hides our new module",
        NAME,
        PAD,
        {"vllm/sm12x/__init__.py": HEAD},
        None,
    ),
    tree(
        "a package beside hides the file that we change",
        NAME,
        rows(SIZE),
        {
            "vllm/rows/__init__.py": HEAD,
            UTIL: ROWS.replace("-count % to", "-count % max(to, 1)"),
        },
        None,
    ),
    tree(
        "upstream calls by name what we rename",
        NAME,
        rows(
            (
                "def padded(count, to):\n    return count + -count % to",
                "def padded(count, by):\n    return count + -count % by",
            )
        ),
        {"vllm/new.py": HEAD + "from vllm.rows import padded\n\nN = padded(3, to=4)\n"},
        None,
    ),
    tree(
        "upstream imports what we remove",
        NAME,
        rows(("def is_even(count) -> bool:\n    return count % 2 == 0\n\n\n", "")),
        {"vllm/new.py": HEAD + "from vllm.rows import is_even\n\nN = is_even(3)\n"},
        None,
    ),
    tree(
        "a local that we read was renamed",
        NAME,
        rows(
            (
                "    return found[: total // 2]\n",
                "    log(total)\n    return found[: total // 2]\n",
            )
        ),
        rows(
            (
                "    total = len(found)\n    return found[: total // 2]\n",
                "    count = len(found)\n    return found[: count // 2]\n",
            )
        ),
        None,
    ),
)

HALF = (
    "def is_even(count) -> bool:\n",
    'def quarter(count):\n    """A quarter of it, rounded down."""\n'
    "    half = halves(count)[0]\n    return half // 2\n\n\n"
    "def is_even(count) -> bool:\n",
)
NOTE = "    count.note('sm12x')\n"

_PARTS: tuple[Change, ...] = (
    tree(
        "landed with another docstring",
        PART,
        rows(HALF),
        rows((HALF[0], HALF[1].replace("A quarter of it, rounded down.", "Quarter."))),
        {},
        dropped=True,
    ),
    tree(
        "our new file landed with another docstring",
        PART,
        user('def go():\n    """Go."""\n    return 1\n'),
        user('def go():\n    """Start."""\n    return 1\n'),
        {},
        dropped=True,
    ),
    tree(
        "landed without its last line",
        PART,
        rows(HALF),
        rows((HALF[0], HALF[1].replace("    return half // 2\n", "    return half\n"))),
        None,
    ),
    tree(
        "one of two equal lines landed",
        PART,
        rows(
            (
                "    return count + -count % to\n",
                NOTE + "    return count + -count % to\n",
            ),
            ("    return count % 2 == 0\n", NOTE + "    return count % 2 == 0\n"),
        ),
        rows(
            (
                "    return count // 2, count - count // 2\n",
                NOTE + "    return count // 2, count - count // 2\n",
            ),
            ("    return count + -count % to\n", "    return 0\n"),
        ),
        None,
    ),
)

DRIFT: tuple[Change, ...] = (*_ELEMENTS, *_NESTED, *_TWINS, *_AROUND, *_NAMES, *_PARTS)

OURS = replaced(
    ROWS,
    (
        "def is_even(count) -> bool:\n",
        "def odd(count):\n    return count % 2\n\n\n"
        "def is_even(count, strict=False) -> bool:\n",
    ),
)
THEIRS = replaced(
    ROWS,
    ("def is_even(count) -> bool:\n", "def is_even(number, exact) -> bool:\n"),
    ("    return count % 2 == 0\n", "    return number % 2 == exact\n"),
)


def series(
    name: str,
    second: Mapping[str, str | None],
    *carried: bool,
    third: Mapping[str, str | None] | None = None,
) -> Series:
    one = {UTIL: OURS}
    steps = [one, {p: t for p, t in {**one, **second}.items() if t is not None}]
    if third is not None:
        steps.append({p: t for p, t in {**steps[-1], **third}.items() if t is not None})
    return Series(name, {UTIL: ROWS}, tuple(steps), {UTIL: THEIRS}, carried)


ODD = user("from vllm.rows import odd\n\n\ndef go(n):\n    return odd(n)\n")
BESIDE = "vllm/beside.py"
USES_TORCH = HEAD + "import torch\n\n\ndef one():\n    return torch.ones(1)\n"
SERIES: tuple[Series, ...] = (
    Series(
        "imports from outside what the first imports, too",
        {UTIL: ROWS},
        (
            {UTIL: OURS, BESIDE: USES_TORCH},
            {UTIL: OURS, BESIDE: USES_TORCH, USER: USES_TORCH},
        ),
        {UTIL: THEIRS},
        (False, True),
    ),
    Series(
        "uses in the same file what the first imports there",
        {UTIL: ROWS},
        (
            {UTIL: OURS.replace("from enum", "import torch\nfrom enum")},
            {
                UTIL: OURS.replace("from enum", "import torch\nfrom enum").replace(
                    "SIZES = [", "ONE = torch.ones(1)\nSIZES = ["
                )
            },
        ),
        {UTIL: THEIRS},
        (False, False),
    ),
    series("uses what the first adds", ODD, False, False),
    series(
        "passes the argument that the first adds",
        user("from vllm.rows import is_even\n\nN = is_even(2, strict=True)\n"),
        False,
        False,
    ),
    series(
        "changes the function that the first changes",
        {UTIL: OURS.replace("% 2 == 0", "% 2 < 1")},
        False,
        False,
    ),
    series("changes the file elsewhere", {UTIL: OURS.replace(*SIZE)}, False, True),
    series("has nothing to do with it", user("N = 1\n"), False, True),
    series(
        "stands on what stands on it",
        ODD,
        False,
        False,
        False,
        third={"vllm/end.py": HEAD + "from vllm.sm12x import go\n\nN = go(1)\n"},
    ),
    series(
        "is beside what stands on it",
        ODD,
        False,
        False,
        True,
        third={"vllm/end.py": HEAD + "N = 1\n"},
    ),
)

__all__ = ["BASE", "DRIFT", "PATH", "SERIES"]
