# SPDX-License-Identifier: Apache-2.0
"""An eighth, small set of changes, set down once the seventh had been taught.

On the tree of `corpus_third`; all answers were set down before any was run. Since then
two that a person was to decide are to be carried and told.
"""

from __future__ import annotations

from dataclasses import replace

from tests.unit.port.corpus_sixth import LISTS, wider
from tests.unit.port.corpus_third import (
    AROUND,
    CUDA,
    DEVICE,
    ELEMENTS,
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
from tests.unit.port.model import Change

LOOP = {CUDA: [("  count *= 2;\n", "  count *= 2;\n  count += 1;\n")]}
LISTED = rates(
    ("        found.append(rate.count)\n", "        found.append(rate.count * 2)\n")
)
SOURCE = {LISTS: [("  rows.cu)\n", "  rows.cu\n  sm12x.cu)\n")]}
TOLD = rates(
    (
        "    def told(self):\n        return self.total\n",
        "    def told(self):\n        return max(self.total, 0)\n",
    )
)

EIGHTH_READ: tuple[Change, ...] = (
    case(
        "a method gives the number and not the object",
        NAMES,
        new(
            "from vllm.core import Runner\n\n\n"
            "def wide(runner: Runner):\n    return runner.step(1).width\n"
        ),
        core(("        return rate\n", "        return rate.count\n")),
        new(
            "from vllm.core import Runner\n\n\n"
            "def wide(runner: Runner):\n    return runner.step(1).width\n"
        ),
    ),
    case(
        "a number is none until somebody asks",
        NAMES,
        HOOK,
        {DEVICE: [("        self.lanes = 4\n", "        self.lanes = None\n")]},
        HOOK,
    ),
)

EIGHTH: tuple[Change, ...] = (
    *(replace(one, read=True) for one in EIGHTH_READ),
    case(
        "the line before ours stands in a branch now",
        AROUND,
        core(
            (
                "        self.done += 1\n",
                "        self.done += 1\n        rate.width = 32\n",
            )
        ),
        core(
            (
                "        self.done += 1\n",
                "        if rate.count:\n            self.done += 1\n",
            )
        ),
    ),
    case(
        "a dict is made by names",
        ELEMENTS,
        core(
            (
                '    "marlin": measured,\n',
                '    "marlin": measured,\n    "sm12x": plan,\n',
            )
        ),
        core(
            (
                'KERNELS = {\n    "cutlass": rounded,\n    "marlin": measured,\n}\n',
                "KERNELS = dict(\n    cutlass=rounded,\n    marlin=measured,\n)\n",
            )
        ),
    ),
    case(
        "a class below it has a method of its own",
        TWINS,
        TOLD,
        rates(
            (
                "def rounded(count, to):\n",
                "class Quiet(Meter):\n    def told(self):\n        return 0\n\n\n"
                "def rounded(count, to):\n",
            )
        ),
        TOLD,
    ),
    wider(
        "CMake: both add a file to a list, at its two ends",
        ELEMENTS,
        SOURCE,
        {
            LISTS: [
                (
                    "  list(APPEND SOURCES wide.cu)\n",
                    "  list(APPEND SOURCES wide.cu w2.cu)\n",
                )
            ]
        },
        SOURCE,
    ),
    case(
        "C++: another function of the name takes more",
        TWINS,
        LOOP,
        {
            CUDA: [
                (
                    "int rows(const Device& device, int count, bool dense) {\n",
                    "int lanes(const Device& device, int least) {\n"
                    "  return device.lanes > least ? device.lanes : least;\n}\n\n"
                    "int rows(const Device& device, int count, bool dense) {\n",
                )
            ]
        },
        LOOP,
    ),
    case(
        "the variable that we ask for in another file has another name",
        NAMES,
        core(
            (
                "    return rows, kind\n",
                '    if flag("VLLM_WIDE"):\n        rows *= 2\n    return rows, kind\n',
            )
        ),
        {
            DEVICE: [('if flag("VLLM_WIDE"):', 'if flag("VLLM_WIDER"):')],
            TEST: [('skipif(flag("VLLM_WIDE")', 'skipif(flag("VLLM_WIDER")')],
        },
    ),
    case(
        "the same mended in another way",
        IN_PART,
        rates(
            (
                "    return (count + to - 1) // to * to\n",
                "    return (count + to - 1) // max(to, 1) * to\n",
            )
        ),
        rates(
            (
                "    return (count + to - 1) // to * to\n",
                "    if to <= 0:\n        return count\n"
                "    return (count + to - 1) // to * to\n",
            )
        ),
    ),
    case(
        "both give a function one argument more",
        TWICE,
        core(("def usable(name):\n", "def usable(name, *, deep=False):\n")),
        core(("def usable(name):\n", "def usable(name, strict=False):\n")),
    ),
    case(
        "a file becomes a package",
        TWINS,
        LISTED,
        {"vllm/rates/__init__.py": [("", TREE[RATES])]},
        {
            "vllm/rates/__init__.py": [
                (
                    "        found.append(rate.count)\n",
                    "        found.append(rate.count * 2)\n",
                )
            ]
        },
        gone=RATES,
    ),
    case(
        "a list is given one by one, and ours sorts it",
        AROUND,
        rates(("    return found\n", "    found.sort()\n    return found\n")),
        rates(
            (
                "    found = []\n    for rate in rates:\n"
                "        found.append(rate.count)\n    return found\n",
                "    for rate in rates:\n        yield rate.count\n",
            )
        ),
    ),
)
