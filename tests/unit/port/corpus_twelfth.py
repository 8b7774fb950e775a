# SPDX-License-Identifier: Apache-2.0
"""A twelfth set: every kind once more, on a small form of vLLM's MoE selection.

Set down before any of it was run: none came out silently wrong. Two were carried with
a word that they are to be read, and have to be refused; they are since: a method that
became a static one, and a parameter of another name and another default. Three have
an answer and are refused. Of one the answer set down was wrong: it gave a number where
upstream takes a list now.
"""

from __future__ import annotations

from functools import partial

from tests.unit.port import drifts
from tests.unit.port.corpus_third import (
    AROUND,
    ELEMENTS,
    HEAD,
    IN_PART,
    NAMES,
    TWICE,
    TWINS,
)
from tests.unit.port.drifts import Edits, edited, on
from tests.unit.port.model import Change, Files, Series

ORACLE, EXPERTS, CONFIG, UTILS, LAYER, RUNNER, TESTS = (
    "vllm/oracle.py",
    "vllm/experts.py",
    "vllm/config.py",
    "vllm/utils.py",
    "vllm/layer.py",
    "vllm/runner.py",
    "tests/test_experts.py",
)
MINE = "vllm/sm12x.py"

TREE: Files = {
    UTILS: HEAD
    + '''\
import functools
import importlib.util


def cdiv(a, b):
    return -(-a // b)


def round_up(x, y):
    """The next multiple of y."""
    return cdiv(x, y) * y


@functools.cache
def has_flashinfer():
    return importlib.util.find_spec("flashinfer") is not None


def swizzle(scale, rows):
    """Scales as the tensor cores read them."""
    padded = round_up(rows, 128)
    out = scale.new_zeros(padded)
    out[:rows] = scale
    return out


def interleave(scale, rows):
    """Scales as Marlin reads them."""
    padded = round_up(rows, 64)
    out = scale.new_zeros(padded)
    out[:rows] = scale
    return out
''',
    CONFIG: HEAD
    + """\
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

MoEBackend = Literal["auto", "cutlass", "marlin", "trtllm"]


class Activation(Enum):
    SILU = "silu"
    GELU = "gelu"
    RELU2 = "relu2"


class Tile(NamedTuple):
    m: int
    n: int


@dataclass
class QuantConfig:
    block: int = 16
    a1_scale: float | None = None
    w1_scale: float | None = None


@dataclass
class KernelConfig:
    moe_backend: MoEBackend = "auto"
    extra: dict = field(default_factory=dict)

    def is_auto(self):
        return self.moe_backend == "auto"


TILES = (Tile(64, 128), Tile(128, 128))

ALIASES = {
    "fi_cutlass": "cutlass",
    "fi_trtllm": "trtllm",
}

DEFAULT = QuantConfig(16, None, None)
""",
    ORACLE: HEAD
    + '''\
from enum import Enum

from vllm.config import Activation, KernelConfig
from vllm.utils import has_flashinfer


class Backend(Enum):
    TRTLLM = "TRTLLM"
    CUTLASS = "CUTLASS"
    MARLIN = "MARLIN"


SUPPORTED = {Activation.SILU, Activation.GELU}

PRIORITY = [
    Backend.TRTLLM,
    Backend.CUTLASS,
    Backend.MARLIN,
]


def map_backend(name):
    """The backend of a name that a user gave."""
    mapping = {
        "trtllm": Backend.TRTLLM,
        "cutlass": Backend.CUTLASS,
        "marlin": Backend.MARLIN,
    }
    if name in mapping:
        return mapping[name]
    raise ValueError(f"{name} is none of {list(mapping)}")


def supports(backend, device, config):
    """Whether a backend runs."""
    if backend is Backend.TRTLLM:
        return device.major == 10
    if backend is Backend.CUTLASS:
        if not has_flashinfer():
            return False
        return device.major in (9, 10, 12)
    return True


def select(config: KernelConfig, device):
    """The backend of a model."""
    if not config.is_auto():
        return map_backend(config.moe_backend)
    for backend in PRIORITY:
        if supports(backend, device, config):
            return backend
    raise ValueError("no backend")
''',
    EXPERTS: HEAD
    + '''\
from vllm.config import Activation, QuantConfig
from vllm.utils import cdiv, round_up, swizzle


class Experts:
    """What every backend has."""

    def __init__(self, quant: QuantConfig, top_k):
        self.quant = quant
        self.top_k = top_k

    def workspace(self, tokens, hidden):
        return (tokens, hidden)

    def supports(self, activation):
        return activation is Activation.SILU

    def finalize(self, out, weights):
        return out * weights


class CutlassExperts(Experts):
    def workspace(self, tokens, hidden):
        rows = round_up(tokens * self.top_k, 16)
        return (rows, hidden)

    def apply(self, out, x, weights):
        """One layer."""
        scale = swizzle(x.scale, x.rows)
        if self.quant.block == 16:
            self.prepare(scale)
            out.copy_(self.run(x, scale))
        else:
            out.zero_()
        return self.finalize(out, weights)

    def prepare(self, scale):
        self.scale = scale

    def run(self, x, scale):
        return x


class MarlinExperts(Experts):
    def apply(self, out, x, weights):
        out.copy_(x)
        return self.finalize(out, weights)
''',
    LAYER: HEAD
    + '''\
from vllm import oracle
from vllm.config import KernelConfig
from vllm.experts import CutlassExperts, MarlinExperts


class MoELayer:
    """A layer of experts."""

    def __init__(self, config: KernelConfig, device):
        self.backend = oracle.select(config, device)
        self.device = device
        self.loaded = False

    def make(self, quant, top_k):
        if self.backend is oracle.Backend.CUTLASS:
            return CutlassExperts(quant, top_k)
        return MarlinExperts(quant, top_k)

    def process_weights(self, w13, w2):
        """Once, after the load."""
        if self.loaded:
            return
        with self.device.context():
            w13 = w13.contiguous()
            w2 = w2.contiguous()
        self.w13 = w13
        self.w2 = w2
        self.loaded = True

    def forward(self, x, router):
        weights, ids = router.topk(x)
        for step in range(x.steps):
            x = self.experts.apply(x.out, x, weights)
        return x
''',
    RUNNER: HEAD
    + '''\
import torch

from vllm.layer import MoELayer


def warm(layer: MoELayer, sizes):
    """Run once before the first request."""
    total = 0
    for size in sorted(sizes):
        try:
            layer.forward(torch.zeros(size), None)
            total += size
        except RuntimeError:
            layer.loaded = False
            raise
    return total


def memory(tokens, hidden, dtype_bytes=2):
    """Bytes that a call needs."""
    size = tokens * hidden * dtype_bytes
    return size
''',
    TESTS: HEAD
    + """\
import pytest

from vllm.experts import CutlassExperts


@pytest.fixture
def quant():
    return object()


@pytest.mark.parametrize("top_k", [1, 2, 8])
def test_workspace(quant, top_k):
    assert CutlassExperts(quant, top_k).workspace(4, 8)
""",
}

