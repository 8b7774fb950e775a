# SPDX-License-Identifier: Apache-2.0
"""A third set of upstream's changes: their answers were set down before they were run.

Of the same kinds, by whoever read what the port looks at and asked what it does not:
what stands around a collection or on a class, names bound twice, names that only type
checkers see, contrary preprocessor lines, two ways to one registry.
"""

from __future__ import annotations

from functools import partial

from tests.unit.port import drifts
from tests.unit.port.drifts import Edits, edited
from tests.unit.port.model import Change, Files, Series

HEAD = "# SPDX-License-Identifier: Apache-2.0\n"
CORE, DEVICE, RATES, TEST, CUDA = (
    "vllm/core.py",
    "vllm/device.py",
    "vllm/rates.py",
    "tests/test_core.py",
    "csrc/core.cu",
)

TREE: Files = {
    RATES: HEAD
    + '''\
"""How much a device does."""

from contextlib import contextmanager
from dataclasses import dataclass, field

SCALES = {
    "half": 2,
    "full": 4,
}


@dataclass
class Rate:
    count: int
    width: int = 16
    notes: list = field(default_factory=list)


class Meter:
    """Counts, and tells."""

    def __init__(self, device):
        self.device = device
        self.total = 0

    @classmethod
    def of(cls, device):
        return cls(device)

    def add(self, rate):
        self.total += rate.count
        return self.total

    def told(self):
        return self.total


def rounded(count, to):
    return (count + to - 1) // to * to


def listed(rates):
    found = []
    for rate in rates:
        found.append(rate.count)
    return found


@contextmanager
def measured(name):
    yield name


async def fetched(name):
    return name
''',
    DEVICE: HEAD
    + '''\
"""What a device is."""

import os
from enum import Enum


class Access(Enum):
    READ = 1
    WRITE = 2


class Device:
    """One of them."""

    def __init__(self, name):
        self.name = name
        self.lanes = 4

    def open(self):
        """Open it."""
        self.opened = True
        return self

    def close(self):
        """Close it."""
        self.opened = False
        return self


def flag(name):
    return os.environ.get(name) == "1"


if flag("VLLM_WIDE"):

    def lanes(device):
        """Lanes of a device."""
        count = device.lanes
        count = count * 2
        return count

else:

    def lanes(device):
        """Lanes of a device."""
        count = device.lanes
        count = count * 1
        return count
''',
    CORE: HEAD
    + '''\
"""Which kernel runs."""

import logging

from vllm.device import Access, Device, flag
from vllm.rates import Meter, Rate, measured, rounded

logger = logging.getLogger(__name__)

ALL = {"cutlass", "marlin", "triton", "cublas", "deepgemm"}

RUNS = ALL - {
    "triton",
    "cublas",
    "deepgemm",
}

KERNELS = {
    "cutlass": rounded,
    "marlin": measured,
}

ORDER = [
    "cutlass",
    "marlin",
    "triton",
]


def usable(name):
    """Whether a kernel may run."""
    if name in (
        "triton",
        "cublas",
        "deepgemm",
    ):
        return False
    return name in ALL


def plan(device: Device, count: int, dense: bool):
    """Rows of one step."""
    rows = rounded(count, 16)
    if dense:
        rows = rounded(rows, 32)
        kind = "dense"
        logger.debug("dense")
    else:
        kind = "sparse"
        logger.debug("sparse")
    return rows, kind


def wait(queue):
    """Take what is ready."""
    taken = []
    for item in queue:
        try:
            value = item.get()
        except KeyError:
            continue
        if value is None:
            continue
        taken.append(value)
    return taken


class Runner:
    """Runs kernel after kernel."""

    def __init__(self, device: Device):
        self.device = device
        self.meter = Meter(device)
        self.done = 0

    def step(self, count):
        """One of them."""
        if self.done > 8:
            raise RuntimeError("done")
        rate = Rate(count)
        self.meter.add(rate)
        self.done += 1
        return rate

    def finish(self):
        """The last."""
        total = self.meter.told()
        self.done = 0
        return total
''',
    TEST: HEAD
    + """\
import pytest

from vllm.core import plan, usable
from vllm.device import Device, flag

CASES = [
    (1, 16),
    (17, 32),
]


@pytest.mark.skipif(flag("VLLM_WIDE"), reason="narrow alone")
@pytest.mark.parametrize(("count", "rows"), CASES)
def test_plan(count, rows):
    device = Device("x")
    assert plan(device, count, False)[0] == rows
    assert device.lanes == 4


def test_usable():
    assert usable("cutlass")
    assert not usable("triton")
""",
    CUDA: """\
#include "core.h"

#ifdef USE_WIDE
int lanes(const Device& device) {
  int count = device.lanes;
  count *= 2;
  return count;
}
#endif

int rows(const Device& device, int count, bool dense) {
  int found = round_up(count, 16);
  if (dense) {
    found = round_up(found, 32);
    found += device.pad;
  }
  if (count == 0) {
    return 0;
  }
  found += device.extra;
  return found;
}
""",
}

