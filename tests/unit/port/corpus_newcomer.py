# SPDX-License-Identifier: Apache-2.0
"""More of the corpus: what somebody tried who met the port for the first time.

Each was set down, with its answer, before the port was run on it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.port.corpus_drift import AROUND, ELEMENTS, HEAD, NAME, PART, TWIN
from tests.unit.port.model import Change, replaced

PICK = "vllm/pick.py"
CAPS = "vllm/caps.py"
ENVS = "vllm/envs.py"
PLATFORM = "vllm/platform.py"
CONFTEST = "tests/conftest.py"
NEW = "vllm/sm12x.py"
TEST = "tests/test_sm12x.py"

_PICK = (
    HEAD
    + '''\
"""Which kernel a layer gets."""

import os
from enum import IntEnum

from vllm import envs
from vllm.caps import KernelConfig, pad, probe
from vllm.platform import current_platform

CHOICES = ["auto", "cutlass", "marlin"]

KERNELS = {
    "cutlass": ("vllm.cutlass", "Cutlass"),
    "marlin": ("vllm.marlin", "Marlin"),
}

CAPABILITIES = (8, 9, 10)


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Picker:
    """Picks kernel after kernel."""

    def __init__(self, device):
        self.device = device
        self.picked = []

    def pick(self, layer):
        """The kernel of a layer."""
        with self.lock:
            if layer.quantized and layer.dense:
                name = "cutlass"
                self.picked.append(name)
            else:
                name = "marlin"
        return name

    def load(self, name):
        try:
            kernel = KERNELS[name]
            self.seen = kernel
        except KeyError:
            kernel = None
            self.failed = name
        return kernel


def rows_of(layer, count):
    """Rows that a layer gets."""
    if count > 0:
        rows = pad(count, 16)
        layer.rows = rows
    if layer.scale is None:
        layer.scale = 1.0
        layer.ready = True
    return layer.rows


def tiles_of(layer, count):
    """Tiles that a layer gets."""
    if count > 0:
        rows = pad(count, 32)
        layer.tiles = rows
    if layer.scale is None:
        layer.scale = 2.0
        layer.ready = True
    return layer.tiles
'''
)

_CAPS = (
    HEAD
    + '''\
"""What kernels can."""

from dataclasses import dataclass


@dataclass
class KernelConfig:
    moe_backend: str = "auto"
    linear_backend: str = "auto"


def pad(rows, to):
    return (rows + to - 1) // to * to


def probe(name):
    return name in ("cutlass", "marlin")


def is_new(major):
    return major >= 12
'''
)

_ENVS = (
    HEAD
    + '''\
"""Variables."""

import os

environment_variables = {
    "VLLM_KERNEL": lambda: os.getenv("VLLM_KERNEL", "auto"),
    "VLLM_TILES": lambda: int(os.getenv("VLLM_TILES", "1")),
}


def __getattr__(name):
    return environment_variables[name]()
'''
)

_PLATFORM = (
    HEAD
    + '''\
"""The machine."""


class Platform:
    def is_sm120(self):
        return False

    def count(self):
        return 1


current_platform = Platform()
'''
)

_CONFTEST = (
    HEAD
    + """\
import pytest


@pytest.fixture
def one_device():
    yield 0
