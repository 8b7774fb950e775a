# SPDX-License-Identifier: Apache-2.0
"""A fifth set of upstream's changes, set down once the fourth had been taught.

On the tree of `corpus_third`.
"""

from __future__ import annotations

from tests.unit.port.corpus_third import (
    AROUND,
    CORE,
    ELEMENTS,
    HOOK,
    IN_PART,
    LOUD,
    NAMES,
    RATES,
    TEST,
    TREE,
    TWINS,
    case,
    core,
    new,
    rates,
)
from tests.unit.port.drifts import Edits, edited
from tests.unit.port.model import Change, Series

KEY = core(
    ('    "marlin": measured,\n', '    "marlin": measured,\n    "sm12x": plan,\n')
)
SEEN = core(
    (
        "        taken.append(value)\n",
        "        value.seen = True\n        taken.append(value)\n",
    )
)
TOLD = rates(
    (
        "    def told(self):\n        return self.total\n",
        "    def told(self):\n        return max(self.total, 0)\n",
    )
)
MAKES = new(
    "from vllm.device import Device\n\n\ndef named(name):\n    return Device(name)\n"
)

FIFTH: tuple[Change, ...] = (
    case(
        "our key comes from another file",
        ELEMENTS,
        KEY,
        {
            "vllm/more.py": [
                (
                    "",
                    "# SPDX-License-Identifier: Apache-2.0\n"
                    "from vllm.core import KERNELS\n\n"
                    'KERNELS["sm12x"] = print\n',
                )
            ]
        },
    ),
    case(
        "another key comes from another file",
        ELEMENTS,
        KEY,
        {
            "vllm/more.py": [
                (
                    "",
                    "# SPDX-License-Identifier: Apache-2.0\n"
                    "from vllm.core import KERNELS\n\n"
                    'KERNELS["cublas"] = print\n',
                )
            ]
        },
        KEY,
    ),
    case(
        "a method became a function of the file, a like one stays in another class",
        TWINS,
        TOLD,
        rates(
            (
                "    def told(self):\n        return self.total\n\n\n",
                "\ndef told(meter):\n    return meter.total\n\n\n"
                "class Sum:\n    def told(self):\n        return self.total\n\n\n",
            )
        ),
    ),
    case(
        "what is gone through is taken one by one",
        AROUND,
        SEEN,
        core(
            (
                "    for item in queue:\n        try:\n",
                "    while queue:\n        item = queue.pop()\n        try:\n",
            )
        ),
        SEEN,
    ),
    case(
        "the branch asks a helper for the contrary",
        AROUND,
        HOOK,
        core(("    if dense:\n", "    if not bool(dense):\n")),
    ),
    case(
        "a class that we make one of cannot be made",
        NAMES,
        MAKES,
        {
            "vllm/device.py": [
                ("from enum import Enum\n", "from abc import ABC, abstractmethod\n"),
                ("class Access(Enum):\n", "class Access:\n"),
                ("class Device:\n", "class Device(ABC):\n"),
                (
                    "    def open(self):\n",
                    "    @abstractmethod\n    def tune(self): ...\n\n"
                    "    def open(self):\n",
                ),
            ]
        },
    ),
    case(
        "a class that we make one of has a class above it",
        NAMES,
        MAKES,
        {
            "vllm/device.py": [
                (
                    "class Device:\n",
                    "class Named:\n    pass\n\n\nclass Device(Named):\n",
                )
            ]
        },
        MAKES,
    ),
    case(
        "a method that gave a number gives nothing",
        NAMES,
        new(
            "from vllm.rates import Meter, Rate\n\n\n"
            "def more(meter: Meter):\n    return meter.add(Rate(1)) + 1\n"
        ),
        rates(
            (
                "        self.total += rate.count\n        return self.total\n",
                "        self.total += rate.count\n",
            )
        ),
    ),
    case(
        "a test of ours is beside one that is left out now",
        AROUND,
        {
            TEST: [
                (
                    "def test_usable():\n",
                    "def test_names():\n    assert usable('marlin')\n\n\n"
                    "def test_usable():\n",
                )
            ]
        },
        {TEST: [("def test_usable():\n", "@pytest.mark.skip\ndef test_usable():\n")]},
        {
            TEST: [
                (
                    "@pytest.mark.skip\ndef test_usable():\n",
                    "def test_names():\n    assert usable('marlin')\n\n\n"
                    "@pytest.mark.skip\ndef test_usable():\n",
                )
            ]
        },
    ),
    case(
        "landed behind an option",
        IN_PART,
        LOUD,
        core(
            (
                "    return rows, kind\n",
                '    if flag("VLLM_LOUD"):\n        logger.info(rows)\n'
                "        rows = max(rows, device.lanes)\n    return rows, kind\n",
            )
        ),
    ),
)

LEFT_FIFTH: tuple[Change, ...] = (
    case(
        "class renamed, and its old name stands for it",
        TWINS,
        TOLD,
        rates(
            ("class Meter:\n", "class Counter:\n"),
            ("def rounded(count", "Meter = Counter\n\n\ndef rounded(count"),
        ),
        TOLD,
    ),
    case(
        "the branch is one of three, behind its contrary",
        AROUND,
        HOOK,
        core(
            (
                "    if dense:\n",
                '    if not dense:\n        kind = "none"\n    elif dense:\n',
            )
        ),
        HOOK,
    ),
)
"""What is refused, though there is a right answer: counted as held out."""

_FIRST = core(
    (
        '        logger.debug("dense")\n',
        '        logger.debug("dense, %s", rows)\n',
    ),
    (
        "    def finish(self):\n",
        "    def halve(self):\n        return self.done // 2\n\n"
        "    def finish(self):\n",
    ),
) | {
    RATES: [
        ("        self.total = 0\n", "        self.total = 0\n        self.unit = 1\n")
    ]
}
_TURNED = edited(
    TREE, {CORE: [('        logger.debug("dense")\n', '        logger.info("!")\n')]}
)


def _then(name: str, second: Edits, carried: bool) -> Series:
    one = edited(TREE, _FIRST)
    return Series(name, TREE, (one, edited(one, second)), _TURNED, (False, carried))


FIFTH_SERIES: tuple[Series, ...] = (
    _then(
        "asks by super for a method that the first adds",
        new(
            "from vllm import core\n\n\nclass Third(core.Runner):\n"
            "    def third(self):\n        return super().halve() + 1\n"
        ),
        False,
    ),
    _then(
        "asks by super for a method that was there",
        new(
            "from vllm import core\n\n\nclass Third(core.Runner):\n"
            "    def third(self):\n        return super().finish() + 1\n"
        ),
        True,
    ),
)
