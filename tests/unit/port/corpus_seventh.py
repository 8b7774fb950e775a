# SPDX-License-Identifier: Apache-2.0
"""A seventh, small set of upstream's changes, set down once the sixth had been taught.

On the tree of `corpus_second`; all answers were set down before any was run.
"""

from __future__ import annotations

from dataclasses import replace

from tests.unit.port.corpus_second import (
    AROUND,
    CLOCK,
    ELEMENTS,
    HEAD,
    HOOK,
    NAMES,
    POOL,
    SCHED,
    TREE,
    TWINS,
    case,
    in_sched,
)
from tests.unit.port.drifts import edited
from tests.unit.port.model import Change, Series

TWICE = "both bring one name"
NEW = "vllm/sm12x.py"


def new(text: str) -> dict[str, list[tuple[str, str]]]:
    return {NEW: [("", HEAD + text)]}


SEEN = in_sched(
    (
        "        taken.append(request)\n",
        "        request.seen = True\n        taken.append(request)\n",
    )
)
LATER = new(
    "from vllm.clock import since\n\n\n"
    "def later(start):\n    return since(start, scale=1e3)\n"
)
IN_MS = new("from vllm.clock import now\n\n\ndef in_ms():\n    return now() * 1e3\n")
ROWS = new("from vllm.sched import Limits\n\n\nLIMITS = Limits(rows=8)\n")

SEVENTH_READ: tuple[Change, ...] = (
    case(
        "what we call divides where it multiplied",
        NAMES,
        LATER,
        {
            CLOCK: [
                (
                    "    return (now() - start) * scale\n",
                    "    return (now() - start) / scale\n",
                )
            ]
        },
        LATER,
    ),
    case(
        "the time that we ask for is in other units",
        NAMES,
        IN_MS,
        {
            CLOCK: [
                (
                    "def now():\n    return 0.0\n",
                    "def now() -> int:\n    return 10**9\n",
                )
            ]
        },
        IN_MS,
    ),
    case(
        "what is gone through is sorted first",
        AROUND,
        SEEN,
        in_sched(
            (
                "    for request in queue:\n",
                "    for request in sorted(queue, key=id):\n",
            )
        ),
        SEEN,
    ),
    case(
        "the way out before it asks for more",
        AROUND,
        HOOK,
        in_sched(("    if not free:\n", "    if free < 8:\n")),
        HOOK,
    ),
)

SEVENTH: tuple[Change, ...] = (
    *(replace(one, read=True) for one in SEVENTH_READ),
    case(
        "keys that were texts are members",
        ELEMENTS,
        in_sched(('    "decode": 1,\n', '    "decode": 1,\n    "sm12x": 2,\n')),
        in_sched(
            (
                'COSTS = {\n    "prefill": 4,\n    "decode": 1,\n}\n\n\n',
                "",
            ),
            (
                "class Trait(Flag):\n",
                "COSTS = {\n    Stage.PREFILL: 4,\n    Stage.DECODE: 1,\n}\n\n\n"
                "class Trait(Flag):\n",
            ),
        ),
    ),
    case(
        "another name went from the set that we add to",
        ELEMENTS,
        in_sched(('"warmup"}', '"warmup", "sm12x"}')),
        in_sched(('{"draft", "warmup"}', '{"draft"}')),
        in_sched(('{"draft"}', '{"draft", "sm12x"}')),
    ),
    case(
        "a function became a method, a like one stays",
        TWINS,
        in_sched(
            (
                "    return COSTS[stage] * rows\n",
                "    return COSTS[stage] * max(rows, 16)\n",
            )
        ),
        in_sched(
            (
                "    rows: int\n\n\n@",
                "    rows: int\n\n    def cost(self):\n"
                "        return COSTS[self.stage] * self.rows\n\n\n@",
            ),
            (
                "def cost(stage, rows):\n    return COSTS[stage] * rows\n",
                "def least(stage, rows):\n    return COSTS[stage] * rows\n",
            ),
        ),
    ),
    case(
        "what we count comes one by one",
        NAMES,
        new(
            "from vllm.pool import Pool\n\n\n"
            "def some(pool: Pool):\n    return len(pool.take(2))\n"
        ),
        {
            POOL: [
                (
                    "            return []\n",
                    "            return\n",
                ),
                (
                    "        return list(range(wanted))\n",
                    "        yield from range(wanted)\n",
                ),
            ]
        },
    ),
    case(
        "a class moved, and is imported where it was",
        NAMES,
        ROWS,
        in_sched(
            (
                "@dataclass(kw_only=True)\nclass Limits:\n    rows: int = 64\n"
                "    wait: float = 1.0\n\n\n",
                "",
            ),
            ("from dataclasses import dataclass\n", ""),
            (
                "from vllm.pool import FREE_ORDER, Pool, spare\n",
                "from vllm.limits import Limits\n"
                "from vllm.pool import FREE_ORDER, Pool, spare\n",
            ),
        )
        | {
            "vllm/limits.py": [
                (
                    "",
                    HEAD + "from dataclasses import dataclass\n\n\n"
                    "@dataclass(kw_only=True)\nclass Limits:\n    rows: int = 64\n"
                    "    wait: float = 1.0\n",
                )
            ]
        },
        ROWS,
    ),
    case(
        "our function has the name that upstream imports as",
        TWICE,
        {
            CLOCK: [
                (
                    "def since(start",
                    "def pause(ms):\n    return ms / 1e3\n\n\ndef since(start",
                )
            ]
        },
        {
            CLOCK: [
                ('"""Time."""\n', '"""Time."""\n\nfrom time import sleep as pause\n'),
                ("    return 0.0\n", "    pause(0)\n    return 0.0\n"),
            ]
        },
    ),
    case(
        "the method that ours stands over takes one more",
        NAMES,
        new(
            "from vllm.pool import Pool\n\n\nclass Sm12xPool(Pool):\n"
            "    def take(self, wanted):\n        return super().take(wanted + 1)\n"
        ),
        {
            POOL: [
                (
                    "    def take(self, wanted):\n",
                    "    def take(self, wanted, urgent=False):\n",
                )
            ],
            SCHED: [
                (
                    "    free = spare(pool)\n",
                    "    free = spare(pool)\n    pool.take(1, urgent=fast)\n",
                )
            ],
        },
    ),
    case(
        "a list that we ask by number is a dict of ranks",
        NAMES,
        new(
            "from vllm.pool import FREE_ORDER\n\n\n"
            "def best():\n    return FREE_ORDER[0]\n"
        ),
        {
            POOL: [
                (
                    'FREE_ORDER = ["hot", "warm", "cold"]',
                    'FREE_ORDER = {"hot": 0, "warm": 1, "cold": 2}',
                )
            ]
        },
    ),
    case(
        "a field that we read has another name",
        NAMES,
        new(
            "from vllm.sched import Limits\n\n\n"
            "def waits(limits: Limits):\n    return limits.wait > 0\n"
        ),
        in_sched(("    wait: float = 1.0\n", "    wait_s: float = 1.0\n")),
    ),
)

