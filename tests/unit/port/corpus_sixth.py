# SPDX-License-Identifier: Apache-2.0
"""A sixth set of upstream's changes, set down once the fifth had been taught.

On the tree of `corpus_third`; all answers were set down before any was run. Since then
two that a person was to decide are to be carried and told: every release changes what
the helpers of a file do.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tests.unit.port import drifts
from tests.unit.port.corpus_third import (
    AROUND,
    CORE,
    CUDA,
    DEVICE,
    ELEMENTS,
    HEAD,
    HOOK,
    IN_PART,
    NAMES,
    RATES,
    TEST,
    TREE,
    TWICE,
    TWINS,
    case,
    core,
    new,
    rates,
)
from tests.unit.port.drifts import Edits, edited
from tests.unit.port.model import Change, Series

CUDA_PINS, LISTS = "requirements/cuda.txt", "CMakeLists.txt"
MORE_TREE = {
    **TREE,
    CUDA_PINS: "-r common.txt\n\ntorch==2.9.0\nflashinfer-python==0.7.1\n"
    "# for the tests\npytest\nnumba\n",
    LISTS: 'set(KERNEL_ARCHS "9.0;10.0")\n\nif(USE_WIDE)\n'
    "  list(APPEND SOURCES wide.cu)\nendif()\n\nset(SOURCES\n  core.cu\n  rows.cu)\n"
    "message(STATUS ${KERNEL_ARCHS})\n",
}


wider = partial(drifts.drift, MORE_TREE)
"""As `case`, on a tree with files that have no syntax."""


TUNE = {DEVICE: [("    WRITE = 2\n", "    WRITE = 2\n    TUNE = 3\n")]}
KEY = core(
    ('    "marlin": measured,\n', '    "marlin": measured,\n    "sm12x": plan,\n')
)
SCALE = rates(('    "full": 4,\n', '    "full": 4,\n    "sm12x": 8,\n'))
LEAST = rates(
    (
        "    return (count + to - 1) // to * to\n",
        "    return (count + to - 1) // to * max(to, 1)\n",
    )
)
SEEN = core(
    (
        "        taken.append(value)\n",
        "        value.seen = True\n        taken.append(value)\n",
    )
)
LAST = {
    CUDA: [
        ("  found += device.extra;\n", "  found += device.extra;\n  found += count;\n")
    ]
}
WIDE = {CUDA: [("  count *= 2;\n", "  count *= 4;\n")]}
SPAN = new(
    "from vllm.rates import rounded\n\n\ndef span(n):\n    return rounded(n, 64)\n"
)

SIXTH_ELEMENTS: tuple[Change, ...] = (
    case(
        "cases of a test have a third value",
        ELEMENTS,
        {TEST: [("    (17, 32),\n", "    (17, 32),\n    (33, 48),\n")]},
        {
            TEST: [
                (
                    "    (1, 16),\n    (17, 32),\n",
                    "    (1, 16, 4),\n    (17, 32, 4),\n",
                ),
                ('(("count", "rows"), CASES)', '(("count", "rows", "lanes"), CASES)'),
                ("def test_plan(count, rows):", "def test_plan(count, rows, lanes):"),
                (
                    "    assert device.lanes == 4\n",
                    "    assert device.lanes == lanes\n",
                ),
            ]
        },
    ),
    case(
        "the key above ours has another name",
        ELEMENTS,
        SCALE,
        rates(('    "full": 4,\n', '    "whole": 4,\n')),
        rates(('    "whole": 4,\n', '    "whole": 4,\n    "sm12x": 8,\n')),
        rates(('    "whole": 4,\n', '    "sm12x": 8,\n    "whole": 4,\n')),
    ),
    case(
        "frozen class, and our method sets a field of it",
        ELEMENTS,
        rates(
            (
                "    notes: list = field(default_factory=list)\n",
                "    notes: list = field(default_factory=list)\n\n"
                "    def halve(self):\n        self.count = self.count // 2\n",
            )
        ),
        rates(("@dataclass\nclass Rate:", "@dataclass(frozen=True)\nclass Rate:")),
    ),
    case(
        "dataclass becomes a named tuple, our field has a factory",
        ELEMENTS,
        rates(
            (
                "    notes: list = field(default_factory=list)\n",
                "    notes: list = field(default_factory=list)\n"
                "    tags: list = field(default_factory=list)\n",
            )
        ),
        rates(
            (
                "from dataclasses import dataclass, field\n",
                "from typing import NamedTuple\n",
            ),
            ("@dataclass\nclass Rate:\n", "class Rate(NamedTuple):\n"),
            (
                "    notes: list = field(default_factory=list)\n",
                "    notes: list = []\n",
            ),
        ),
    ),
    case(
        "members must differ, and ours is another's second name",
        ELEMENTS,
        {DEVICE: [("    WRITE = 2\n", "    WRITE = 2\n    STORE = 2\n")]},
        {
            DEVICE: [
                ("from enum import Enum\n", "from enum import Enum, unique\n"),
                ("class Access(Enum):", "@unique\nclass Access(Enum):"),
            ]
        },
    ),
    case(
        "a set that we add to below is a frozen one",
        ELEMENTS,
        core(
            (
                "def usable(name):\n",
                'ALL.add("sm12x")\n\n\ndef usable(name):\n',
            )
        ),
        core(
            (
                'ALL = {"cutlass", "marlin", "triton", "cublas", "deepgemm"}',
                'ALL = frozenset(["cutlass", "marlin", "triton", "cublas"])',
            )
        ),
    ),
    case(
        "a table of all members comes in the file",
        ELEMENTS,
        TUNE,
        {
            DEVICE: [
                (
                    "def flag(name):\n",
                    'NAMES = {Access.READ: "r", Access.WRITE: "w"}\n\n\n'
                    "def named(access):\n    return NAMES[access]\n\n\n"
                    "def flag(name):\n",
                )
            ]
        },
    ),
    case(
        "a list becomes a dict of numbers by rank",
        ELEMENTS,
        core(
            (
                '    "marlin",\n    "triton",\n]',
                '    "marlin",\n    "sm12x",\n    "triton",\n]',
            )
        ),
        core(
            (
                'ORDER = [\n    "cutlass",\n    "marlin",\n    "triton",\n]',
                'ORDER = {\n    "cutlass": 0,\n    "marlin": 1,\n    "triton": 2,\n}',
            )
        ),
    ),
)

SIXTH_TWINS: tuple[Change, ...] = (
    case(
        "went to a new file, one of a like name stays",
        TWINS,
        LEAST,
        rates(
            (
                "def rounded(count, to):\n",
                "def rounded_down(count, to):\n",
            ),
            (
                "    return (count + to - 1) // to * to\n",
                "    return count // to * to\n",
            ),
        )
        | {
            "vllm/math.py": [
                (
                    "",
                    HEAD + "def rounded(count, to):\n"
                    "    return (count + to - 1) // to * to\n",
                )
            ],
            CORE: [
                (
                    "from vllm.rates import Meter, Rate, measured, rounded\n",
                    "from vllm.math import rounded\n"
                    "from vllm.rates import Meter, Rate, measured\n",
                )
            ],
        },
    ),
    case(
        "the test of two of one name is turned, their bodies stay",
        TWINS,
        {DEVICE: [("        count = count * 2\n", "        count = count * 4\n")]},
        {DEVICE: [('if flag("VLLM_WIDE"):', 'if not flag("VLLM_WIDE"):')]},
    ),
    case(
        "renamed, and its old name is another's",
        TWINS,
        rates(
            (
                "async def fetched(name):\n    return name\n",
                "async def fetched(name):\n    return name.strip()\n",
            )
        ),
        rates(
            (
                "async def fetched(name):\n    return name\n",
                "def fetched(name):\n    return name\n\n\n"
                "async def fetched_later(name):\n    return name\n",
            )
        ),
    ),
)

SIXTH_AROUND: tuple[Change, ...] = (
    case(
        "what is passed over is what was taken",
        AROUND,
        SEEN,
        core(("        if value is None:\n", "        if value is not None:\n")),
    ),
    case(
        "what may fail is given an argument",
        AROUND,
        core(
            (
                "        except KeyError:\n            continue\n",
                "        except KeyError:\n            taken.append(None)\n"
                "            continue\n",
            )
        ),
        core(("            value = item.get()\n", "            value = item.get(1)\n")),
        core(
            (
                "        except KeyError:\n            continue\n",
                "        except KeyError:\n            taken.append(None)\n"
                "            continue\n",
            )
        ),
    ),
    case(
        "what our line counts up is set below it",
        AROUND,
        HOOK,
        core(
            (
                "    rows = rounded(count, 16)\n    if dense:\n"
                "        rows = rounded(rows, 32)\n",
                "    if dense:\n",
            ),
            (
                "    return rows, kind\n",
                "    rows = rounded(count, 32 if dense else 16)\n"
                "    return rows, kind\n",
            ),
        ),
    ),
    case(
        "the function that we hook into is async",
        AROUND,
        core(
            (
                "        self.meter.add(rate)\n",
                "        self.meter.add(rate)\n        rate.notes.append(count)\n",
            )
        ),
        core(("    def step(self, count):\n", "    async def step(self, count):\n")),
        core(
            (
                "        self.meter.add(rate)\n",
                "        self.meter.add(rate)\n        rate.notes.append(count)\n",
            )
        ),
    ),
    case(
        "what we count calls in runs once an argument",
        AROUND,
        rates(
            ("def rounded(count, to):\n", "CALLS = []\n\n\ndef rounded(count, to):\n"),
            (
                "    return (count + to - 1) // to * to\n",
                "    CALLS.append(count)\n    return (count + to - 1) // to * to\n",
            ),
        ),
        rates(
            ("from contextlib", "import functools\nfrom contextlib"),
            (
                "def rounded(count, to):\n",
                "@functools.cache\ndef rounded(count, to):\n",
            ),
        ),
    ),
    case(
        "C++: the way out asks the contrary",
        AROUND,
        {
            CUDA: [
                (
                    "  found += device.extra;\n",
                    "  found += device.extra;\n  found += 1;\n",
                )
            ]
        },
        {CUDA: [("  if (count == 0) {\n", "  if (count != 0) {\n")]},
    ),
    case(
        "C++: the argument that we read has another name",
        NAMES,
        LAST,
        {
            CUDA: [
                (
                    "int rows(const Device& device, int count, bool dense) {\n"
                    "  int found = round_up(count, 16);\n",
                    "int rows(const Device& device, int wanted, bool dense) {\n"
                    "  int found = round_up(wanted, 16);\n",
                ),
                ("  if (count == 0) {\n", "  if (wanted == 0) {\n"),
            ]
        },
    ),
    case(
        "C++: what is around it is never compiled",
        AROUND,
        WIDE,
        {CUDA: [("#ifdef USE_WIDE\n", "#if 0\n")]},
    ),
    case(
        "C++: another function of the file is never compiled",
        AROUND,
        LAST,
        {CUDA: [("#ifdef USE_WIDE\n", "#if 0\n")]},
        LAST,
    ),
)

SIXTH_NAMES: tuple[Change, ...] = (
    case(
        "a class method that we call is one of instances",
        NAMES,
        new(
            "from vllm.rates import Meter\n\n\ndef meter(device):\n"
            "    return Meter.of(device)\n"
        ),
        rates(
            (
                "    @classmethod\n    def of(cls, device):\n"
                "        return cls(device)\n",
                "    def of(self, device):\n        return Meter(device)\n",
            )
        ),
    ),
    case(
        "what we enter by with is a generator alone",
        NAMES,
        new(
            "from vllm.rates import measured\n\n\ndef timed(name):\n"
            "    with measured(name) as found:\n        return found\n"
        ),
        rates(
            ("from contextlib import contextmanager\n", ""),
            ("@contextmanager\n", ""),
        ),
    ),
    case(
        "what we await comes at once",
        NAMES,
        new(
            "from vllm.rates import fetched\n\n\nasync def name(x):\n"
            "    return await fetched(x)\n"
        ),
        rates(("async def fetched(name):", "def fetched(name):")),
    ),
    case(
        "two files import each other by both sides' imports",
        NAMES,
        rates(
            (
                "from dataclasses import dataclass, field\n",
                "from dataclasses import dataclass, field\n\n"
                "from vllm.device import Device\n",
            ),
            (
                "def listed(rates):\n",
                "def of_device(device: Device):\n    return Rate(device.lanes)\n\n\n"
                "def listed(rates):\n",
            ),
        ),
        {
            DEVICE: [
                (
                    "import os\nfrom enum import Enum\n",
                    "import os\nfrom enum import Enum\n\n"
                    "from vllm.rates import rounded\n",
                ),
                ("        self.lanes = 4\n", "        self.lanes = rounded(3, 4)\n"),
            ]
        },
    ),
    case(
        "the logger that we log by is not there",
        NAMES,
        core(
            (
                "        total = self.meter.told()\n",
                "        total = self.meter.told()\n        logger.info(total)\n",
            )
        ),
        core(
            ("import logging\n\n", ""),
            ("logger = logging.getLogger(__name__)\n\n", ""),
            ('        logger.debug("dense")\n', ""),
            ('        logger.debug("sparse")\n', ""),
        ),
    ),
    case(
        "a function moved, and is imported where it was",
        NAMES,
        new(
            "from vllm.device import flag\n\n\n"
            'def on():\n    return flag("VLLM_SM12X")\n'
        ),
        {
            DEVICE: [
                (
                    "import os\nfrom enum import Enum\n",
                    "from enum import Enum\n\nfrom vllm.env import flag\n",
                ),
                (
                    'def flag(name):\n    return os.environ.get(name) == "1"\n\n\n',
                    "",
                ),
            ],
            "vllm/env.py": [
                (
                    "",
                    HEAD
                    + "import os\n\n\n"
                    + 'def flag(name):\n    return os.environ.get(name) == "1"\n',
                )
            ],
        },
        new(
            "from vllm.device import flag\n\n\n"
            'def on():\n    return flag("VLLM_SM12X")\n'
        ),
    ),
    case(
        "an argument that we give by its place is by name alone",
        NAMES,
        SPAN,
        {
            RATES: [("def rounded(count, to):", "def rounded(count, *, to):")],
            CORE: [
                (
                    "    rows = rounded(count, 16)\n",
                    "    rows = rounded(count, to=16)\n",
                ),
                (
                    "        rows = rounded(rows, 32)\n",
                    "        rows = rounded(rows, to=32)\n",
                ),
            ],
        },
    ),
    case(
        "two values come back in a dict",
        NAMES,
        new(
            "from vllm.core import plan\n\n\ndef rows(device):\n"
            "    found, kind = plan(device, 1, True)\n    return found, kind\n"
        ),
        core(
            (
                "    return rows, kind\n",
                '    return {"rows": rows, "kind": kind}\n',
            )
        ),
    ),
    case(
        "our test puts a double where the name is not imported",
        NAMES,
        {
            TEST: [
                (
                    "def test_usable():\n",
                    "def test_rounds(monkeypatch):\n"
                    '    monkeypatch.setattr("vllm.core.rounded", lambda n, to: n)\n'
                    '    assert plan(Device("x"), 3, False)[0] == 3\n\n\n'
                    "def test_usable():\n",
                )
            ]
        },
        core(
            (
                "from vllm.rates import Meter, Rate, measured, rounded\n",
                "from vllm import rates\n"
                "from vllm.rates import Meter, Rate, measured\n",
            ),
            ('    "cutlass": rounded,\n', '    "cutlass": rates.rounded,\n'),
            (
                "    rows = rounded(count, 16)\n",
                "    rows = rates.rounded(count, 16)\n",
            ),
            (
                "        rows = rounded(rows, 32)\n",
                "        rows = rates.rounded(rows, 32)\n",
            ),
        ),
    ),
    case(
        "what our test makes one of needs a number",
        NAMES,
        {
            TEST: [
                (
                    "def test_usable():\n",
                    "def test_lanes():\n"
                    '    assert Device("y").lanes == 4\n\n\n'
                    "def test_usable():\n",
                )
            ]
        },
        {
            DEVICE: [
                (
                    "    def __init__(self, name):\n",
                    "    def __init__(self, name, index):\n"
                    "        self.index = index\n",
                )
            ],
            TEST: [('    device = Device("x")\n', '    device = Device("x", 0)\n')],
        },
    ),
    case(
        "nobody called the function that we hook into, nor does now",
        NAMES,
        SEEN,
        core(
            (
                "def wait(queue):\n",
                "def drain(queue):\n    return [item.get() for item in queue]\n\n\n"
                "def wait(queue):\n",
            ),
        )
        | {
            RATES: [
                (
                    "    found = []\n    for rate in rates:\n",
                    "    found = []\n    for rate in list(rates):\n",
                )
            ]
        },
        SEEN,
    ),
    case(
        "what called the method that we change does its work itself",
        NAMES,
        rates(
            (
                "        self.total += rate.count\n",
                "        self.total += rate.count + rate.width\n",
            )
        ),
        core(
            (
                "        self.meter.add(rate)\n",
                "        self.meter.total += rate.count\n",
            )
        ),
    ),
    wider(
        "CMake: the variable that we read has another name",
        NAMES,
        {
            LISTS: [
                (
                    "message(STATUS ${KERNEL_ARCHS})\n",
                    "message(STATUS ${KERNEL_ARCHS})\n"
                    'if("12.0" IN_LIST KERNEL_ARCHS)\n'
                    "  add_definitions(-DSM12X)\nendif()\n",
                )
            ]
        },
        {
            LISTS: [
                ('set(KERNEL_ARCHS "9.0;10.0")', 'set(CUDA_ARCHS "9.0;10.0")'),
                (
                    "message(STATUS ${KERNEL_ARCHS})\n",
                    "message(STATUS ${CUDA_ARCHS})\n",
                ),
            ]
        },
    ),
)

SIXTH_OTHERS: tuple[Change, ...] = (
    case(
        "of two changes the key landed",
        IN_PART,
        {
            CORE: [
                *KEY[CORE],
                (
                    "        self.done += 1\n",
                    "        self.done += 1\n        rate.width = 32\n",
                ),
            ]
        },
        KEY,
        core(
            (
                "        self.done += 1\n",
                "        self.done += 1\n        rate.width = 32\n",
            )
        ),
    ),
    case(
        "landed in a module with another docstring",
        IN_PART,
        rates(
            (
                "def listed(rates):\n",
                'def halved(count):\n    """Half of it."""\n    return count // 2\n\n\n'
                "def listed(rates):\n",
            )
        ),
        rates(
            (
                "def listed(rates):\n",
                'def halved(count):\n    """The half, rounded down."""\n'
                "    return count // 2\n\n\ndef listed(rates):\n",
            )
        ),
        {},
        dropped=True,
    ),
    case(
        "landed with another bound",
        IN_PART,
        core(
            (
                "        total = self.meter.told()\n",
                "        total = self.meter.told()\n"
                "        if total > 64:\n            total = 64\n",
            )
        ),
        core(
            (
                "        total = self.meter.told()\n",
                "        total = self.meter.told()\n"
                "        if total >= 64:\n            total = 64\n",
            )
        ),
    ),
    case(
        "our function has the name of upstream's import",
        TWICE,
        rates(
            (
                "def listed(rates):\n",
                "def halved(count):\n    return count // 2\n\n\ndef listed(rates):\n",
            )
        ),
        rates(
            (
                "from dataclasses import dataclass, field\n",
                "from dataclasses import dataclass, field\n\n"
                "from vllm.parts import halved\n",
            ),
            (
                "        self.total += rate.count\n",
                "        self.total += halved(rate.count)\n",
            ),
        )
        | {
            "vllm/parts.py": [
                ("", HEAD + "def halved(count):\n    return (count + 1) // 2\n")
            ]
        },
    ),
    case(
        "our method has the name of what upstream sets on self",
        TWICE,
        core(
            (
                "    def finish(self):\n",
                "    def reset(self):\n        self.done = 0\n\n"
                "    def finish(self):\n",
            )
        ),
        core(
            (
                "        self.done = 0\n\n",
                "        self.done = 0\n        self.reset = True\n\n",
            )
        ),
    ),
    wider(
        "requirements: both pin one package, each its release",
        TWICE,
        {
            CUDA_PINS: [
                (
                    "flashinfer-python==0.7.1\n",
                    "flashinfer-python==0.7.1\nnvidia-cutlass-dsl==4.2.0\n",
                )
            ]
        },
        {
            CUDA_PINS: [
                ("-r common.txt\n", "-r common.txt\nnvidia-cutlass-dsl==4.1.0\n")
            ]
        },
    ),
    wider(
        "requirements: both pin a package of their own",
        TWICE,
        {
            CUDA_PINS: [
                (
                    "flashinfer-python==0.7.1\n",
                    "flashinfer-python==0.7.1\nnvidia-cutlass-dsl==4.2.0\n",
                )
            ]
        },
        {CUDA_PINS: [("numba\n", "numba\neinops==0.8\n")]},
        {
            CUDA_PINS: [
                (
                    "flashinfer-python==0.7.1\n",
                    "flashinfer-python==0.7.1\nnvidia-cutlass-dsl==4.2.0\n",
                )
            ]
        },
    ),
)

SIXTH_READ: tuple[Change, ...] = (
    case(
        "a yes or no is the text of it",
        NAMES,
        new(
            "from vllm.device import flag\n\n\n"
            'def on():\n    return flag("VLLM_SM12X") is True\n'
        ),
        {
            DEVICE: [
                (
                    '    return os.environ.get(name) == "1"\n',
                    "    return os.environ.get(name)\n",
                )
            ]
        },
        new(
            "from vllm.device import flag\n\n\n"
            'def on():\n    return flag("VLLM_SM12X") is True\n'
        ),
    ),
    case(
        "what we call rounds the other way",
        NAMES,
        SPAN,
        rates(
            (
                "    return (count + to - 1) // to * to\n",
                "    return count // to * to\n",
            )
        ),
        SPAN,
    ),
)
"""Nobody can say what it means, so that a person is told."""

SIXTH: tuple[Change, ...] = (
    *SIXTH_ELEMENTS,
    *SIXTH_TWINS,
    *SIXTH_AROUND,
    *SIXTH_NAMES,
    *SIXTH_OTHERS,
    *(replace(one, read=True) for one in SIXTH_READ),
)

LEFT_SIXTH: tuple[Change, ...] = (
    case(
        "its body is a helper's, which it calls",
        TWINS,
        HOOK,
        core(
            (
                '    """Rows of one step."""\n',
                '    """Rows of one step."""\n    return _rows(device, count, dense)\n'
                "\n\ndef _rows(device, count, dense):\n",
            )
        ),
        HOOK,
    ),
    case(
        "a full list ends the loop before our line",
        AROUND,
        SEEN,
        core(
            (
                "        if value is None:\n            continue\n",
                "        if value is None:\n            continue\n"
                "        if len(taken) > 8:\n            break\n",
            )
        ),
        SEEN,
    ),
    case(
        "the line that we add is in another function, too",
        IN_PART,
        core(
            (
                "    return rows, kind\n",
                "    logger.info(rows)\n    return rows, kind\n",
            )
        ),
        core(
            (
                "def wait(queue):\n",
                "def trace(rows):\n    logger.info(rows)\n    return rows\n\n\n"
                "def wait(queue):\n",
            )
        ),
        core(
            (
                "    return rows, kind\n",
                "    logger.info(rows)\n    return rows, kind\n",
            )
        ),
    ),
)
"""What is refused, though there is a right answer: counted as held out."""

_FIRST = {
    CORE: [
        (
            '        logger.debug("dense")\n',
            '        logger.debug("dense, %s", rows)\n',
        ),
        ("def usable(name):\n", "def usable(name, deep=False):\n"),
        ("    return name in ALL\n", "    return deep or name in ALL\n"),
    ],
    CUDA: [('#include "core.h"\n', '#include "core.h"\n\n#define SM12X_LANES 12\n')],
}
_ONE = edited(TREE, _FIRST)
_TURNED = edited(
    TREE, {CORE: [('        logger.debug("dense")\n', '        logger.info("!")\n')]}
)


def _then(name: str, second: Edits, carried: bool) -> Series:
    return Series(name, TREE, (_ONE, edited(_ONE, second)), _TURNED, (False, carried))


SIXTH_SERIES: tuple[Series, ...] = (
    _then(
        "gives an argument that the first adds",
        new(
            "from vllm.core import usable\n\n\n"
            'def deep():\n    return usable("x", deep=True)\n'
        ),
        False,
    ),
    _then(
        "does not give the argument that the first adds",
        new(
            "from vllm.rates import rounded\n\n\n"
            "def wide():\n    return rounded(1, 2)\n"
        ),
        True,
    ),
    _then(
        "C++: says a macro that the first adds",
        {"csrc/sm12x.cu": [("", "int lanes_of() {\n  return SM12X_LANES;\n}\n")]},
        False,
    ),
    _then(
        "C++: says no name of the first's",
        {"csrc/sm12x.cu": [("", "int lanes_of() {\n  return 12;\n}\n")]},
        True,
    ),
)