ELEMENTS = "elements changed"
TWINS = "moved to a file, twin stays"
AROUND = "the ground around changed"
NAMES = "a name we use changed"
IN_PART = "landed in part"
TWICE = "both bring one name"

case = partial(drifts.drift, TREE)


def core(*edits: tuple[str, str]) -> Edits:
    return {CORE: list(edits)}


def rates(*edits: tuple[str, str]) -> Edits:
    return {RATES: list(edits)}


NEW = "vllm/sm12x.py"


def new(text: str) -> Edits:
    return {NEW: [("", HEAD + text)]}


KEPT = core(
    (
        '    "cublas",\n    "deepgemm",\n}\n',
        '    "cublas",\n    "deepgemm",\n    "sm12x",\n}\n',
    )
)
ORDERED = core(
    ('    "marlin",\n    "triton",\n]', '    "marlin",\n    "sm12x",\n    "triton",\n]')
)
HOOK = core(
    (
        '        kind = "dense"\n',
        '        kind = "dense"\n        rows += device.lanes\n',
    )
)
STEP = core(
    (
        "        self.meter.add(rate)\n",
        "        self.meter.add(rate)\n        rate.notes.append(count)\n",
    )
)
DONE = core(
    ("        self.done += 1\n", "        self.done += 1\n        rate.width = 32\n")
)

ELEMENTS_THIRD: tuple[Change, ...] = (
    case(
        "enum becomes one of flags, numbers as they were",
        ELEMENTS,
        {DEVICE: [("    WRITE = 2\n", "    WRITE = 2\n    TUNE = 3\n")]},
        {
            DEVICE: [
                ("from enum import Enum\n", "from enum import Flag\n"),
                ("class Access(Enum):", "class Access(Flag):"),
            ]
        },
    ),
    case(
        "what is taken away from all becomes what is kept of them",
        ELEMENTS,
        KEPT,
        core(("RUNS = ALL - {", "RUNS = ALL & {")),
    ),
    case(
        "names that are refused become those that are taken",
        ELEMENTS,
        core(
            (
                '        "deepgemm",\n    ):',
                '        "deepgemm",\n        "sm12x",\n    ):',
            )
        ),
        core(("    if name in (\n", "    if name not in (\n")),
    ),
    case(
        "our key comes by an assignment below",
        ELEMENTS,
        core(
            (
                '    "marlin": measured,\n',
                '    "marlin": measured,\n    "sm12x": plan,\n',
            )
        ),
        core(
            (
                '    "triton",\n]\n',
                '    "triton",\n]\n\nKERNELS["sm12x"] = rounded\n',
            )
        ),
    ),
    case(
        "keys become members of an enum",
        ELEMENTS,
        rates(('    "full": 4,\n', '    "full": 4,\n    "sm12x": 8,\n')),
        rates(
            (
                '    "half": 2,\n    "full": 4,\n',
                "    Size.HALF: 2,\n    Size.FULL: 4,\n",
            ),
            (
                "SCALES = {\n",
                "class Size(Enum):\n    HALF = 1\n    FULL = 2\n\n\nSCALES = {\n",
            ),
            ("from dataclasses", "from enum import Enum\nfrom dataclasses"),
        ),
    ),
    case(
        "values become what is called",
        ELEMENTS,
        core(
            (
                '    "marlin": measured,\n',
                '    "marlin": measured,\n    "sm12x": plan,\n',
            )
        ),
        core(
            (
                '    "cutlass": rounded,\n    "marlin": measured,\n',
                '    "cutlass": rounded(1, 2),\n    "marlin": measured("x"),\n',
            )
        ),
    ),
    case(
        "order of which ours stands between two is another",
        ELEMENTS,
        ORDERED,
        core(
            (
                '    "cutlass",\n    "marlin",\n    "triton",\n]',
                '    "triton",\n    "cutlass",\n    "marlin",\n]',
            )
        ),
    ),
    case(
        "the first of an order went",
        ELEMENTS,
        ORDERED,
        core(
            (
                '    "cutlass",\n    "marlin",\n    "triton",\n]',
                '    "marlin",\n    "triton",\n]',
            )
        ),
        core(
            (
                '    "marlin",\n    "triton",\n]',
                '    "marlin",\n    "sm12x",\n    "triton",\n]',
            )
        ),
    ),
    case(
        "cases of a test get a third value",
        ELEMENTS,
        {TEST: [("    (17, 32),\n", "    (17, 32),\n    (33, 48),\n")]},
        {
            TEST: [
                (
                    "    (1, 16),\n    (17, 32),\n",
                    "    (1, 16, 0),\n    (17, 32, 1),\n",
                ),
                ('("count", "rows"), CASES)', '("count", "rows", "more"), CASES)'),
                ("def test_plan(count, rows):", "def test_plan(count, rows, more):"),
            ]
        },
    ),
)

