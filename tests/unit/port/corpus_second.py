# SPDX-License-Identifier: Apache-2.0
"""A second set of upstream's changes: their answers were set down before they were run.

Of the kinds of `corpus_drift`, on a tree of another shape, with what a port that was
taught on the first set may miss: shadowed names, positions of a named tuple, methods
that were attributes.
"""

from __future__ import annotations

from functools import partial

from tests.unit.port import drifts
from tests.unit.port.drifts import Edits, edited
from tests.unit.port.model import Change, Files, Series

HEAD = "# SPDX-License-Identifier: Apache-2.0\n"
SCHED, POOL, CLOCK, USER = (
    f"vllm/{name}.py" for name in ("sched", "pool", "clock", "serve")
)

TREE: Files = {
    CLOCK: HEAD
    + '''\
"""Time."""


def now():
    return 0.0


def since(start, scale=1.0):
    return (now() - start) * scale
''',
    POOL: HEAD
    + '''\
"""Blocks that are free."""

import vllm.stats as stats

FREE_ORDER = ["hot", "warm", "cold"]


class Pool:
    """All blocks of a device."""

    def __init__(self, count):
        self.count = count
        self.size = 16

    def take(self, wanted):
        """Take blocks out."""
        if wanted > self.count:
            return []
        self.count -= wanted
        stats.note("taken", wanted)
        return list(range(wanted))


def spare(pool):
    return pool.count
''',
    "vllm/stats.py": HEAD + "def note(name, value):\n    return name, value\n",
    SCHED: HEAD
    + '''\
"""What runs next."""

from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import NamedTuple

from vllm.clock import now, since
from vllm.pool import FREE_ORDER, Pool, spare

__all__ = [
    "Plan",
    "Stage",
    "schedule",
]

SKIPPED = {"draft", "warmup"}

COSTS = {
    "prefill": 4,
    "decode": 1,
}


class Stage(Enum):
    PREFILL = auto()
    DECODE = auto()


class Trait(Flag):
    LONG = 1
    SHORT = 2
    URGENT = 4


class Plan(NamedTuple):
    stage: Stage
    rows: int


@dataclass(kw_only=True)
class Limits:
    rows: int = 64
    wait: float = 1.0


def cost(stage, rows):
    return COSTS[stage] * rows


def admit(queue, pool):
    """Requests that fit."""
    taken = []
    for request in queue:
        if request.done:
            continue
        taken.append(request)
    return taken


def schedule(queue, pool, fast):
    """One step."""
    start = now()
    free = spare(pool)
    if not free:
        return None
    if fast:
        rows = free // 2
        kind = "fast"
    else:
        rows = free
        kind = "slow"
    return rows, kind, start
''',
    USER: HEAD
    + """\
from vllm.sched import Limits, Plan, Stage


def first():
    stage, rows = Plan(Stage.DECODE, 1)
    return Limits(rows=rows), stage
""",
}

ELEMENTS = "elements changed"
TWINS = "moved to a file, twin stays"
AROUND = "the ground around changed"
NAMES = "a name we use changed"
IN_PART = "landed in part"

case = partial(drifts.drift, TREE)


def in_sched(*edits: tuple[str, str]) -> Edits:
    return {SCHED: list(edits)}


TAKE = "        self.count -= wanted\n"
HOOK = in_sched(("        rows = free // 2\n", "        rows = (free + 1) // 2\n"))
TIMED = in_sched(
    (
        "    return rows, kind, start\n",
        "    return rows, kind, since(start, scale=1e3)\n",
    )
)