VANISHED: tuple[Change, ...] = (
    case(
        "what we ask of a request that nobody annotated has another name",
        NAMES,
        in_sched(
            (
                "    free = spare(pool)\n",
                "    queue = [request for request in queue if not request.done]\n"
                "    free = spare(pool)\n",
            )
        ),
        in_sched(("        if request.done:\n", "        if request.finished:\n")),
    ),
    case(
        "what we ask of a request is asked of it in another file",
        NAMES,
        in_sched(
            (
                "    free = spare(pool)\n",
                "    queue = [request for request in queue if not request.done]\n"
                "    free = spare(pool)\n",
            )
        ),
        in_sched(("        if request.done:\n", "        if left_out(request):\n"))
        | {
            SCHED: [
                ("        if request.done:\n", "        if left_out(request):\n"),
                (
                    "from vllm.pool import FREE_ORDER, Pool, spare\n",
                    "from vllm.pool import FREE_ORDER, Pool, spare\n"
                    "from vllm.requests import left_out\n",
                ),
            ],
            "vllm/requests.py": [
                ("", HEAD + "def left_out(request):\n    return request.done\n")
            ],
        },
        in_sched(
            (
                "    free = spare(pool)\n",
                "    queue = [request for request in queue if not request.done]\n"
                "    free = spare(pool)\n",
            )
        ),
    ),
    case(
        "the kind that we compare with has another text",
        NAMES,
        in_sched(
            (
                "        if request.done:\n",
                '        if request.kind == "slow":\n            continue\n'
                "        if request.done:\n",
            )
        ),
        in_sched(('        kind = "slow"\n', '        kind = "steady"\n')),
    ),
    case(
        "what a statement of ours uses is bound below it",
        NAMES,
        in_sched(
            ("    rows: int\n\n\n@", "    rows: int\n\n\nDEAREST = max(COSTS)\n\n\n@")
        ),
        in_sched(
            ('COSTS = {\n    "prefill": 4,\n    "decode": 1,\n}\n\n\n', ""),
            (
                "def cost(stage, rows):\n",
                'COSTS = {\n    "prefill": 4,\n    "decode": 1,\n}\n\n\n'
                "def cost(stage, rows):\n",
            ),
        ),
    ),
)
"""Words that are nowhere now: set down with the check of them, so never held out."""

LEFT_SEVENTH: tuple[Change, ...] = (
    case(
        "all of a function stands in a try now",
        AROUND,
        SEEN,
        in_sched(
            (
                "    for request in queue:\n        if request.done:\n"
                "            continue\n        taken.append(request)\n"
                "    return taken\n",
                "    try:\n        for request in queue:\n"
                "            if request.done:\n                continue\n"
                "            taken.append(request)\n    finally:\n"
                "        queue.clear()\n    return taken\n",
            )
        ),
        in_sched(
            (
                "            taken.append(request)\n",
                "            request.seen = True\n            taken.append(request)\n",
            )
        ),
    ),
)
"""What is refused, though there is a right answer: counted as held out."""

_FIRST = in_sched(
    ("        rows = free // 2\n", "        rows = (free + 1) // 2\n"),
    ("    wait: float = 1.0\n", "    wait: float = 1.0\n    sm12x: bool = False\n"),
)
_ONE = edited(TREE, _FIRST)
_TURNED = edited(
    TREE, in_sched(("        rows = free // 2\n", "        rows = free\n"))
)


def _then(name: str, text: str, carried: bool) -> Series:
    two = edited(_ONE, new(text))
    return Series(name, TREE, (_ONE, two), _TURNED, (False, carried))


SEVENTH_SERIES: tuple[Series, ...] = (
    _then(
        "is built with a field that the first adds",
        "from vllm.sched import Limits\n\n\nLIMITS = Limits(sm12x=True)\n",
        False,
    ),
    _then(
        "is built with a field that was there",
        "from vllm.sched import Limits\n\n\nLIMITS = Limits(wait=2.0)\n",
        True,
    ),
)