CAPS = TREE[DEVICE]
WIDE = '''\
    def lanes(device):
        """Lanes of a device."""
        count = device.lanes
        count = count * 2
        return count
'''
NARROW = WIDE.replace("* 2", "* 1")
WIDER = {DEVICE: [("        count = count * 2\n", "        count = count * 2 + 1\n")]}

TWINS_THIRD: tuple[Change, ...] = (
    case(
        "two of one name, and their test is turned round",
        TWINS,
        WIDER,
        {DEVICE: [('if flag("VLLM_WIDE"):', 'if not flag("VLLM_WIDE"):')]},
    ),
    case(
        "file moved, and a copy of it beside",
        TWINS,
        rates(
            (
                "    return self.total\n\n    def told",
                "    return self.total + 0\n\n    def told",
            )
        ),
        {
            "vllm/rates_new.py": [("", TREE[RATES])],
            "vllm/rates_old.py": [("", TREE[RATES].replace("+ to - 1", "+ to"))],
        },
        gone=RATES,
    ),
    case(
        "file moved, and what stays hands it on",
        TWINS,
        rates(
            (
                "    return (count + to - 1) // to * to\n",
                "    return -(-count // to) * to\n",
            )
        ),
        {
            "vllm/meter/rates.py": [("", TREE[RATES])],
            RATES: [(TREE[RATES], HEAD + "from vllm.meter.rates import *  # noqa\n")],
        },
    ),
    case(
        "a method goes up into a new class of the file, a twin stays in ours",
        TWINS,
        {
            DEVICE: [
                (
                    "        self.opened = True\n",
                    "        self.opened = self.lanes > 0\n",
                )
            ]
        },
        {
            DEVICE: [
                (
                    'class Device:\n    """One of them."""\n',
                    "class Opened:\n"
                    '    def open(self):\n        """Open it."""\n'
                    "        self.opened = True\n        return self\n\n\n"
                    'class Device(Opened):\n    """One of them."""\n',
                ),
                (
                    '    def open(self):\n        """Open it."""\n'
                    "        self.opened = True\n        return self\n\n"
                    "    def close",
                    '    def reopen(self):\n        """Open it."""\n'
                    "        self.opened = True\n        return self\n\n"
                    "    def close",
                ),
            ]
        },
    ),
    case(
        "another method goes up into a new class of the file",
        TWINS,
        {DEVICE: [("        self.opened = False\n", "        self.opened = 0 > 1\n")]},
        {
            DEVICE: [
                (
                    'class Device:\n    """One of them."""\n',
                    "class Opened:\n"
                    '    def open(self):\n        """Open it."""\n'
                    "        self.opened = True\n        return self\n\n\n"
                    'class Device(Opened):\n    """One of them."""\n',
                ),
                (
                    '    def open(self):\n        """Open it."""\n'
                    "        self.opened = True\n        return self\n\n"
                    "    def close",
                    "    def close",
                ),
            ]
        },
        {DEVICE: [("        self.opened = False\n", "        self.opened = 0 > 1\n")]},
    ),
)

IN_CUDA = {
    CUDA: [
        ("    found += device.pad;\n", "    found += device.pad;\n    found += 1;\n")
    ]
}