"""
)

BASE = {
    PICK: _PICK,
    CAPS: _CAPS,
    ENVS: _ENVS,
    PLATFORM: _PLATFORM,
    CONFTEST: _CONFTEST,
}

Edits = Mapping[str, str | None]


def _on(below: Mapping[str, str], over: Edits) -> dict[str, str]:
    return {p: t for p, t in {**below, **over}.items() if t is not None}


def _case(
    name: str,
    kind: str,
    ours: Edits,
    upstream: Edits,
    *right: Edits,
    dropped: bool = False,
) -> Change:
    new = _on(BASE, upstream)
    answers = tuple(_on(new, one) for one in right)
    return Change(name, kind, BASE, _on(BASE, ours), new, answers, dropped)


def pick(*edits: tuple[str, str]) -> dict[str, str]:
    return {PICK: replaced(_PICK, *edits)}


def caps(*edits: tuple[str, str]) -> dict[str, str]:
    return {CAPS: replaced(_CAPS, *edits)}


def new(body: str) -> dict[str, str]:
    return {NEW: HEAD + body}


ENTRY = (
    '    "marlin": ("vllm.marlin", "Marlin"),\n',
    '    "marlin": ("vllm.marlin", "Marlin"),\n    "sm12x": ("vllm.sm12x", "Sm12x"),\n',
)
CHOICE = ('"marlin"]', '"marlin", "sm12x"]')
APPENDED = (
    "                self.picked.append(name)\n",
    "                self.picked.append(name)\n                self.sm12x = True\n",
)
FAILED = (
    "            self.failed = name\n",
    "            self.failed = name\n            self.sm12x = False\n",
)
ROWS = ("        layer.rows = rows\n", "        layer.rows = rows + 1\n")
SCALE = ("        layer.scale = 1.0\n", "        layer.scale = 12.0\n")
ROWS_OF = _PICK[_PICK.index("def rows_of") : _PICK.index("def tiles_of")]
TILES_OF = _PICK[_PICK.index("def tiles_of") :]
PROBE = _CAPS[_CAPS.index("def probe") : _CAPS.index("def is_new")]

_ELEMENTS = (
    _case(
        "variables became objects, and we add a function",
        ELEMENTS,
        {
            ENVS: replaced(
                _ENVS,
                (
                    '"1")),\n}',
                    '"1")),\n    "VLLM_SM12X": lambda: os.getenv("VLLM_SM12X", ""),\n}',
                ),
            )
        },
        {
            ENVS: _ENVS.replace("lambda: ", "Variable(lambda: ")
            .replace(")),\n", "))),\n")
            .replace('"auto"),', '"auto")),')
            .replace(
                "environment_variables = {",
                "from vllm.variable import Variable\n\nenvironment_variables = {",
            ),
            "vllm/variable.py": HEAD + "class Variable:\n    pass\n",
        },
    ),
    _case(
        "pairs became triples",
        ELEMENTS,
        pick(ENTRY),
        pick(
            ('"Cutlass"),', '"Cutlass", 8),'),
            ('"Marlin"),', '"Marlin", 7),'),
        ),
    ),
    _case(
        "an enum's number taken further up",
        ELEMENTS,
        pick(("    HIGH = 2\n", "    HIGH = 2\n    SM12X = 3\n")),
        pick(("    LOW = 1\n", "    TOP = 3\n    LOW = 1\n")),
    ),
    _case(
        "numbers became pairs in a tuple",
        ELEMENTS,
        pick(("(8, 9, 10)", "(8, 9, 10, 12)")),
        pick(("(8, 9, 10)", "((8, 0), (9, 0), (10, 0))")),
    ),
    _case(
        "a list became a tuple",
        ELEMENTS,
        pick(CHOICE),
        pick(('["auto", "cutlass", "marlin"]', '("auto", "cutlass", "marlin")')),
    ),
    _case(
        "a list got another entry",
        ELEMENTS,
        pick(ENTRY),
        pick(
            (
                ENTRY[0],
                ENTRY[0] + '    "triton": ("vllm.triton", "Triton"),\n',
            )
        ),
        pick(
            (
                ENTRY[0],
                ENTRY[1] + '    "triton": ("vllm.triton", "Triton"),\n',
            )
        ),
        pick(
            (
                ENTRY[0],
                ENTRY[0]
                + '    "triton": ("vllm.triton", "Triton"),\n'
                + '    "sm12x": ("vllm.sm12x", "Sm12x"),\n',
            )
        ),
    ),
)

_TWINS = (
    _case(
        "went to a new file, an old form stays behind",
        TWIN,
        pick(ROWS),
        {
            PICK: _PICK.replace(
                ROWS_OF,
                ROWS_OF.replace("def rows_of", "def legacy_rows_of"),
            ),
            "vllm/rows.py": HEAD + "from vllm.caps import pad\n\n\n" + ROWS_OF,
        },
    ),
    _case(
        "became a front, and its body another function",
        TWIN,
        pick(ROWS),
        {
            PICK: _PICK.replace(
                ROWS_OF,
                "def rows_of(layer, count):\n"
                '    """Rows that a layer gets."""\n'
                "    return _rows_of(layer, count)\n\n\n"
                + ROWS_OF.replace("def rows_of", "def _rows_of"),
            )
        },
    ),
    _case(
        "two functions exchanged their names",
        TWIN,
        pick(SCALE),
        {
            PICK: _PICK.replace("def rows_of", "def @")
            .replace("def tiles_of", "def rows_of")
            .replace("def @", "def tiles_of")
        },
    ),
    _case(
        "two functions exchanged their places",
        TWIN,
        pick(ROWS),
        {
            PICK: _PICK.replace(ROWS_OF, "").rstrip()
            + "\n\n\n"
            + ROWS_OF.rstrip()
            + "\n"
        },
        {
            PICK: _PICK.replace(ROWS_OF, "").rstrip()
            + "\n\n\n"
            + replaced(ROWS_OF, ROWS).rstrip()
            + "\n"
        },
    ),
)

_AROUND = (
    _case(
        "a number's test asks the contrary",
        AROUND,
        pick(ROWS),
        pick(
            (
                "    if count > 0:\n        rows = pad(count, 16)\n",
                "    if count <= 0:\n        rows = pad(count, 16)\n",
            )
        ),
    ),
    _case(
        "is None became is not None",
        AROUND,
        pick(
            (
                "        layer.scale = 1.0\n        layer.ready = True\n",
                "        layer.scale = 1.0\n        layer.sm12x = True\n"
                "        layer.ready = True\n",
            )
        ),
        pick(
            (
                "    if layer.scale is None:\n        layer.scale = 1.0\n",
                "    if layer.scale is not None:\n        layer.scale = 1.0\n",
            )
        ),
    ),
    _case(
        "both of two became neither of two",
        AROUND,
        pick(APPENDED),
        pick(
            (
                "            if layer.quantized and layer.dense:\n",
                "            if not (layer.quantized and layer.dense):\n",
            )
        ),
    ),
    _case(
        "except became finally",
        AROUND,
        pick(FAILED),
        pick(("        except KeyError:\n", "        finally:\n")),
        pick(("        except KeyError:\n", "        finally:\n"), FAILED),
    ),
    _case(
        "except became else",
        AROUND,
        pick(FAILED),
        pick(
            (
                "        except KeyError:\n            kernel = None\n",
                "        except KeyError:\n            raise\n        else:\n",
            )
        ),
    ),
    _case(
        "another lock around it",
        AROUND,
        pick(APPENDED),
        pick(("        with self.lock:\n", "        with self.gate:\n")),
        pick(("        with self.lock:\n", "        with self.gate:\n"), APPENDED),
    ),
)

_NAMES = (
    _case(
        "a variable has another name",
        NAME,
        new("from vllm import envs\n\n\ndef tiles():\n    return envs.VLLM_TILES\n"),
        {ENVS: _ENVS.replace("VLLM_TILES", "VLLM_TILE_COUNT")},
    ),
    _case(
        "a field of an annotated argument has another name",
        NAME,
        new(
            "from vllm.caps import KernelConfig\n\n\n"
            "def backend(config: KernelConfig):\n    return config.moe_backend\n"
        ),
        {CAPS: _CAPS.replace("moe_backend", "moe_kernel")},
    ),
    _case(
        "what __init__ sets has another name",
        NAME,
        pick(
            (
                '        """The kernel of a layer."""\n',
                '        """The kernel of a layer."""\n'
                "        if self.device == 12:\n            return None\n",
            )
        ),
        pick(("        self.device = device\n", "        self.place = device\n")),
    ),
    _case(
        "a method of the one instance became a property",
        NAME,
        new(
            "from vllm.platform import current_platform\n\n\n"
            "def here():\n    return current_platform.is_sm120()\n"
        ),
        {
            PLATFORM: replaced(
                _PLATFORM,
                ("    def is_sm120(self)", "    @property\n    def is_sm120(self)"),
            )
        },
    ),
    _case(
        "a method of the one instance has another name",
        NAME,
        new(
            "from vllm.platform import current_platform\n\n\n"
            "def here():\n    return current_platform.is_sm120()\n"
        ),
        {PLATFORM: _PLATFORM.replace("is_sm120", "is_blackwell")},
    ),
    _case(
        "one value became two",
        NAME,
        new(
            "from vllm.caps import probe\n\n\n"
            'def there():\n    return probe("cutlass") is True\n'
        ),
        caps(
            (
                '    return name in ("cutlass", "marlin")\n',
                '    return name in ("cutlass", "marlin"), "why"\n',
            )
        ),
    ),
    _case(
        "by name alone now",
        NAME,
        new("from vllm.caps import pad\n\nN = pad(3, 16)\n"),
        {
            **caps(("def pad(rows, to)", "def pad(rows, *, to)")),
            PICK: _PICK.replace("pad(count, ", "pad(count, to="),
        },
    ),
    _case(
        "a module became a package that hands nothing on",
        NAME,
        new("from vllm.caps import is_new\n\nN = is_new(12)\n"),
        {
            CAPS: None,
            "vllm/caps/__init__.py": HEAD,
            "vllm/caps/kinds.py": _CAPS,
            PICK: _PICK.replace("vllm.caps", "vllm.caps.kinds"),
        },
    ),
    _case(
        "a module became a package that hands it on",
        NAME,
        new("from vllm.caps import is_new\n\nN = is_new(12)\n"),
        {
            CAPS: None,
            "vllm/caps/__init__.py": HEAD
            + "from vllm.caps.kinds import KernelConfig, is_new, pad, probe\n",
            "vllm/caps/kinds.py": _CAPS,
        },
        new("from vllm.caps import is_new\n\nN = is_new(12)\n"),
    ),
    _case(
        "a fixture has another name",
        NAME,
        {TEST: HEAD + "def test_it(one_device):\n    assert one_device == 0\n"},
        {CONFTEST: _CONFTEST.replace("one_device", "first_device")},
    ),
    _case(
        "what a test puts a double in place of went elsewhere",
        NAME,
        {
            TEST: HEAD
            + "def test_it(monkeypatch):\n"
            + '    monkeypatch.setattr("vllm.caps.probe", lambda name: True)\n'
        },
        {
            CAPS: _CAPS.replace(PROBE, ""),
            "vllm/probes.py": HEAD + "\n\n" + PROBE.rstrip() + "\n",
            PICK: _PICK.replace("pad, probe\n", "pad\n").replace(
                "from vllm.platform",
                "from vllm.probes import probe\nfrom vllm.platform",
            ),
        },
    ),
    _case(
        "a method got an argument, and we put one over it",
        NAME,
        new(
            "from vllm.platform import Platform\n\n\nclass Sm12x(Platform):\n"
            "    def count(self):\n        return 2\n"
        ),
        {
            PLATFORM: replaced(
                _PLATFORM, ("    def count(self)", "    def count(self, strict)")
            )
        },
    ),
)

HALF = (
    "def is_new(major):\n",
    'def half(rows):\n    """Half of the rows, for SM12x."""\n    # rounded down\n'
    "    return pad(rows, 2) // 2\n\n\ndef is_new(major):\n",
)

_PARTS = (
    _case(
        "landed, with another comment",
        PART,
        caps(HALF),
        caps((HALF[0], HALF[1].replace("# rounded down", "# never more than half"))),
        {},
        dropped=True,
    ),
    _case(
        "landed with a test that we do not have",
        PART,
        caps(HALF),
        caps(
            (
                HALF[0],
                HALF[1].replace(
                    "    return pad",
                    "    if not rows:\n        return 0\n    return pad",
                ),
            )
        ),
    ),
    _case(
        "landed in another file",
        PART,
        caps(HALF),
        {
            "vllm/halves.py": HEAD
            + "from vllm.caps import pad\n\n\n"
            + HALF[1].removesuffix(HALF[0]).rstrip()
            + "\n"
        },
    ),
)

NEWCOMER: tuple[Change, ...] = (
    *_ELEMENTS,
    *_TWINS,
    *_AROUND,
    *_NAMES,
    *_PARTS,
)

LEFT: tuple[Change, ...] = (
    _case(
        "one of two changes landed, its docstring worded otherwise",
        PART,
        caps(HALF, ("    return major >= 12\n", "    return major >= 11\n")),
        caps((HALF[0], HALF[1].replace("Half of the rows, for SM12x.", "A half."))),
        caps(
            (HALF[0], HALF[1].replace("Half of the rows, for SM12x.", "A half.")),
            ("    return major >= 12\n", "    return major >= 11\n"),
        ),
    ),
)
"""What the port refuses, though there is a right answer: counted as held out."""

_MORE_NAMES = (
    _case(
        "a class became a function that makes one",
        NAME,
        new(
            "from vllm.platform import Platform\n\n\nclass Sm12x(Platform):\n    pass\n"
        ),
        {
            PLATFORM: _PLATFORM.replace("class Platform:", "class _Platform:").replace(
                "current_platform = Platform()",
                "def Platform():\n    return _Platform()\n\n\n"
                "current_platform = Platform()",
            )
        },
    ),
    _case(
        "a method of a local that a class makes is gone",
        NAME,
        new(
            "from vllm.platform import Platform\n\n\n"
            "def here():\n    machine = Platform()\n    return machine.count()\n"
        ),
        {PLATFORM: _PLATFORM.replace("def count", "def size")},
    ),
    _case(
        "a field of what a function gives has another name",
        NAME,
        {
            **new(
                "from vllm.caps import current\n\n\n"
                "def backend():\n    return current().moe_backend\n"
            ),
            CAPS: _CAPS + "\n\ndef current() -> KernelConfig:\n"
            "    return KernelConfig()\n",
        },
        {CAPS: _CAPS.replace("moe_backend", "moe_kernel")},
    ),
    _case(
        "a field of an optional argument has another name",
        NAME,
        new(
            "from vllm.caps import KernelConfig\n\n\n"
            "def backend(config: KernelConfig | None):\n"
            '    return config.moe_backend if config else ""\n'
        ),
        {CAPS: _CAPS.replace("moe_backend", "moe_kernel")},
    ),
    _case(
        "another field of an annotated argument has another name",
        NAME,
        new(
            "from vllm.caps import KernelConfig\n\n\n"
            "def backend(config: KernelConfig):\n    return config.moe_backend\n"
        ),
        {CAPS: _CAPS.replace("linear_backend", "gemm_backend")},
        new(
            "from vllm.caps import KernelConfig\n\n\n"
            "def backend(config: KernelConfig):\n    return config.moe_backend\n"
        ),
    ),
    _case(
        "a double of an attribute that is gone",
        NAME,
        {
            TEST: HEAD
            + "from vllm import caps\n\n\ndef test_it(monkeypatch):\n"
            + '    monkeypatch.setattr(caps, "probe", lambda name: True)\n'
        },
        {
            CAPS: _CAPS.replace("def probe", "def knows"),
            PICK: _PICK.replace("pad, probe", "knows, pad"),
        },
    ),
    _case(
        "a fixture went to a conftest further up",
        NAME,
        {
            "tests/deep/test_sm12x.py": HEAD
            + "def test_it(one_device):\n    assert one_device == 0\n"
        },
        {CONFTEST: None, "conftest.py": _CONFTEST},
        {
            "tests/deep/test_sm12x.py": HEAD
            + "def test_it(one_device):\n    assert one_device == 0\n"
        },
    ),
    _case(
        "a keyword of a field's class is required now",
        NAME,
        new("from vllm.caps import KernelConfig\n\nONE = KernelConfig()\n"),
        caps(('    moe_backend: str = "auto"\n', "    moe_backend: str\n")),
    ),
    _case(
        "upstream wants a method of each class below",
        NAME,
        new(
            "from vllm.platform import Platform\n\n\nclass Sm12x(Platform):\n"
            "    def count(self):\n        return 2\n"
        ),
        {
            PLATFORM: replaced(
                _PLATFORM,
                ("class Platform:\n", "class Platform(ABC):\n"),
                (
                    "    def count(self):\n        return 1\n",
                    "    def count(self):\n        return 1\n\n    @abstractmethod\n"
                    "    def name(self):\n        pass\n",
                ),
                (
                    '"""The machine."""\n',
                    '"""The machine."""\n\nfrom abc import ABC, abstractmethod\n',
                ),
            )
        },
    ),
    _case(
        "an entry that names a module by its text went elsewhere",
        ELEMENTS,
        {
            **pick(
                (
                    ENTRY[0],
                    ENTRY[0] + '    "caps": ("vllm.caps.kernels", "Caps"),\n',
                )
            ),
        },
        {**pick(("CAPABILITIES = (8, 9, 10)", "CAPABILITIES = (8, 9)"))},
        pick(
            ("CAPABILITIES = (8, 9, 10)", "CAPABILITIES = (8, 9)"),
            (ENTRY[0], ENTRY[0] + '    "caps": ("vllm.caps.kernels", "Caps"),\n'),
        ),
    ),
    _case(
        "a helper's default turned round, and we count on it",
        NAME,
        {
            **new("from vllm.caps import pad, is_new\n\nN = pad(3, 16)\n"),
        },
        caps(
            (
                "def pad(rows, to):\n    return (rows + to - 1) // to * to\n",
                "def pad(rows, to):\n    return rows // to * to\n",
            )
        ),
        {
            **new("from vllm.caps import pad, is_new\n\nN = pad(3, 16)\n"),
        },
    ),
    _case(
        "what we test the type of is no class any more",
        NAME,
        new(
            "from vllm.pick import Level\n\n\n"
            "def is_level(it):\n    return isinstance(it, Level)\n"
        ),
        {
            PICK: replaced(
                _PICK,
                (
                    "class Level(IntEnum):\n    LOW = 1\n    HIGH = 2\n",
                    'Level = {"LOW": 1, "HIGH": 2}\n',
                ),
            )
        },
    ),
)

AGAIN: tuple[Change, ...] = _MORE_NAMES
"""Set down after the kinds above were taught, and before they were run."""