drift = partial(drifts.drift, TREE)


def new(text: str, path: str = MINE) -> Edits:
    return {path: [("", HEAD + text)]}


def both(*many: Edits) -> Edits:
    found: Edits = {}
    for edits in many:
        for path, pairs in edits.items():
            found[path] = [*found.get(path, []), *pairs]
    return found


MEMBER = on(
    ORACLE,
    ('    CUTLASS = "CUTLASS"\n', '    CUTLASS = "CUTLASS"\n    B12X = "B12X"\n'),
)
FIRST = on(
    ORACLE,
    (
        "    Backend.TRTLLM,\n    Backend.CUTLASS,\n",
        "    Backend.TRTLLM,\n    Backend.B12X,\n    Backend.CUTLASS,\n",
    ),
)
MAPPED = on(
    ORACLE,
    (
        '        "cutlass": Backend.CUTLASS,\n',
        '        "cutlass": Backend.CUTLASS,\n        "b12x": Backend.B12X,\n',
    ),
)
RUNS = on(
    ORACLE,
    (
        "    if backend is Backend.CUTLASS:\n",
        "    if backend is Backend.B12X:\n        return device.major == 12\n"
        "    if backend is Backend.CUTLASS:\n",
    ),
)
LITERAL = on(CONFIG, ('"marlin", "trtllm"]', '"marlin", "trtllm", "b12x"]'))
FIELD = on(
    CONFIG,
    (
        "    w1_scale: float | None = None\n",
        "    w1_scale: float | None = None\n    a2_gscale: float | None = None\n",
    ),
)
ALIAS = on(
    CONFIG,
    (
        '    "fi_trtllm": "trtllm",\n',
        '    "fi_trtllm": "trtllm",\n    "b12": "b12x",\n',
    ),
)
HOOK = on(
    EXPERTS,
    (
        "            self.prepare(scale)\n",
        "            self.prepare(scale)\n            self.normalise(x)\n",
    ),
)
PADS = on(
    EXPERTS,
    (
        "        rows = round_up(tokens * self.top_k, 16)\n",
        "        rows = round_up(tokens * self.top_k, 32)\n",
    ),
)
LOADS = on(
    LAYER,
    (
        "            w2 = w2.contiguous()\n",
        "            w2 = w2.contiguous()\n            w13 = self.swapped(w13)\n",
    ),
)
LOGS = on(
    RUNNER,
    (
        "            total += size\n",
        "            total += size\n            layer.log(size)\n",
    ),
)
SCALED = on(
    RUNNER,
    (
        "    return size\n",
        "    return size + 4 * tokens\n",
    ),
)
OWN = new(
    "from vllm.experts import Experts\nfrom vllm.utils import round_up, swizzle\n\n\n"
    "class B12xExperts(Experts):\n"
    "    def workspace(self, tokens, hidden):\n"
    "        return (round_up(tokens, 16), hidden)\n\n"
    "    def apply(self, out, x, weights):\n"
    "        scale = swizzle(x.scale, x.rows)\n"
    "        out.copy_(self.finalize(scale, weights))\n"
    "        return out\n"
)
USES = new(
    "from vllm.config import QuantConfig, Tile\n\n\n"
    "def quant():\n    return QuantConfig(16, None, 1.0)\n\n\n"
    "def tile():\n    return Tile(64, 128)\n"
)
ASKS = new(
    "from vllm.oracle import SUPPORTED, select\n\n\n"
    "def b12x(config, device):\n    return select(config, device).value\n\n\n"
    "def wide(more):\n    return SUPPORTED | more\n"
)
SIZE = new(
    "from vllm.runner import memory\n\n\n"
    "def both(tokens, hidden):\n    return memory(tokens, hidden, 1)\n"
)
WARMS = new(
    "from vllm.runner import warm\n\n\n"
    "def warmed(layer):\n    return warm(layer, [1, 8]) + 1\n"
)
TESTED = on(
    TESTS,
    (
        "    assert CutlassExperts(quant, top_k).workspace(4, 8)\n",
        "    assert CutlassExperts(quant, top_k).workspace(4, 8)\n"
        "\n\ndef test_b12x(quant):\n"
        "    assert CutlassExperts(quant, 1).run(3, 4) == 3\n",
    ),
)