AROUND_THIRD: tuple[Change, ...] = (
    case(
        "ifdef becomes ifndef",
        AROUND,
        {CUDA: [("  count *= 2;\n", "  count *= 2;\n  count += 1;\n")]},
        {CUDA: [("#ifdef USE_WIDE\n", "#ifndef USE_WIDE\n")]},
    ),
    case(
        "C++: the test around it gets a not",
        AROUND,
        IN_CUDA,
        {CUDA: [("  if (dense) {\n", "  if (!dense) {\n")]},
    ),
    case(
        "C++: the way out before it asks the contrary",
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
        "C++: another test's number changed",
        AROUND,
        IN_CUDA,
        {CUDA: [("  if (count == 0) {\n", "  if (count <= 0) {\n")]},
        IN_CUDA,
    ),
    case(
        "a way out by raise asks the contrary",
        AROUND,
        DONE,
        core(("        if self.done > 8:\n", "        if self.done <= 8:\n")),
    ),
    case(
        "what is left out after a try is what was kept",
        AROUND,
        core(
            (
                "        taken.append(value)\n",
                "        value.seen = True\n        taken.append(value)\n",
            )
        ),
        core(("        if value is None:\n", "        if value is not None:\n")),
    ),
    case(
        "a test is skipped where it ran",
        AROUND,
        {
            TEST: [
                (
                    "    assert device.lanes == 4\n",
                    "    assert device.lanes == 4\n    assert not device.name == 'y'\n",
                )
            ]
        },
        {TEST: [('skipif(flag("VLLM_WIDE")', 'skipif(not flag("VLLM_WIDE")')]},
    ),
    case(
        "a test is asserted above the hook, and was not",
        AROUND,
        HOOK,
        core(
            (
                "    rows = rounded(count, 16)\n",
                "    assert not dense\n    rows = rounded(count, 16)\n",
            )
        ),
    ),
    case(
        "the branch asks whether it is False",
        AROUND,
        HOOK,
        core(("    if dense:\n", "    if dense is False:\n")),
    ),
    case(
        "the branch asks whether it equals zero",
        AROUND,
        HOOK,
        core(("    if dense:\n", "    if dense == 0:\n")),
    ),
    case(
        "any becomes not any",
        AROUND,
        HOOK,
        core(("    if dense:\n", "    if not (dense and count):\n")),
    ),
    case(
        "the branch has brackets now",
        AROUND,
        HOOK,
        core(("    if dense:\n", "    if (dense):\n")),
        HOOK,
    ),
    case(
        "another class's way out asks the contrary",
        AROUND,
        HOOK,
        core(("        if self.done > 8:\n", "        if self.done <= 8:\n")),
        HOOK,
    ),
)

CALLS = new(
    "import functools\n\nfrom vllm import rates\n"
    "from vllm.rates import Meter, Rate\n\n\n"
    "def sixteen():\n    return functools.partial(rates.rounded, to=16)\n\n\n"
    "def first(device):\n    return Meter.of(device), rates.listed([Rate(1)])[0]\n"
)
BELOW = new(
    "from vllm.rates import Meter\n\n\n"
    "class Sm12xMeter(Meter):\n"
    "    def __init__(self, device):\n        super().__init__(device)\n"
    "        self.more = self.total\n\n"
    "    def add(self, rate):\n        return super().add(rate) + 1\n"
)