SECOND: tuple[Change, ...] = (
    case(
        "named tuple that is asked by number grows on both sides",
        ELEMENTS,
        in_sched(
            ("    rows: int\n\n\n@", "    rows: int\n    sm12x: bool = False\n\n\n@")
        )
        | {
            USER: [
                ("    stage, rows =", "    plan ="),
                ("rows=rows), stage", "rows=plan.rows), plan.stage"),
                (
                    "\n\ndef first",
                    "\n\ndef marked(plan: Plan):\n    return plan[2]\n\n\ndef first",
                ),
            ]
        },
        in_sched(
            ("    rows: int\n\n\n@", "    rows: int\n    draft: bool = False\n\n\n@")
        ),
    ),
    case(
        "set becomes a dict of reasons",
        ELEMENTS,
        in_sched(('"warmup"}', '"warmup", "sm12x"}')),
        in_sched(('{"draft", "warmup"}', '{"draft": "small", "warmup": "once"}')),
    ),
    case(
        "members of auto get texts",
        ELEMENTS,
        in_sched(
            ("    DECODE = auto()\n", "    DECODE = auto()\n    MIXED = auto()\n")
        ),
        in_sched(
            ("    PREFILL = auto()\n", '    PREFILL = "prefill"\n'),
            ("    DECODE = auto()\n", '    DECODE = "decode"\n'),
        ),
    ),
    case(
        "flag of the same bit",
        ELEMENTS,
        in_sched(("    URGENT = 4\n", "    URGENT = 4\n    SM12X = 8\n")),
        in_sched(("    URGENT = 4\n", "    URGENT = 4\n    STREAMED = 8\n")),
    ),
    case(
        "names that are exported grow on both sides",
        ELEMENTS,
        in_sched(('    "Stage",\n', '    "Stage",\n    "admit",\n')),
        in_sched(('    "Stage",\n', '    "Stage",\n    "cost",\n')),
        in_sched(('    "cost",\n', '    "admit",\n    "cost",\n')),
        in_sched(('    "cost",\n', '    "cost",\n    "admit",\n')),
    ),
    case(
        "the same key in other quotes, of another value",
        ELEMENTS,
        in_sched(('    "decode": 1,\n', '    "decode": 1,\n    "mixed": 3,\n')),
        in_sched(('    "decode": 1,\n', "    \"decode\": 1,\n    'mixed': 2,\n")),
    ),
    case(
        "fields that can only be named grow on both sides",
        ELEMENTS,
        in_sched(
            ("    wait: float = 1.0\n", "    wait: float = 1.0\n    sm12x: int = 0\n")
        ),
        in_sched(
            ("    wait: float = 1.0\n", "    wait: float = 1.0\n    bytes: int = 0\n")
        ),
        in_sched(("    bytes: int = 0\n", "    sm12x: int = 0\n    bytes: int = 0\n")),
        in_sched(("    bytes: int = 0\n", "    bytes: int = 0\n    sm12x: int = 0\n")),
    ),
    case(
        "class goes to another file, a slower twin stays",
        TWINS,
        {POOL: [(TAKE, "        self.count -= max(wanted, 1)\n")]},
        {
            POOL: [
                ("class Pool:\n", "class SlowPool:\n"),
                ("All blocks of a device", "All blocks of a host"),
            ],
            "vllm/device_pool.py": [
                ("", TREE[POOL].replace('stats.note("taken", wanted)\n', "pass\n"))
            ],
            SCHED: [
                (
                    "from vllm.pool import FREE_ORDER, Pool, spare\n",
                    "from vllm.device_pool import FREE_ORDER, Pool, spare\n",
                )
            ],
        },
    ),
    case(
        "function goes to another file and is imported back",
        TWINS,
        {POOL: [("    return pool.count\n", "    return max(pool.count, 0)\n")]},
        {
            POOL: [
                ("\n\ndef spare(pool):\n    return pool.count\n", ""),
                (
                    "import vllm.stats as stats\n",
                    "import vllm.stats as stats\nfrom vllm.count import spare\n",
                ),
            ],
            "vllm/count.py": [("", HEAD + "def spare(pool):\n    return pool.count\n")],
        },
    ),
    case(
        "way out above the hook is turned round",
        AROUND,
        HOOK,
        in_sched(("    if not free:\n", "    if free:\n")),
    ),
    case(
        "loop around the hook goes the other way",
        AROUND,
        in_sched(
            (
                "        taken.append(request)\n",
                "        taken.append(request)\n        request.seen = True\n",
            )
        ),
        in_sched(("    for request in queue:\n", "    for request in queue[::-1]:\n")),
        in_sched(
            (
                "        taken.append(request)\n",
                "        taken.append(request)\n        request.seen = True\n",
            )
        ),
    ),
    case(
        "test of the branch is turned round",
        AROUND,
        HOOK,
        in_sched(("    if fast:\n", "    if not fast:\n")),
    ),
    case(
        "function that is called waits now",
        NAMES,
        TIMED,
        {CLOCK: [("def since(", "async def since(")]},
    ),
    case(
        "module becomes a package of the same names",
        NAMES,
        TIMED,
        {"vllm/clock/__init__.py": [("", TREE[CLOCK])]},
        TIMED,
        gone=CLOCK,
    ),
    case(
        "attribute becomes a method",
        NAMES,
        {
            POOL: [
                (
                    "    return pool.count\n",
                    "    return Pool(pool.count).size * pool.count\n",
                )
            ]
        },
        {
            POOL: [
                ("        self.size = 16\n", ""),
                (
                    "    def take(self, wanted):\n",
                    "    def size(self):\n        return 16\n\n"
                    "    def take(self, wanted):\n",
                ),
            ]
        },
    ),
    case(
        "argument that is named may only be counted",
        NAMES,
        TIMED,
        {CLOCK: [("def since(start, scale=1.0):", "def since(start, scale=1.0, /):")]},
    ),
    case(
        "list that is indexed becomes a set",
        NAMES,
        in_sched(
            ("    taken = []\n", "    taken = []\n    pool.kind = FREE_ORDER[0]\n")
        ),
        {
            POOL: [
                ('["hot", "warm", "cold"]', 'frozenset({"hot", "warm", "cold"})'),
            ]
        },
    ),
    case(
        "import that the hook needs is dropped",
        NAMES,
        {
            POOL: [
                (
                    "    return pool.count\n",
                    '    stats.note("spare", pool.count)\n    return pool.count\n',
                )
            ]
        },
        {
            POOL: [
                ("import vllm.stats as stats\n\n", ""),
                ('        stats.note("taken", wanted)\n', ""),
            ]
        },
    ),
    case(
        "name that the hook calls is a local one now",
        NAMES,
        TIMED,
        in_sched(
            (
                "    free = spare(pool)\n",
                "    since = start\n    free = spare(pool) - int(since > 0)\n",
            )
        ),
    ),
    case(
        "name that the hook calls is an argument now",
        NAMES,
        TIMED,
        in_sched(
            (
                "def schedule(queue, pool, fast):",
                "def schedule(queue, pool, fast, since=0):",
            )
        ),
    ),
    case(
        "name that the hook calls is bound by a loop now",
        NAMES,
        TIMED,
        in_sched(
            (
                "    free = spare(pool)\n",
                "    free = spare(pool)\n    for since in (1, 2):\n"
                "        free -= since\n",
            )
        ),
    ),
    case(
        "local that the hook reads is one of the file now",
        NAMES,
        in_sched(
            ("    return rows, kind, start\n", "    return rows + 1, kind, start\n")
        ),
        in_sched(
            ("SKIPPED =", "rows = 8\nSKIPPED ="),
            ("        rows = free // 2\n", "        count = free // 2\n"),
            ("        rows = free\n", "        count = free\n"),
        ),
    ),
    case(
        "another local comes beside the hook",
        NAMES,
        TIMED,
        in_sched(
            ("    free = spare(pool)\n", "    used = spare(pool)\n    free = used\n")
        ),
        TIMED,
    ),
    case(
        "method becomes an attribute",
        NAMES,
        {
            USER: [
                ("from vllm.sched", "from vllm.pool import Pool\nfrom vllm.sched"),
                (
                    "\n\ndef first",
                    "\n\ndef three():\n    return Pool(8).take(3)\n\n\ndef first",
                ),
            ]
        },
        {
            POOL: [
                (
                    "        self.size = 16\n",
                    "        self.size = 16\n        self.take = []\n",
                ),
                ("    def take(self, wanted):\n", "    def take_out(self, wanted):\n"),
            ]
        },
    ),
    case(
        "attribute becomes a property",
        NAMES,
        {
            POOL: [
                (
                    "    return pool.count\n",
                    "    return Pool(pool.count).size * pool.count\n",
                )
            ]
        },
        {
            POOL: [
                ("        self.size = 16\n", ""),
                (
                    "    def take(self, wanted):\n",
                    "    @property\n    def size(self):\n        return 16\n\n"
                    "    def take(self, wanted):\n",
                ),
            ]
        },
        {
            POOL: [
                (
                    "    return pool.count\n",
                    "    return Pool(pool.count).size * pool.count\n",
                )
            ]
        },
    ),
    case(
        "landed with another default",
        IN_PART,
        in_sched(
            (
                "def cost(stage, rows):\n    return COSTS[stage] * rows\n",
                "def cost(stage, rows, least=2):\n"
                "    return max(COSTS[stage] * rows, least)\n",
            )
        ),
        in_sched(
            (
                "def cost(stage, rows):\n    return COSTS[stage] * rows\n",
                "def cost(stage, rows, least=1):\n"
                "    return max(COSTS[stage] * rows, least)\n",
            )
        ),
    ),
)