_ALL: tuple[Change, ...] = (
    # 1. Elements.
    drift(
        "12: an enum's members become flags of auto()",
        ELEMENTS,
        MEMBER,
        on(
            ORACLE,
            ("from enum import Enum\n", "from enum import IntEnum\n"),
            ("class Backend(Enum)", "class Backend(IntEnum)"),
            ('TRTLLM = "TRTLLM"', "TRTLLM = 1"),
            ('CUTLASS = "CUTLASS"', "CUTLASS = 2"),
            ('MARLIN = "MARLIN"', "MARLIN = 3"),
        ),
    ),
    drift(
        "12: another member comes beside ours",
        ELEMENTS,
        MEMBER,
        on(
            ORACLE,
            (
                '    MARLIN = "MARLIN"\n',
                '    MARLIN = "MARLIN"\n    HUMMING = "HUMMING"\n',
            ),
        ),
        MEMBER,
    ),
    drift(
        "12: the list of priorities becomes one of pairs",
        ELEMENTS,
        both(MEMBER, FIRST),
        on(
            ORACLE,
            (
                "    Backend.TRTLLM,\n    Backend.CUTLASS,\n    Backend.MARLIN,\n",
                "    (Backend.TRTLLM, 10),\n    (Backend.CUTLASS, 9),\n"
                "    (Backend.MARLIN, 8),\n",
            ),
            ("    for backend in PRIORITY:\n", "    for backend, _ in PRIORITY:\n"),
        ),
    ),
    drift(
        "12: the list of priorities is turned about",
        ELEMENTS,
        both(MEMBER, FIRST),
        on(
            ORACLE,
            (
                "    Backend.TRTLLM,\n    Backend.CUTLASS,\n    Backend.MARLIN,\n",
                "    Backend.MARLIN,\n    Backend.CUTLASS,\n    Backend.TRTLLM,\n",
            ),
            ("in PRIORITY:\n", "in reversed(PRIORITY):\n"),
        ),
    ),
    drift(
        "12: the mapping's values become names",
        ELEMENTS,
        both(MEMBER, MAPPED),
        on(
            ORACLE,
            ('"trtllm": Backend.TRTLLM,', '"trtllm": "TRTLLM",'),
            ('"cutlass": Backend.CUTLASS,', '"cutlass": "CUTLASS",'),
            ('"marlin": Backend.MARLIN,', '"marlin": "MARLIN",'),
            ("return mapping[name]", "return Backend[mapping[name]]"),
        ),
    ),
    drift(
        "12: upstream brings our key for another backend",
        ELEMENTS,
        both(MEMBER, MAPPED),
        on(
            ORACLE,
            (
                '        "marlin": Backend.MARLIN,\n',
                '        "marlin": Backend.MARLIN,\n'
                "        'b12x': Backend.MARLIN,\n",
            ),
        ),
    ),
    drift(
        "12: both add a field that is passed by position",
        ELEMENTS,
        both(
            FIELD,
            on(
                CONFIG,
                ("QuantConfig(16, None, None)", "QuantConfig(16, None, None, 1.0)"),
            ),
        ),
        on(
            CONFIG,
            (
                "    block: int = 16\n",
                "    block: int = 16\n    dtype: str = 'fp4'\n",
            ),
            ("QuantConfig(16, None, None)", "QuantConfig(16, 'fp4', None, None)"),
        ),
    ),
    drift(
        "12: a choice comes beside ours in a literal",
        ELEMENTS,
        LITERAL,
        on(CONFIG, ('"auto", "cutlass"', '"auto", "aiter", "cutlass"')),
        LITERAL,
    ),
    drift(
        "12: the aliases lead to tuples",
        ELEMENTS,
        ALIAS,
        on(
            CONFIG,
            ('"fi_cutlass": "cutlass"', '"fi_cutlass": ("cutlass", 9)'),
            ('"fi_trtllm": "trtllm"', '"fi_trtllm": ("trtllm", 10)'),
        ),
    ),
    drift(
        "12: the aliases are turned from value to key",
        ELEMENTS,
        ALIAS,
        on(
            CONFIG,
            ('"fi_cutlass": "cutlass"', '"cutlass": "fi_cutlass"'),
            ('"fi_trtllm": "trtllm"', '"trtllm": "fi_trtllm"'),
        ),
    ),
    # 2. Twins and moves.
    drift(
        "12: a function goes to a file, and its twin stays",
        TWINS,
        on(
            UTILS,
            (
                "    padded = round_up(rows, 128)\n",
                "    padded = round_up(rows, 256)\n",
            ),
        ),
        both(
            on(
                UTILS,
                (
                    "def swizzle(scale, rows):\n"
                    '    """Scales as the tensor cores read them."""\n'
                    "    padded = round_up(rows, 128)\n"
                    "    out = scale.new_zeros(padded)\n"
                    "    out[:rows] = scale\n    return out\n\n\n",
                    "",
                ),
            ),
            on(
                EXPERTS,
                (
                    "from vllm.utils import cdiv, round_up, swizzle\n",
                    "from vllm.layout import swizzle\n"
                    "from vllm.utils import cdiv, round_up\n",
                ),
            ),
            new(
                "from vllm.utils import round_up\n\n\ndef swizzle(scale, rows):\n"
                '    """Scales as the tensor cores read them."""\n'
                "    padded = round_up(rows, 128)\n"
                "    out = scale.new_zeros(padded)\n"
                "    out[:rows] = scale\n    return out\n",
                "vllm/layout.py",
            ),
        ),
    ),
    drift(
        "12: a method goes to the class above, and the twin's stays",
        TWINS,
        on(
            EXPERTS,
            (
                "class MarlinExperts(Experts):\n    def apply(self, out, x, weights):\n"
                "        out.copy_(x)\n",
                "class MarlinExperts(Experts):\n    def apply(self, out, x, weights):\n"
                "        out.copy_(x.padded())\n",
            ),
        ),
        on(
            EXPERTS,
            (
                "\n\nclass MarlinExperts(Experts):\n"
                "    def apply(self, out, x, weights):\n"
                "        out.copy_(x)\n        return self.finalize(out, weights)\n",
                "\n\nclass MarlinExperts(Experts):\n    pass\n",
            ),
            (
                "    def finalize(self, out, weights):\n        return out * weights\n",
                "    def finalize(self, out, weights):\n        return out * weights\n"
                "\n"
                "    def apply(self, out, x, weights):\n"
                "        out.copy_(x)\n        return self.finalize(out, weights)\n",
            ),
        ),
    ),
    drift(
        "12: the class is split in two, and both have the hook's lines",
        TWINS,
        HOOK,
        on(
            EXPERTS,
            (
                "class MarlinExperts(Experts):\n",
                "class WideExperts(CutlassExperts):\n"
                "    def apply(self, out, x, weights):\n"
                '        """One layer."""\n'
                "        scale = swizzle(x.scale, x.rows)\n"
                "        if self.quant.block == 16:\n"
                "            self.prepare(scale)\n"
                "            out.copy_(self.run(x, scale))\n"
                "        return out\n\n\n"
                "class MarlinExperts(Experts):\n",
            ),
        ),
        on(
            EXPERTS,
            (
                "            self.prepare(scale)\n"
                "            out.copy_(self.run(x, scale))\n        else:\n",
                "            self.prepare(scale)\n            self.normalise(x)\n"
                "            out.copy_(self.run(x, scale))\n        else:\n",
            ),
        ),
    ),
    # 3. The ground.
    drift(
        "12: the hook's block asks for another size",
        AROUND,
        HOOK,
        on(EXPERTS, ("if self.quant.block == 16:", "if self.quant.block == 32:")),
        HOOK,
        read=True,
    ),
    drift(
        "12: the branch around the hook is turned about",
        AROUND,
        HOOK,
        on(
            EXPERTS,
            ("if self.quant.block == 16:", "if self.quant.block != 16:"),
        ),
    ),
    drift(
        "12: the branches change places",
        AROUND,
        on(EXPERTS, ("            out.zero_()\n", "            out.fill_(0)\n")),
        on(
            EXPERTS,
            (
                "        if self.quant.block == 16:\n"
                "            self.prepare(scale)\n"
                "            out.copy_(self.run(x, scale))\n"
                "        else:\n            out.zero_()\n",
                "        if self.quant.block != 16:\n            out.zero_()\n"
                "        else:\n            self.prepare(scale)\n"
                "            out.copy_(self.run(x, scale))\n",
            ),
        ),
        on(EXPERTS, ("            out.zero_()\n", "            out.fill_(0)\n")),
    ),
    drift(
        "12: the block runs once a rank",
        AROUND,
        LOADS,
        on(
            LAYER,
            (
                "        with self.device.context():\n"
                "            w13 = w13.contiguous()\n"
                "            w2 = w2.contiguous()\n",
                "        for rank in self.ranks:\n"
                "            w13 = w13.contiguous()\n"
                "            w2 = w2.contiguous()\n",
            ),
        ),
        on(
            LAYER,
            (
                "            w2 = w2.contiguous()\n",
                "            w2 = w2.contiguous()\n"
                "            w13 = self.swapped(w13)\n",
            ),
        ),
        read=True,
    ),
    drift(
        "12: what is caught is another error, and it goes on",
        AROUND,
        LOGS,
        on(
            RUNNER,
            (
                "        except RuntimeError:\n            layer.loaded = False\n"
                "            raise\n",
                "        except Exception:\n            layer.loaded = False\n",
            ),
        ),
        LOGS,
        read=True,
    ),
    drift(
        "12: it returns before the hook where it is loaded elsewhere",
        AROUND,
        LOADS,
        on(
            LAYER,
            ("        if self.loaded:\n", "        if self.loaded or w13.packed:\n"),
        ),
        LOADS,
        read=True,
    ),
    drift(
        "12: a decorator comes on the method of the hook",
        AROUND,
        LOADS,
        on(
            LAYER,
            (
                "    def process_weights(self, w13, w2):\n",
                "    @staticmethod\n    def process_weights(self, w13, w2):\n",
            ),
        ),
    ),
    drift(
        "12: what the hook reads is made behind it now",
        AROUND,
        on(
            LAYER,
            (
                "        self.w13 = w13\n",
                "        self.w13 = w13\n        self.bytes = self.device.count(w13)\n",
            ),
        ),
        on(
            LAYER,
            ("        self.w13 = w13\n", "        self.w13 = w13.cpu()\n"),
        ),
    ),
    drift(
        "12: the local that we use is counted in other units",
        AROUND,
        SCALED,
        on(
            RUNNER,
            (
                "    size = tokens * hidden * dtype_bytes\n",
                "    size = tokens * hidden * dtype_bytes / 2**20\n",
            ),
        ),
        SCALED,
        read=True,
    ),
    # 4. Names.
    drift(
        "12: a helper has another name",
        NAMES,
        OWN,
        both(
            on(
                UTILS,
                ("def swizzle(", "def swizzle_scale("),
            ),
            on(
                EXPERTS,
                (
                    "import cdiv, round_up, swizzle\n",
                    "import cdiv, round_up, swizzle_scale\n",
                ),
                ("scale = swizzle(x", "scale = swizzle_scale(x"),
            ),
        ),
    ),
    drift(
        "12: a helper's parameters change places",
        NAMES,
        OWN,
        both(
            on(UTILS, ("def swizzle(scale, rows):", "def swizzle(rows, scale):")),
            on(EXPERTS, ("swizzle(x.scale, x.rows)", "swizzle(x.rows, x.scale)")),
        ),
    ),
    drift(
        "12: a helper takes keywords alone",
        NAMES,
        OWN,
        both(
            on(UTILS, ("def swizzle(scale, rows):", "def swizzle(scale, *, rows):")),
            on(EXPERTS, ("swizzle(x.scale, x.rows)", "swizzle(x.scale, rows=x.rows)")),
        ),
    ),
    drift(
        "12: the method above takes one more",
        NAMES,
        OWN,
        on(
            EXPERTS,
            (
                "def finalize(self, out, weights):",
                "def finalize(self, out, weights, ids):",
            ),
            (
                "            out.zero_()\n        return self.finalize(out, weights)\n",
                "            out.zero_()\n"
                "        return self.finalize(out, weights, x.ids)\n",
            ),
            (
                "        out.copy_(x)\n        return self.finalize(out, weights)\n",
                "        out.copy_(x)\n"
                "        return self.finalize(out, weights, x.ids)\n",
            ),
        ),
    ),
    drift(
        "12: the method above asks for one more of those below",
        NAMES,
        OWN,
        on(
            EXPERTS,
            (
                "    def workspace(self, tokens, hidden):\n"
                "        return (tokens, hidden)\n",
                "    def workspace(self, tokens, hidden, top_k):\n"
                "        return (tokens * top_k, hidden)\n",
            ),
            (
                "    def workspace(self, tokens, hidden):\n        rows",
                "    def workspace(self, tokens, hidden, top_k):\n        rows",
            ),
        ),
    ),
    drift(
        "12: the class above gets an abstract method",
        NAMES,
        OWN,
        on(
            EXPERTS,
            (
                "from vllm.config import Activation",
                "from abc import ABC, abstractmethod\n\n"
                "from vllm.config import Activation",
            ),
            ("class Experts:\n", "class Experts(ABC):\n"),
            (
                "    def finalize(self, out, weights):\n        return out * weights\n",
                "    def finalize(self, out, weights):\n        return out * weights\n"
                "\n"
                "    @abstractmethod\n    def key(self):\n        ...\n",
            ),
            (
                "    def prepare(self, scale):\n",
                "    def key(self):\n        return 1\n\n"
                "    def prepare(self, scale):\n",
            ),
            (
                "class MarlinExperts(Experts):\n",
                "class MarlinExperts(Experts):\n    def key(self):\n        return 2\n"
                "\n",
            ),
        ),
    ),
    drift(
        "12: a field comes between those that we pass by position",
        NAMES,
        USES,
        on(
            CONFIG,
            (
                "    block: int = 16\n",
                "    block: int = 16\n    dtype: str = 'fp4'\n",
            ),
            ("QuantConfig(16, None, None)", "QuantConfig(16, 'fp4', None, None)"),
        ),
    ),
    drift(
        "12: a tuple gets a third part",
        NAMES,
        USES,
        on(
            CONFIG,
            ("    m: int\n    n: int\n", "    m: int\n    n: int\n    k: int\n"),
            (
                "(Tile(64, 128), Tile(128, 128))",
                "(Tile(64, 128, 64), Tile(128, 128, 64))",
            ),
        ),
    ),
    drift(
        "12: a field that we pass by position takes a list now",
        NAMES,
        USES,
        on(
            CONFIG,
            (
                "    w1_scale: float | None = None\n",
                "    w1_scale: list[float] | None = None\n",
            ),
        ),
    ),
    drift(
        "12: a set becomes a list",
        NAMES,
        ASKS,
        on(
            ORACLE,
            (
                "{Activation.SILU, Activation.GELU}",
                "[Activation.SILU, Activation.GELU]",
            ),
        ),
    ),
    drift(
        "12: what is selected comes with a reason",
        NAMES,
        ASKS,
        both(
            on(
                ORACLE,
                (
                    "        return map_backend(config.moe_backend)\n",
                    '        return map_backend(config.moe_backend), "asked for"\n',
                ),
                (
                    "            return backend\n",
                    '            return backend, "the first that runs"\n',
                ),
            ),
            on(
                LAYER,
                ("self.backend = oracle", "self.backend, self.why = oracle"),
            ),
        ),
    ),
    drift(
        "12: a function may give nothing",
        NAMES,
        WARMS,
        on(
            RUNNER,
            (
                "    total = 0\n",
                "    if not sizes:\n        return None\n    total = 0\n",
            ),
        ),
        WARMS,
        read=True,
    ),
    drift(
        "12: a function gives nothing at all",
        NAMES,
        WARMS,
        on(RUNNER, ("    return total\n", "    layer.total = total\n")),
    ),
    drift(
        "12: a function becomes one that is awaited",
        NAMES,
        WARMS,
        on(RUNNER, ("def warm(layer", "async def warm(layer")),
    ),
    drift(
        "12: a function becomes a generator",
        NAMES,
        WARMS,
        on(
            RUNNER,
            ("            total += size\n", "            yield size\n"),
            ("    return total\n", ""),
            ("    total = 0\n", ""),
        ),
    ),
    drift(
        "12: bytes become bits",
        NAMES,
        SIZE,
        on(
            RUNNER,
            (
                "def memory(tokens, hidden, dtype_bytes=2):",
                "def memory(tokens, hidden, dtype_bits=16):",
            ),
            (
                "    size = tokens * hidden * dtype_bytes\n",
                "    size = tokens * hidden * dtype_bits // 8\n",
            ),
        ),
    ),
    drift(
        "12: a module becomes a package",
        NAMES,
        SIZE,
        {"vllm/runner/__init__.py": [("", TREE[RUNNER])]},
        SIZE,
        gone=RUNNER,
    ),
    drift(
        "12: a module becomes a package that has less",
        NAMES,
        SIZE,
        {
            "vllm/runner/__init__.py": [("", HEAD)],
            "vllm/runner/size.py": [("", TREE[RUNNER])],
        },
        gone=RUNNER,
    ),
    drift(
        "12: a package comes with the name of our module",
        NAMES,
        OWN,
        {"vllm/sm12x/__init__.py": [("", HEAD + "from vllm.utils import cdiv\n")]},
    ),
    drift(
        "12: the tested method goes from the class",
        NAMES,
        TESTED,
        on(
            EXPERTS,
            ("out.copy_(self.run(x, scale))", "out.copy_(x)"),
            ("\n    def run(self, x, scale):\n        return x\n", ""),
        ),
    ),
    drift(
        "12: the tests' fixture has another name",
        NAMES,
        TESTED,
        on(
            TESTS,
            ("def quant():\n", "def quant_config():\n"),
            (
                "def test_workspace(quant, top_k):\n",
                "def test_workspace(quant_config, top_k):\n",
            ),
            ("CutlassExperts(quant, top_k)", "CutlassExperts(quant_config, top_k)"),
        ),
    ),
    drift(
        "12: a method becomes a property",
        NAMES,
        new(
            "from vllm.config import KernelConfig\n\n\n"
            "def automatic(config: KernelConfig):\n    return config.is_auto()\n"
        ),
        both(
            on(
                CONFIG,
                ("    def is_auto(self):\n", "    @property\n    def is_auto(self):\n"),
            ),
            on(ORACLE, ("if not config.is_auto():", "if not config.is_auto:")),
        ),
    ),
    drift(
        "12: a class is frozen that we set a field of",
        NAMES,
        new(
            "from vllm.config import QuantConfig\n\n\n"
            "def scaled(config: QuantConfig):\n    config.block = 32\n"
            "    return config\n"
        ),
        on(
            CONFIG,
            (
                "@dataclass\nclass QuantConfig",
                "@dataclass(frozen=True)\nclass QuantConfig",
            ),
        ),
    ),
    drift(
        "12: a helper comes that nobody but upstream calls",
        NAMES,
        OWN,
        on(
            UTILS,
            (
                "def interleave(scale, rows):\n",
                "def unswizzle(scale, rows):\n    return scale[:rows]\n\n\n"
                "def interleave(scale, rows):\n",
            ),
        ),
        OWN,
    ),
    # 5 and 6. Absorbed, in part and whole; both bring one name.
    drift(
        "12: the whole change is upstream's",
        IN_PART,
        PADS,
        PADS,
        {},
        dropped=True,
    ),
    drift(
        "12: the member landed, and its place in the order did not",
        IN_PART,
        both(MEMBER, FIRST),
        MEMBER,
        FIRST,
    ),
    drift(
        "12: the rows are padded to another number",
        IN_PART,
        PADS,
        on(EXPERTS, ("self.top_k, 16)", "self.top_k, 64)")),
    ),
    drift(
        "12: our hook landed in the other branch",
        IN_PART,
        HOOK,
        on(
            EXPERTS,
            (
                "            out.zero_()\n",
                "            out.zero_()\n            self.normalise(x)\n",
            ),
        ),
    ),
    drift(
        "12: both bring a method of one name",
        TWICE,
        on(
            EXPERTS,
            (
                "    def prepare(self, scale):\n",
                "    def normalise(self, x):\n        return x / 2\n\n"
                "    def prepare(self, scale):\n",
            ),
        ),
        on(
            EXPERTS,
            (
                "    def run(self, x, scale):\n        return x\n",
                "    def run(self, x, scale):\n        return x\n\n"
                "    def normalise(self, x, eps):\n        return x / eps\n",
            ),
        ),
    ),
    drift(
        "12: both answer for one device, each otherwise",
        TWICE,
        both(MEMBER, RUNS),
        both(
            MEMBER,
            on(
                ORACLE,
                (
                    "    return True\n\n\ndef select",
                    "    if backend is Backend.B12X:\n        return False\n"
                    "    return True\n\n\ndef select",
                ),
            ),
        ),
    ),
)