NAMES_THIRD: tuple[Change, ...] = (
    case(
        "dataclass whose field we set is frozen",
        NAMES,
        DONE,
        rates(("@dataclass\nclass Rate", "@dataclass(frozen=True)\nclass Rate")),
    ),
    case(
        "class in which we set a new attribute gets slots",
        NAMES,
        {
            DEVICE: [
                (
                    "        self.opened = True\n",
                    "        self.opened = True\n        self.tuned = True\n",
                )
            ]
        },
        {
            DEVICE: [
                (
                    '    """One of them."""\n',
                    '    """One of them."""\n\n'
                    '    __slots__ = ("name", "lanes", "opened")\n',
                )
            ]
        },
    ),
    case(
        "what we import is for type checkers alone now",
        NAMES,
        core(
            (
                '        """The last."""\n',
                '        """The last."""\n'
                "        assert isinstance(self.device, Device)\n",
            )
        ),
        core(
            (
                "import logging\n\nfrom vllm.device import Access, Device, flag\n",
                "import logging\nfrom typing import TYPE_CHECKING\n\n"
                "from vllm.device import Access, flag\n",
            ),
            (
                "\nlogger = logging",
                "\nif TYPE_CHECKING:\n    from vllm.device import Device\n\n"
                "logger = logging",
            ),
            ("def plan(device: Device,", 'def plan(device: "Device",'),
            (
                "def __init__(self, device: Device)",
                'def __init__(self, device: "Device")',
            ),
        ),
    ),
    case(
        "what we import for our annotation is for type checkers alone now",
        NAMES,
        core(
            (
                '        """The last."""\n',
                '        """The last."""\n        device: "Device" = self.device\n'
                "        logger.debug(device)\n",
            )
        ),
        core(
            (
                "import logging\n\nfrom vllm.device import Access, Device, flag\n",
                "import logging\nfrom typing import TYPE_CHECKING\n\n"
                "from vllm.device import Access, flag\n",
            ),
            (
                "\nlogger = logging",
                "\nif TYPE_CHECKING:\n    from vllm.device import Device\n\n"
                "logger = logging",
            ),
            ("def plan(device: Device,", 'def plan(device: "Device",'),
            (
                "def __init__(self, device: Device)",
                'def __init__(self, device: "Device")',
            ),
        ),
        core(
            (
                '        """The last."""\n',
                '        """The last."""\n        device: "Device" = self.device\n'
                "        logger.debug(device)\n",
            )
        ),
    ),
    case(
        "an argument that partial gets by name has another",
        NAMES,
        CALLS,
        rates(
            ("def rounded(count, to):", "def rounded(count, step):"),
            (
                "    return (count + to - 1) // to * to\n",
                "    return (count + step - 1) // step * step\n",
            ),
        ),
    ),
    case(
        "a function yields what it gave as a list",
        NAMES,
        CALLS,
        rates(
            (
                "    found = []\n    for rate in rates:\n"
                "        found.append(rate.count)\n    return found\n",
                "    for rate in rates:\n        yield rate.count\n",
            )
        ),
    ),
    case(
        "a method of the class is one of an instance now",
        NAMES,
        CALLS,
        rates(
            (
                "    @classmethod\n    def of(cls, device):\n"
                "        return cls(device)\n",
                "    def of(self, device):\n        return Meter(device)\n",
            )
        ),
    ),
    case(
        "a block's function gives a value now",
        NAMES,
        core(
            (
                "    rows = rounded(count, 16)\n",
                '    with measured("plan"):\n        rows = rounded(count, 16)\n',
            )
        ),
        rates(
            (
                "@contextmanager\ndef measured(name):\n    yield name\n",
                "def measured(name):\n    return name\n",
            ),
            ("from contextlib import contextmanager\n", ""),
        ),
    ),
    case(
        "what we wait for is not waited for any more",
        NAMES,
        new(
            "from vllm.rates import fetched\n\n\nasync def go():\n"
            "    return await fetched('x')\n"
        ),
        rates(("async def fetched", "def fetched")),
    ),
    case(
        "a key that we read has another name",
        NAMES,
        new(
            "from vllm.rates import SCALES\n\n\ndef half():\n"
            '    return SCALES["half"]\n'
        ),
        rates(('    "half": 2,\n', '    "fp16": 2,\n')),
    ),
    case(
        "a key that we do not read has another name",
        NAMES,
        new(
            "from vllm.rates import SCALES\n\n\ndef full():\n"
            '    return SCALES["full"]\n'
        ),
        rates(('    "half": 2,\n', '    "fp16": 2,\n')),
        new(
            "from vllm.rates import SCALES\n\n\ndef full():\n"
            '    return SCALES["full"]\n'
        ),
    ),
    case(
        "attribute that we set becomes a property",
        NAMES,
        new(
            "from vllm.device import Device\n\n\n"
            "def narrow(device: Device):\n    device.lanes = 1\n    return device\n"
        ),
        {
            DEVICE: [
                ("        self.lanes = 4\n", "        self.count = 4\n"),
                (
                    "    def open(self):\n",
                    "    @property\n    def lanes(self):\n        return self.count\n\n"
                    "    def open(self):\n",
                ),
            ]
        },
    ),
    case(
        "a method that ours stands over has another name",
        NAMES,
        BELOW,
        rates(("    def add(self, rate):", "    def count(self, rate):"))
        | core(("        self.meter.add(rate)\n", "        self.meter.count(rate)\n")),
    ),
    case(
        "the class above is made with another argument",
        NAMES,
        BELOW,
        rates(
            (
                "    def __init__(self, device):\n        self.device = device\n",
                "    def __init__(self, device, unit):\n"
                "        self.device = (device, unit)\n",
            )
        )
        | core(("Meter(device)", 'Meter(device, "s")')),
    ),
    case(
        "what the class above sets has another name",
        NAMES,
        BELOW,
        rates(
            ("        self.total = 0\n", "        self.sum = 0\n"),
            (
                "        self.total += rate.count\n        return self.total\n",
                "        self.sum += rate.count\n        return self.sum\n",
            ),
            (
                "    def told(self):\n        return self.total\n",
                "    def told(self):\n        return self.sum\n",
            ),
        ),
    ),
    case(
        "what we get by getattr has another name",
        NAMES,
        new(
            "from vllm import rates\n\n\n"
            'def up(count):\n    return getattr(rates, "rounded")(count, 16)\n'
        ),
        rates(("def rounded(", "def round_up("))
        | core(
            (
                "import Meter, Rate, measured, rounded",
                "import Meter, Rate, measured, round_up",
            ),
            ('    "cutlass": rounded,\n', '    "cutlass": round_up,\n'),
            ("    rows = rounded(count, 16)\n", "    rows = round_up(count, 16)\n"),
            (
                "        rows = rounded(rows, 32)\n",
                "        rows = round_up(rows, 32)\n",
            ),
        ),
    ),
    case(
        "what a test's double stands for by object has another name",
        NAMES,
        {
            TEST: [
                (
                    "def test_usable():\n",
                    "def test_flag(monkeypatch):\n"
                    '    monkeypatch.setattr(Device, "open", lambda self: self)\n\n\n'
                    "def test_usable():\n",
                )
            ]
        },
        {DEVICE: [("    def open(self):", "    def start(self):")]},
    ),
    case(
        "an import that the patch drops is needed by upstream",
        NAMES,
        core(
            (
                "    if dense:\n        rows = rounded(rows, 32)\n",
                "    if dense:\n        rows = -(-rows // 32) * 32\n",
            ),
            ("    rows = rounded(count, 16)\n", "    rows = -(-count // 16) * 16\n"),
            ('    "cutlass": rounded,\n', ""),
            (
                "from vllm.rates import Meter, Rate, measured, rounded\n",
                "from vllm.rates import Meter, Rate, measured\n",
            ),
        ),
        core(
            (
                '        """The last."""\n',
                '        """The last."""\n        self.done = rounded(self.done, 2)\n',
            )
        ),
    ),
    case(
        "a parameter with a default came before the one that we count",
        NAMES,
        CALLS
        | new(
            "from vllm.rates import rounded\n\n\n"
            "def up(count):\n    return rounded(count, 16)\n"
        ),
        rates(("def rounded(count, to):", "def rounded(count, up=True, to=16):"))
        | core(
            ("    rows = rounded(count, 16)\n", "    rows = rounded(count, to=16)\n"),
            (
                "        rows = rounded(rows, 32)\n",
                "        rows = rounded(rows, to=32)\n",
            ),
        ),
    ),
)