LEFT_SECOND: tuple[Change, ...] = (
    case(
        "branches change places with their test",
        AROUND,
        HOOK,
        in_sched(
            (
                '    if fast:\n        rows = free // 2\n        kind = "fast"\n'
                '    else:\n        rows = free\n        kind = "slow"\n',
                '    if not fast:\n        rows = free\n        kind = "slow"\n'
                '    else:\n        rows = free // 2\n        kind = "fast"\n',
            )
        ),
        HOOK,
    ),
)
"""What is refused, though there is a right answer: counted as held out."""

_FIRST = in_sched(
    ("    DECODE = auto()\n", "    DECODE = auto()\n    MIXED = auto()\n")
)
_THEN = edited(TREE, _FIRST)

SECOND_SERIES: tuple[Series, ...] = (
    Series(
        "uses the member that the first adds, by its name as a text",
        TREE,
        (
            _THEN,
            edited(
                _THEN, {USER: [("Plan(Stage.DECODE, 1)", 'Plan(Stage["MIXED"], 1)')]}
            ),
        ),
        edited(
            TREE,
            in_sched(
                ("    PREFILL = auto()\n", '    PREFILL = "prefill"\n'),
                ("    DECODE = auto()\n", '    DECODE = "decode"\n'),
            ),
        ),
        (False, False),
    ),
)