_OPEN = {
    "12: the branches change places",
    "12: what is caught is another error, and it goes on",
    "12: the local that we use is counted in other units",
}

TWELFTH = tuple(one for one in _ALL if one.name not in _OPEN)
LEFT_TWELFTH = tuple(one for one in _ALL if one.name in _OPEN)


def chain(name: str, steps: tuple[Edits, ...], ours: Edits, *said: bool) -> Series:
    made: list[Files] = []
    now: Files = TREE
    for step in steps:
        now = edited(now, step)
        made.append(now)
    return Series(name, TREE, tuple(made), edited(TREE, ours), said)


CHAINS_TWELFTH: tuple[Series, ...] = (
    chain(
        "12: the class waits, and its use in the layer with it",
        (
            OWN,
            on(
                LAYER,
                (
                    "        return MarlinExperts(quant, top_k)\n",
                    "        if self.device.major == 12:\n"
                    "            from vllm.sm12x import B12xExperts\n\n"
                    "            return B12xExperts(quant, top_k)\n"
                    "        return MarlinExperts(quant, top_k)\n",
                ),
            ),
            SCALED,
        ),
        both(
            on(UTILS, ("def swizzle(scale, rows):", "def swizzle(scale, *, rows):")),
            on(EXPERTS, ("swizzle(x.scale, x.rows)", "swizzle(x.scale, rows=x.rows)")),
        ),
        False,
        False,
        True,
    ),
    chain(
        "12: the member waits, and whoever names it",
        (both(MEMBER, FIRST), MAPPED, LOADS),
        on(
            ORACLE,
            (
                "    Backend.TRTLLM,\n    Backend.CUTLASS,\n    Backend.MARLIN,\n",
                "    (Backend.TRTLLM, 10),\n    (Backend.CUTLASS, 9),\n"
                "    (Backend.MARLIN, 8),\n",
            ),
        ),
        False,
        False,
        True,
    ),
)