SETS = new(
    "from vllm.device import Device\n\n\n"
    "def narrow(device: Device):\n    device.lanes = 1\n    return device\n"
)
KEY = new('from vllm.rates import SCALES\n\n\ndef half():\n    return SCALES["half"]\n')

SET_THIRD: tuple[Change, ...] = (
    case(
        "attribute that we set becomes a property that can be set",
        NAMES,
        SETS,
        {
            DEVICE: [
                ("        self.lanes = 4\n", "        self.count = 4\n"),
                (
                    "    def open(self):\n",
                    "    @property\n    def lanes(self):\n        return self.count\n\n"
                    "    @lanes.setter\n    def lanes(self, count):\n"
                    "        self.count = count\n\n"
                    "    def open(self):\n",
                ),
            ]
        },
        SETS,
    ),
    case(
        "class gets slots, that of what we set among them",
        NAMES,
        SETS,
        {
            DEVICE: [
                (
                    '    """One of them."""\n',
                    '    """One of them."""\n\n'
                    '    __slots__ = ("name", "lanes", "opened")\n',
                )
            ]
        },
        SETS,
    ),
    case(
        "dataclass of slots, and we set what it has no field for",
        NAMES,
        core(
            (
                "        self.meter.add(rate)\n",
                "        self.meter.add(rate)\n        rate.sm12x = True\n",
            )
        ),
        rates(("@dataclass\nclass Rate", "@dataclass(slots=True)\nclass Rate")),
    ),
    case(
        "dataclass is frozen, and we only read it",
        NAMES,
        core(
            (
                "        self.meter.add(rate)\n",
                "        self.meter.add(rate)\n        logger.debug(rate.width)\n",
            )
        ),
        rates(("@dataclass\nclass Rate", "@dataclass(frozen=True)\nclass Rate")),
        core(
            (
                "        self.meter.add(rate)\n",
                "        self.meter.add(rate)\n        logger.debug(rate.width)\n",
            )
        ),
    ),
    case(
        "a key that we read comes by an update below",
        NAMES,
        KEY,
        rates(
            (
                '    "half": 2,\n    "full": 4,\n}\n',
                '    "full": 4,\n}\nSCALES |= {"half": 2}\n',
            )
        ),
        KEY,
    ),
)

HELPER = "def halved(count):\n    return count // 2\n\n\n"

TWICE_THIRD: tuple[Change, ...] = (
    case(
        "a function of one name, in other places of the file",
        TWICE,
        core(("def wait(queue):\n", HELPER + "def wait(queue):\n")),
        core(("class Runner:\n", HELPER.replace("// 2", "/ 2") + "class Runner:\n")),
    ),
    case(
        "a method of one name, in other places of the class",
        TWICE,
        core(
            (
                "    def step(self, count):\n",
                "    def reset(self):\n        self.done = 0\n\n"
                "    def step(self, count):\n",
            )
        ),
        core(
            (
                "        self.done = 0\n        return total\n",
                "        self.done = 0\n        return total\n\n"
                "    def reset(self):\n        self.meter = Meter(self.device)\n",
            )
        ),
    ),
    case(
        "a test of one name",
        TWICE,
        {
            TEST: [
                (
                    "def test_usable():\n",
                    "def test_wide():\n    assert flag\n\n\ndef test_usable():\n",
                )
            ]
        },
        {
            TEST: [
                (
                    '    assert not usable("triton")\n',
                    '    assert not usable("triton")\n\n\ndef test_wide():\n'
                    "    assert plan\n",
                )
            ]
        },
    ),
    case(
        "a constant of one name",
        TWICE,
        core(("ORDER = [\n", "LEAST = 8\n\nORDER = [\n")),
        core(("def wait(queue):\n", "LEAST = 16\n\n\ndef wait(queue):\n")),
    ),
    case(
        "an imported name from two modules",
        TWICE,
        core(
            ("import logging\n\n", "import logging\nfrom math import lcm as fit\n\n"),
            ("    return rows, kind\n", "    return fit(rows, 16), kind\n"),
        ),
        core(
            (
                "Rate, measured, rounded\n",
                "Rate, measured, rounded\nfrom vllm.fit import fit\n",
            ),
            (
                "        total = self.meter.told()\n",
                "        total = fit(self.meter.told())\n",
            ),
        )
        | {"vllm/fit.py": [("", HEAD + "def fit(total):\n    return total\n")]},
    ),
    case(
        "a function of ours, and an import of upstream's, of one name",
        TWICE,
        core(("def wait(queue):\n", HELPER + "def wait(queue):\n")),
        core(
            (
                "Rate, measured, rounded\n",
                "Rate, measured, rounded\nfrom vllm.fit import halved\n",
            ),
            (
                "        total = self.meter.told()\n",
                "        total = halved(self.meter.told())\n",
            ),
        )
        | {"vllm/fit.py": [("", HEAD + "def halved(total):\n    return total / 2\n")]},
    ),
    case(
        "a field of one name in one class, another default",
        TWICE,
        rates(("    count: int\n", "    count: int\n    tile: int = 16\n")),
        rates(
            (
                "    notes: list = field(default_factory=list)\n",
                "    notes: list = field(default_factory=list)\n    tile: int = 8\n",
            )
        ),
    ),
)

LOUD = core(
    (
        "    return rows, kind\n",
        "    logger.info(rows)\n    rows = max(rows, device.lanes)\n"
        "    return rows, kind\n",
    )
)

IN_PART_THIRD: tuple[Change, ...] = (
    case(
        "landed under the contrary branch",
        IN_PART,
        HOOK,
        core(
            (
                '        kind = "sparse"\n',
                '        kind = "sparse"\n        rows += device.lanes\n',
            )
        ),
    ),
    case(
        "landed in the like method",
        IN_PART,
        {
            DEVICE: [
                (
                    "        self.opened = True\n",
                    "        self.opened = True\n"
                    "        self.name = self.name.strip()\n",
                )
            ]
        },
        {
            DEVICE: [
                (
                    "        self.opened = False\n",
                    "        self.opened = False\n"
                    "        self.name = self.name.strip()\n",
                )
            ]
        },
    ),
    case(
        "landed, with its two lines exchanged",
        IN_PART,
        LOUD,
        core(
            (
                "    return rows, kind\n",
                "    rows = max(rows, device.lanes)\n    logger.info(rows)\n"
                "    return rows, kind\n",
            )
        ),
    ),
    case(
        "landed whole, and more beside it",
        IN_PART,
        LOUD,
        core(
            (
                "    return rows, kind\n",
                "    logger.info(rows)\n    rows = max(rows, device.lanes)\n"
                "    return rows, kind\n",
            ),
            (
                "        total = self.meter.told()\n",
                "        total = self.meter.told() + 1\n",
            ),
        ),
        {},
        dropped=True,
    ),
)

LEFT_THIRD: tuple[Change, ...] = (
    case(
        "two of one name exchange their branches",
        TWINS,
        WIDER,
        {
            DEVICE: [
                (
                    f'if flag("VLLM_WIDE"):\n\n{WIDE}\nelse:\n\n{NARROW}',
                    f'if not flag("VLLM_WIDE"):\n\n{NARROW}\nelse:\n\n{WIDE}',
                )
            ]
        },
        {DEVICE: [("        count = count * 2\n", "        count = count * 2 + 1\n")]},
    ),
    case(
        "a helper of each, of two names",
        TWICE,
        core(("def wait(queue):\n", HELPER + "def wait(queue):\n")),
        core(
            ("class Runner:\n", HELPER.replace("halved", "third") + "class Runner:\n")
        ),
        core(("def wait(queue):\n", HELPER + "def wait(queue):\n")),
    ),
)
"""What is refused, though there is a right answer: counted as held out."""

THIRD: tuple[Change, ...] = (
    *ELEMENTS_THIRD,
    *TWINS_THIRD,
    *AROUND_THIRD,
    *NAMES_THIRD,
    *SET_THIRD,
    *TWICE_THIRD,
    *IN_PART_THIRD,
)

_WAITS = core(
    ('        logger.debug("dense")\n', '        logger.debug("dense, %s", rows)\n')
)
_TURNED = edited(
    TREE, core(('        logger.debug("dense")\n', '        logger.info("dense!")\n'))
)


def _chain(name: str, first: Edits, second: Edits, *carried: bool) -> Series:
    one = edited(TREE, first)
    return Series(name, TREE, (one, edited(one, second)), _TURNED, carried)


_BRINGS = core(
    *_WAITS[CORE],
    (
        "        self.done = 0\n\n    def step",
        "        self.done = 0\n        self.lanes = device.lanes\n\n    def step",
    ),
    ("class Runner:\n", HELPER + "class Runner:\n"),
    ('    "marlin": measured,\n', '    "marlin": measured,\n    "sm12x": rounded,\n'),
)

THIRD_SERIES: tuple[Series, ...] = (
    _chain(
        "reads an attribute that the first sets on self",
        _BRINGS,
        core(
            (
                "        total = self.meter.told()\n",
                "        total = self.meter.told() * self.lanes\n",
            )
        ),
        False,
        False,
    ),
    _chain(
        "gets by getattr what the first adds",
        _BRINGS,
        new('from vllm import core\n\nHALF = getattr(core, "halved")\n'),
        False,
        False,
    ),
    _chain(
        "asks for a key that the first adds",
        _BRINGS,
        new('from vllm.core import KERNELS\n\nKERNEL = KERNELS["sm12x"]\n'),
        False,
        False,
    ),
    _chain(
        "puts a double in place of what the first adds",
        _BRINGS,
        {
            TEST: [
                (
                    "def test_usable():\n",
                    "def test_half(monkeypatch):\n"
                    '    monkeypatch.setattr("vllm.core.halved", lambda x: x)\n\n\n'
                    "def test_usable():\n",
                )
            ]
        },
        False,
        False,
    ),
    _chain(
        "asks for a key that was there",
        _BRINGS,
        new('from vllm.core import KERNELS\n\nKERNEL = KERNELS["marlin"]\n'),
        False,
        True,
    ),
)
