# SPDX-License-Identifier: Apache-2.0
"""A ninth set of upstream's changes, set down whole before any of it was run.

Run then, 12 of 49 came out silently wrong, 7 wrong and told, 8 were refused though they
have an answer, and 3 of 6 chains were called carried. All but what is left open below
has its answer since; where a refusal says the very reason, the answer stays as it was.

After what changed between vLLM 0.29.0 and 0.33.0 in the files around the series:
choices that take a keyword more, entries put in another order behind, custom operations
whose schema is a text, settings with other defaults, `case` and `if` turned round
inside an expression. On a small tree made for it.
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

SETTINGS, CONFIG, EXPERTS, BACKENDS, OPS = (
    f"vllm/{name}.py" for name in ("settings", "config", "experts", "backends", "ops")
)
LOGGER, TOOLS, COUNTS = (f"vllm/{name}.py" for name in ("logger", "tools", "counts"))
TEST, FIXTURES = "tests/test_backends.py", "tests/conftest.py"
BINDINGS, KERNEL, MACROS = "csrc/bindings.cpp", "csrc/mm.cu", "csrc/macros.h"
STEPS, LISTS, PROJECT = ".buildkite/kernels.yaml", "CMakeLists.txt", "pyproject.toml"

TREE: Files = {
    SETTINGS: HEAD
    + '''\
"""What the environment says."""

import os

VLLM_TILE: int = 16
VLLM_FUSE: bool = True

variables = {
    # Rows of a tile.
    "VLLM_TILE": lambda: int(os.getenv("VLLM_TILE", "16")),
    # Whether kernels are fused.
    "VLLM_FUSE": lambda: bool(int(os.getenv("VLLM_FUSE", "1"))),
}


def __getattr__(name):
    if name in variables:
        return variables[name]()
    raise AttributeError(name)
''',
    LOGGER: HEAD
    + '''\
"""Says things."""


class Logger:
    """Says each thing as often as is asked."""

    def __init__(self, name):
        self.name = name

    def info(self, text, *args):
        print(self.name, text % args)

    def info_once(self, text, *args, scope="process"):
        print(self.name, scope, text % args)


def init_logger(name: str) -> Logger:
    """A logger of a module."""
    return Logger(name)
''',
    TOOLS: HEAD
    + '''\
"""Small helpers."""

WORKSPACE = 394 * 1024 * 1024


def round_up(count, to):
    """The next multiple."""
    return (count + to - 1) // to * to


def resolved(name):
    """What a text of module and name stands for."""
    module, _, attribute = name.partition(":")
    return getattr(__import__(module, fromlist=[attribute]), attribute)
''',
    COUNTS: HEAD
    + '''\
"""What was counted."""

calls = 0
names = []


def counted(name):
    """Count a call."""
    names.append(name)
    return len(names)
''',
    CONFIG: HEAD
    + '''\
"""What a layer is."""

from dataclasses import dataclass
from typing import Literal

Backend = Literal[
    "auto",
    "cutlass",
    "marlin",
    "triton",
]


@dataclass(frozen=True)
class LayerConfig:
    """Sizes and choices of a layer."""

    hidden: int
    intermediate: int
    backend: Backend = "auto"
    gated: bool = True
    batch_invariant: bool = False

    @property
    def columns(self) -> int:
        """Columns of the first weight."""
        return self.intermediate * 2 if self.gated else self.intermediate

    @classmethod
    def of(cls, hidden: int, intermediate: int) -> "LayerConfig":
        """With all else as it is by default."""
        return cls(hidden=hidden, intermediate=intermediate)
''',
    EXPERTS: HEAD
    + '''\
"""Experts, a class a backend."""

from abc import ABC

from vllm.config import LayerConfig
from vllm.logger import init_logger
from vllm.tools import round_up

logger = init_logger(__name__)


class Experts(ABC):
    """What all of them have."""

    name = ""

    def __init__(self, config: LayerConfig):
        self.config = config
        self.rows = 0

    @staticmethod
    def device_fits(major) -> bool:
        """Whether it runs on a device."""
        return major >= 9

    @classmethod
    def supported(cls, config: LayerConfig, major):
        """Whether it can, and why not."""
        if not cls.device_fits(major):
            return False, "device"
        if config.hidden % 16 != 0:
            return False, "hidden size"
        return True, ""

    def columns(self, gated, to):
        """Columns of the workspace."""
        width = self.config.intermediate
        return round_up(width * 2 if gated else width, to)


class CutlassExperts(Experts):
    """By CUTLASS."""

    name = "cutlass"

    def apply(self, hidden, weights):
        """One pass."""
        rows = round_up(hidden, 16)
        self.rows = rows
        return rows * weights

    def scratch(self):
        """Bytes beside the weights."""
        return self.rows * self.columns(True, 128)


class MarlinExperts(Experts):
    """By Marlin."""

    name = "marlin"

    def apply(self, hidden, weights):
        """One pass."""
        rows = round_up(hidden, 64)
        self.rows = rows
        return rows * weights

    def scratch(self):
        """Bytes beside the weights."""
        return self.rows * self.columns(True, 64)
''',
    BACKENDS: HEAD
    + '''\
"""Which kernels a layer runs on."""

from enum import Enum

from vllm import settings
from vllm.config import LayerConfig
from vllm.logger import init_logger
from vllm.tools import round_up

logger = init_logger(__name__)


class Kind(Enum):
    """Every backend there is."""

    CUTLASS = "CUTLASS"
    MARLIN = "MARLIN"
    TRITON = "TRITON"


BY_NAME = {
    "cutlass": Kind.CUTLASS,
    "marlin": Kind.MARLIN,
    "triton": Kind.TRITON,
}

FUSED = frozenset(
    {
        "cutlass",
        "triton",
    }
)

CLASSES = {
    Kind.CUTLASS: "vllm.experts:CutlassExperts",
    Kind.MARLIN: "vllm.experts:MarlinExperts",
}


def available(config: LayerConfig):
    """Those that may be asked, best first."""
    kinds = [
        Kind.CUTLASS,
        Kind.MARLIN,
        Kind.TRITON,
    ]
    if config.batch_invariant:
        kinds.remove(Kind.MARLIN)
    return kinds


def experts(kind):
    """The class of a kind."""
    if kind == Kind.CUTLASS:
        from vllm.experts import CutlassExperts

        return CutlassExperts
    elif kind == Kind.MARLIN:
        from vllm.experts import MarlinExperts

        return MarlinExperts
    else:
        raise ValueError(f"no class for {kind.value}")


def width_of(config: LayerConfig):
    """Columns with padding."""
    width = (
        round_up(config.columns, 128)
        if config.gated
        else round_up(config.columns, 64)
    )
    return width


def usable(config: LayerConfig, major):
    """Whether the fused path may be taken."""
    return (
        settings.VLLM_FUSE
        and config.backend in FUSED
        and major >= 9
    )


def widths(layers):
    """Those of the layers that count."""
    return [
        round_up(layer.columns, 16)
        for layer in layers
        if layer.gated
    ]


def noted(kind, config):
    """What the log says of a kind."""
    match kind:
        case Kind.CUTLASS if config.gated:
            text = "gated on CUTLASS"
            logger.info(text)
        case Kind.MARLIN:
            text = "on Marlin"
            logger.info(text)
        case _:
            text = "on another"
            logger.info(text)
    return text


def select(config: LayerConfig, major):
    """The first that can run the layer."""
    requested = config.backend
    if requested not in ["auto", "triton"]:
        kind = BY_NAME[requested]
        logger.info("asked for %s", requested)
        return kind, experts(kind)
    for kind in available(config):
        try:
            found = experts(kind)
        except ValueError:
            logger.info("no class")
            continue
        fits, reason = found.supported(config, major)
        if fits:
            logger.info("takes %s", kind.value)
            return kind, found
        logger.info("not %s: %s", kind.value, reason)
    raise NotImplementedError("no backend")


def prepared(kind, w13, w2, gated=True):
    """Weights as a kind wants them."""
    if kind in (Kind.CUTLASS, Kind.TRITON):
        w13 = w13[::-1]
        logger.info("swapped")
    elif kind == Kind.MARLIN:
        w2 = w2[::-1]
    return w13, w2, gated
''',
    OPS: HEAD
    + '''\
"""Custom operations."""

import torch


def register(name, function, mutates=()):
    """Make a Python function an operation of torch.ops.vllm."""
    torch.library.define(f"vllm::{name}", function)


def fused_mm(a, b, scale):
    """Both in one."""
    return torch.ops._C.scaled_mm(a, b, scale)


def split_mm(a, b, scale):
    """One after the other."""
    return a @ b * scale


register(
    "fused_mm",
    fused_mm,
)
register(
    "split_mm",
    split_mm,
    mutates=("a",),
)
''',
    FIXTURES: HEAD
    + """\
import pytest


@pytest.fixture
def config():
    from vllm.config import LayerConfig

    return LayerConfig(hidden=64, intermediate=128)


def pytest_addoption(parser):
    parser.addoption("--wide", action="store_true")
    parser.addoption("--device", default="cpu")
""",
    TEST: HEAD
    + """\
import pytest

from vllm.backends import BY_NAME, Kind, select

CASES = [
    ("cutlass", 9),
    ("marlin", 9),
]


@pytest.mark.parametrize(("name", "major"), CASES)
def test_select(name, major, config):
    assert BY_NAME[name] in Kind
    assert select(config, major)[0] is Kind.CUTLASS
""",
    BINDINGS: """\
#include "ops.h"

TORCH_LIBRARY(_C, ops) {
  // Scaled.
  ops.def("scaled_mm(Tensor a, Tensor b, Tensor scale) -> Tensor");
  ops.impl("scaled_mm", torch::kCUDA, &scaled_mm);

  // Rows.
  ops.def("rows(Tensor a) -> int");
  ops.impl("rows", torch::kCUDA, &rows);
}
""",
    MACROS: """\
#pragma once

#define DISPATCH_HALF(TYPE, ...) dispatch(TYPE, __VA_ARGS__)
#define ROWS_PER_BLOCK 16
""",
    KERNEL: """\
#include "macros.h"

enum class Layout { kRow, kCol };

template <int Rows>
int tiles(int count) {
  int found = count / Rows;
  found += count % Rows != 0;
  return found;
}

#if CUDA_VERSION >= 12080
int blocks(int count) {
  int found = tiles<ROWS_PER_BLOCK>(count);
  return found;
}
#endif

int launch(const Config& config, int count) {
  if (count == 0) {
    return 0;
  }
  int found = config.wide ? 2 : 1;
  found *= count;
  return found;
}
""",
    STEPS: """\
group: kernels
steps:
  - label: moe
    key: moe
    optional: false
    commands:
      - pytest -v tests/test_backends.py
  - label: gemm
    key: gemm
    optional: false
    commands:
      - pytest -v tests/test_gemm.py
""",
    LISTS: """\
function(add_kernel NAME)
  cmake_parse_arguments(ARG "" "ARCH" "SRCS" ${ARGN})
  add_library(${NAME} ${ARG_SRCS})
  set_target_properties(${NAME} PROPERTIES CUDA_ARCH ${ARG_ARCH})
endfunction()

add_kernel(mm ARCH 9.0 SRCS csrc/mm.cu)

message(STATUS "done")
""",
    PROJECT: """\
[project]
name = "vllm"

[tool.typos]
skip = "build"
locale = "en"

[tool.pytest]
markers = [
  "slow: takes long",
  "gpu: wants a device",
]
timeout = 60
""",
}


drift = partial(drifts.drift, TREE)


def new(text: str, path: str = "vllm/sm12x.py") -> Edits:
    return {path: [("", HEAD + text)]}


FIRST = on(
    BACKENDS,
    (
        "    kinds = [\n        Kind.CUTLASS,\n",
        "    kinds = [\n        Kind.TRITON,\n        Kind.CUTLASS,\n",
    ),
    ("        Kind.MARLIN,\n        Kind.TRITON,\n", "        Kind.MARLIN,\n"),
)
MEMBER = on(
    BACKENDS,
    ('    TRITON = "TRITON"\n', '    TRITON = "TRITON"\n    SM12X = "SM12X"\n'),
)
FUSE = on(
    BACKENDS,
    ('        "triton",\n    }\n', '        "triton",\n        "sm12x",\n    }\n'),
)
NAMED = on(
    BACKENDS,
    (
        '    "triton": Kind.TRITON,\n',
        '    "triton": Kind.TRITON,\n    "sm12x": Kind.CUTLASS,\n',
    ),
)
CASE = on(TEST, ('    ("marlin", 9),\n', '    ("marlin", 9),\n    ("triton", 12),\n'))
LAYOUT = on(KERNEL, ("{ kRow, kCol }", "{ kRow, kCol, kTile }"))

NINTH_ELEMENTS: tuple[Change, ...] = (
    drift(
        "the order that we change is put in another one behind",
        ELEMENTS,
        FIRST,
        on(
            BACKENDS,
            (
                "    if config.batch_invariant:\n",
                "    kinds = sorted(kinds, key=lambda kind: kind.value)\n"
                "    if config.batch_invariant:\n",
            ),
        ),
        FIRST,
        read=True,
    ),
    drift(
        "cases get a name each in a list beside",
        ELEMENTS,
        CASE,
        on(
            TEST,
            (
                '(("name", "major"), CASES)',
                '(("name", "major"), CASES, ids=["first", "second"])',
            ),
        ),
    ),
    drift(
        "a test counts the names that we add to",
        ELEMENTS,
        NAMED,
        on(
            TEST,
            (
                "    assert BY_NAME[name] in Kind\n",
                "    assert BY_NAME[name] in Kind\n    assert len(BY_NAME) == 3\n",
            ),
        ),
        NAMED,
        read=True,
    ),
    drift(
        "what is not of the set that we add to is another set",
        ELEMENTS,
        FUSE,
        on(
            BACKENDS,
            ("CLASSES = {\n", "APART = frozenset(BY_NAME) - FUSED\n\nCLASSES = {\n"),
        ),
        FUSE,
        read=True,
    ),
    drift(
        "a match of all members comes in another file",
        ELEMENTS,
        MEMBER,
        on(
            OPS,
            (
                'register(\n    "fused_mm",\n',
                "def op_of(kind):\n"
                '    """The operation of a kind."""\n'
                "    from vllm.backends import Kind\n\n"
                "    match kind:\n"
                "        case Kind.CUTLASS:\n            return fused_mm\n"
                "        case Kind.MARLIN | Kind.TRITON:\n"
                "            return split_mm\n"
                "    raise AssertionError(kind)\n\n\n"
                'register(\n    "fused_mm",\n',
            ),
        ),
        MEMBER,
        read=True,
    ),
    drift(
        "C++: a table by enumerator comes",
        ELEMENTS,
        LAYOUT,
        on(
            KERNEL,
            (
                "template <int Rows>\n",
                'constexpr const char* kLayouts[2] = {"row", "col"};\n\n'
                "const char* named(Layout layout) {\n"
                "  return kLayouts[static_cast<int>(layout)];\n}\n\n"
                "template <int Rows>\n",
            ),
        ),
    ),
    drift(
        "two lists are gone through side by side",
        ELEMENTS,
        CASE,
        on(
            TEST,
            (
                "\n@pytest.mark.parametrize",
                "LEAST = [1, 2]\n\n\ndef test_least():\n"
                "    for (name, _), least in zip(CASES, LEAST, strict=True):\n"
                "        assert len(name) > least\n\n\n@pytest.mark.parametrize",
            ),
        ),
        CASE,
        read=True,
    ),
    drift(
        "a name among those of the command line went, ours stands beside it",
        ELEMENTS,
        on(CONFIG, ('    "triton",\n]', '    "triton",\n    "sm12x",\n]')),
        on(CONFIG, ('    "marlin",\n', "")),
        on(CONFIG, ('    "triton",\n]', '    "triton",\n    "sm12x",\n]')),
    ),
)

ROWS = on(
    EXPERTS,
    ("        rows = round_up(hidden, 64)\n", "        rows = round_up(hidden, 32)\n"),
)
_CUTLASS = TREE[EXPERTS][
    TREE[EXPERTS].index("class CutlassExperts") : TREE[EXPERTS].index(
        "\n\nclass MarlinExperts"
    )
]
_MARLIN = TREE[EXPERTS][TREE[EXPERTS].index("class MarlinExperts") :]
_BASE_IMPORTS = (
    "from vllm.experts import Experts\nfrom vllm.tools import round_up\n\n\n"
)
MARLIN_FILE = "vllm/experts_marlin.py"
SWAP = on(BACKENDS, ("        w13 = w13[::-1]\n", "        w13 = w13[::-1].copy()\n"))

NINTH_TWINS: tuple[Change, ...] = (
    drift(
        "a class and its twin go to a file each",
        TWINS,
        ROWS,
        on(EXPERTS, ("\n\n" + _MARLIN, ""), ("\n\n" + _CUTLASS, ""))
        | {
            MARLIN_FILE: [("", HEAD + _BASE_IMPORTS + _MARLIN)],
            "vllm/experts_cutlass.py": [("", HEAD + _BASE_IMPORTS + _CUTLASS)],
            BACKENDS: [
                (
                    "from vllm.experts import Cut",
                    "from vllm.experts_cutlass import Cut",
                ),
                ("from vllm.experts import Mar", "from vllm.experts_marlin import Mar"),
            ],
        },
        on(
            MARLIN_FILE,
            ("rows = round_up(hidden, 64)", "rows = round_up(hidden, 32)"),
        ),
    ),
    drift(
        "it goes to another file under another name, its like stays",
        TWINS,
        on(
            BACKENDS,
            ("        round_up(layer.columns, 16)\n", "        layer.columns\n"),
        ),
        on(
            BACKENDS,
            (
                'def widths(layers):\n    """Those of the layers that count."""\n'
                "    return [\n        round_up(layer.columns, 16)\n"
                "        for layer in layers\n        if layer.gated\n    ]\n",
                'def heights(layers):\n    """Those of the layers that are flat."""\n'
                "    return [\n        round_up(layer.hidden, 16)\n"
                "        for layer in layers\n        if not layer.gated\n    ]\n",
            ),
        )
        | on(
            TOOLS,
            (
                "def resolved(name):\n",
                "def gated_widths(layers):\n"
                '    """Those of the layers that count."""\n'
                "    return [\n        round_up(layer.columns, 16)\n"
                "        for layer in layers\n        if layer.gated\n    ]\n\n\n"
                "def resolved(name):\n",
            ),
        ),
    ),
    drift(
        "one for each platform, both with its body",
        TWINS,
        on(OPS, ("    return a @ b * scale\n", "    return (a @ b) * scale.float()\n")),
        on(
            OPS,
            (
                'def split_mm(a, b, scale):\n    """One after the other."""\n'
                "    return a @ b * scale\n",
                "if torch.version.hip:\n\n"
                '    def split_mm(a, b, scale):\n        """One after the other."""\n'
                "        return a @ b * scale\n\nelse:\n\n"
                '    def split_mm(a, b, scale):\n        """One after the other."""\n'
                "        return a @ b * scale\n",
            ),
        ),
    ),
    drift(
        "its types are said in two overloads above it",
        TWINS,
        SWAP,
        on(
            BACKENDS,
            (
                "from enum import Enum\n",
                "from enum import Enum\nfrom typing import overload\n",
            ),
            (
                "def prepared(kind, w13, w2, gated=True):\n",
                "@overload\ndef prepared(kind, w13, w2): ...\n\n\n"
                "@overload\ndef prepared(kind, w13, w2, gated): ...\n\n\n"
                "def prepared(kind, w13, w2, gated=True):\n",
            ),
        ),
        SWAP,
    ),
    drift(
        "C++: a specialisation of it comes with the same lines",
        TWINS,
        on(
            KERNEL,
            ("  int found = count / Rows;\n", "  int found = count / Rows + 0;\n"),
        ),
        on(
            KERNEL,
            (
                "#if CUDA_VERSION >= 12080\n",
                "template <>\nint tiles<1>(int count) {\n  int found = count / 1;\n"
                "  found += count % 1 != 0;\n  return found;\n}\n\n"
                "#if CUDA_VERSION >= 12080\n",
            ),
        ),
        on(
            KERNEL,
            ("  int found = count / Rows;\n", "  int found = count / Rows + 0;\n"),
        ),
    ),
)

PAD = on(
    BACKENDS,
    (
        "        round_up(config.columns, 128)\n",
        "        round_up(config.columns, 256)\n",
    ),
)
SAID = on(
    BACKENDS,
    (
        '            text = "gated on CUTLASS"\n',
        '            text = "gated on CUTLASS, SM12x too"\n',
    ),
)
COLUMNS = on(
    BACKENDS,
    ("        round_up(layer.columns, 16)\n", "        round_up(layer.columns, 32)\n"),
)
NOT_OLD = on(
    BACKENDS,
    ("        and major >= 9\n", "        and major >= 9\n        and major != 11\n"),
)
MISSING = on(
    BACKENDS,
    (
        '            logger.info("no class")\n',
        '            logger.info("no class of %s", kind.value)\n'
        "            config = config.of(1, 1)\n",
    ),
)

NINTH_AROUND: tuple[Change, ...] = (
    drift(
        "an expression's test is turned, its two arms stay",
        AROUND,
        PAD,
        on(BACKENDS, ("        if config.gated\n", "        if not config.gated\n")),
    ),
    drift(
        "a case is guarded by the contrary",
        AROUND,
        SAID,
        on(
            BACKENDS,
            (
                "        case Kind.CUTLASS if config.gated:\n",
                "        case Kind.CUTLASS if not config.gated:\n",
            ),
        ),
    ),
    drift(
        "a comprehension keeps what it left out",
        AROUND,
        COLUMNS,
        on(BACKENDS, ("        if layer.gated\n", "        if not layer.gated\n")),
    ),
    drift(
        "what both must be is what both must not be",
        AROUND,
        NOT_OLD,
        on(
            BACKENDS,
            (
                "    return (\n        settings.VLLM_FUSE\n",
                "    return not (\n        settings.VLLM_FUSE\n",
            ),
        ),
    ),
    drift(
        "what all must be is what one must be",
        AROUND,
        NOT_OLD,
        on(
            BACKENDS,
            (
                "        and config.backend in FUSED\n",
                "        or config.backend in FUSED\n",
            ),
        ),
    ),
    drift(
        "the names that pass by are those that are taken",
        AROUND,
        on(
            BACKENDS,
            (
                '        logger.info("asked for %s", requested)\n',
                '        logger.info("asked for %s on SM12x", requested)\n',
            ),
        ),
        on(
            BACKENDS,
            (
                '    if requested not in ["auto", "triton"]:\n',
                '    if requested in ["cutlass", "auto"]:\n',
            ),
        ),
    ),
    drift(
        "another error is caught around our line",
        AROUND,
        MISSING,
        on(BACKENDS, ("        except ValueError:\n", "        except ImportError:\n")),
        MISSING,
        read=True,
    ),
    drift(
        "CUDA older than it was newer than",
        AROUND,
        on(
            KERNEL, ("  return found;\n}\n#endif\n", "  return found * 1;\n}\n#endif\n")
        ),
        on(KERNEL, ("#if CUDA_VERSION >= 12080\n", "#if CUDA_VERSION < 12080\n")),
    ),
    drift(
        "what our branch is for is refused above",
        AROUND,
        on(
            BACKENDS,
            (
                "    for kind in available(config):\n",
                "    if not config.gated:\n        return Kind.TRITON, None\n"
                "    for kind in available(config):\n",
            ),
        ),
        on(
            BACKENDS,
            (
                "    requested = config.backend\n",
                "    assert config.gated\n    requested = config.backend\n",
            ),
        ),
        on(
            BACKENDS,
            (
                "    for kind in available(config):\n",
                "    if not config.gated:\n        return Kind.TRITON, None\n"
                "    for kind in available(config):\n",
            ),
        ),
        read=True,
    ),
    drift(
        "YAML: the step that we add a command to is optional",
        AROUND,
        on(
            STEPS,
            (
                "      - pytest -v tests/test_backends.py\n",
                "      - pytest -v tests/test_backends.py\n"
                "      - pytest -v tests/test_sm12x.py\n",
            ),
        ),
        on(
            STEPS,
            (
                "    key: moe\n    optional: false\n",
                "    key: moe\n    optional: true\n",
            ),
        ),
        on(
            STEPS,
            (
                "      - pytest -v tests/test_backends.py\n",
                "      - pytest -v tests/test_backends.py\n"
                "      - pytest -v tests/test_sm12x.py\n",
            ),
        ),
        read=True,
    ),
)

SUBCLASS = new(
    "from vllm.experts import Experts\n\n\nclass Sm12xExperts(Experts):\n"
    '    name = "sm12x"\n'
)
CALLS_OP = new(
    "import torch\n\n\ndef run(a, b, scale):\n"
    "    return torch.ops._C.scaled_mm(a, b, scale)\n"
)
CALLS_FUSED = new(
    "import torch\n\n\ndef run(a, b, scale):\n"
    "    return torch.ops.vllm.fused_mm(a, b, scale)\n"
)

NINTH_NAMES: tuple[Change, ...] = (
    drift(
        "each class below has to say a keyword",
        NAMES,
        SUBCLASS,
        on(
            EXPERTS,
            (
                '    name = ""\n\n',
                "    def __init_subclass__(cls, *, name, **more):\n"
                "        super().__init_subclass__(**more)\n"
                "        cls.name = name\n\n",
            ),
            (
                'class CutlassExperts(Experts):\n    """By CUTLASS."""\n\n'
                '    name = "cutlass"\n',
                'class CutlassExperts(Experts, name="cutlass"):\n'
                '    """By CUTLASS."""\n',
            ),
            (
                'class MarlinExperts(Experts):\n    """By Marlin."""\n\n'
                '    name = "marlin"\n',
                'class MarlinExperts(Experts, name="marlin"):\n    """By Marlin."""\n',
            ),
        ),
    ),
    drift(
        "C++: an operation that we call takes one more",
        NAMES,
        CALLS_OP,
        on(
            BINDINGS,
            (
                "(Tensor a, Tensor b, Tensor scale) -> Tensor",
                "(Tensor a, Tensor b, Tensor scale, Tensor bias) -> Tensor",
            ),
        )
        | on(
            OPS,
            (
                "    return torch.ops._C.scaled_mm(a, b, scale)\n",
                "    return torch.ops._C.scaled_mm(a, b, scale, b)\n",
            ),
        ),
    ),
    drift(
        "C++: an operation that we call has another name",
        NAMES,
        CALLS_OP,
        {
            BINDINGS: [
                ('  ops.def("scaled_mm(', '  ops.def("cutlass_scaled_mm('),
                ('  ops.impl("scaled_mm"', '  ops.impl("cutlass_scaled_mm"'),
            ],
            OPS: [("torch.ops._C.scaled_mm", "torch.ops._C.cutlass_scaled_mm")],
        },
    ),
    drift(
        "an operation is registered under another name",
        NAMES,
        CALLS_FUSED,
        on(OPS, ('    "fused_mm",\n', '    "fused_scaled_mm",\n')),
    ),
    drift(
        "arguments that we give by a dict have another name",
        NAMES,
        new(
            "from vllm.backends import prepared\n\n\ndef ready(kind, w13, w2):\n"
            '    more = {"gated": False}\n    return prepared(kind, w13, w2, **more)\n'
        ),
        on(
            BACKENDS,
            (
                "def prepared(kind, w13, w2, gated=True):\n",
                "def prepared(kind, w13, w2, is_gated=True):\n",
            ),
            ("    return w13, w2, gated\n", "    return w13, w2, is_gated\n"),
        ),
    ),
    drift(
        "a field that we replace has another name",
        NAMES,
        new(
            "from dataclasses import replace\n\n"
            "from vllm.config import LayerConfig\n\n\n"
            "def plain(config: LayerConfig):\n    return replace(config, gated=False)\n"
        ),
        on(
            CONFIG,
            ("    gated: bool = True\n", "    is_gated: bool = True\n"),
            (
                "        return self.intermediate * 2 if self.gated else",
                "        return self.intermediate * 2 if self.is_gated else",
            ),
        ),
    ),
    drift(
        "an argument of the logger is gone",
        NAMES,
        on(
            EXPERTS,
            (
                "        rows = round_up(hidden, 64)\n",
                '        logger.info_once("marlin", scope="local")\n'
                "        rows = round_up(hidden, 64)\n",
            ),
        ),
        on(
            LOGGER,
            (
                'def info_once(self, text, *args, scope="process"):\n'
                "        print(self.name, scope, text % args)\n",
                "def info_once(self, text, *args):\n"
                "        print(self.name, text % args)\n",
            ),
        ),
    ),
    drift(
        "a number of the file that we count up by global is gone",
        NAMES,
        on(
            COUNTS,
            (
                "    names.append(name)\n",
                "    global calls\n    calls += 1\n    names.append(name)\n",
            ),
        ),
        on(COUNTS, ("calls = 0\nnames = []\n", "names = []\n")),
    ),
    drift(
        "the value of a setting by default is the contrary",
        NAMES,
        new(
            "from vllm import settings\n\n\ndef fused():\n"
            "    return settings.VLLM_FUSE\n"
        ),
        on(
            SETTINGS,
            ("VLLM_FUSE: bool = True\n", "VLLM_FUSE: bool = False\n"),
            ('os.getenv("VLLM_FUSE", "1")', 'os.getenv("VLLM_FUSE", "0")'),
        ),
        new(
            "from vllm import settings\n\n\ndef fused():\n"
            "    return settings.VLLM_FUSE\n"
        ),
        read=True,
    ),
    drift(
        "a setting that we ask for is gone",
        NAMES,
        new(
            "from vllm import settings\n\n\ndef tile():\n"
            "    return settings.VLLM_TILE\n"
        ),
        on(
            SETTINGS,
            ("VLLM_TILE: int = 16\n", ""),
            (
                "    # Rows of a tile.\n"
                '    "VLLM_TILE": lambda: int(os.getenv("VLLM_TILE", "16")),\n',
                "",
            ),
        ),
    ),
    drift(
        "two arguments of a class method that we give by place changed places",
        NAMES,
        new(
            "from vllm.config import LayerConfig\n\n\ndef small():\n"
            "    return LayerConfig.of(64, 128)\n"
        ),
        on(
            CONFIG,
            (
                "def of(cls, hidden: int, intermediate: int)",
                "def of(cls, intermediate: int, hidden: int)",
            ),
        ),
    ),
    drift(
        "yes and reason became the reason alone",
        NAMES,
        new(
            "from vllm.experts import MarlinExperts\n\n\n"
            "def fits(config, major):\n"
            "    return MarlinExperts.supported(config, major)[0]\n"
        ),
        on(
            EXPERTS,
            ('            return False, "device"\n', '            return "device"\n'),
            (
                '            return False, "hidden size"\n        return True, ""\n',
                '            return "hidden size"\n        return ""\n',
            ),
        )
        | on(
            BACKENDS,
            (
                "        fits, reason = found.supported(config, major)\n"
                "        if fits:\n",
                "        reason = found.supported(config, major)\n"
                "        if not reason:\n",
            ),
        ),
    ),
    drift(
        "our file imports from beside it, and what was beside it moved",
        NAMES,
        new(
            "from .tools import round_up\n\n\ndef wide(n):\n    return round_up(n, 8)\n"
        ),
        {
            "vllm/utils/tools.py": [("", TREE[TOOLS])],
            "vllm/utils/__init__.py": [("", HEAD)],
            EXPERTS: [("from vllm.tools", "from vllm.utils.tools")],
            BACKENDS: [("from vllm.tools", "from vllm.utils.tools")],
        },
        gone=TOOLS,
    ),
    drift(
        "a text of module and name, and the class has another name",
        NAMES,
        on(
            BACKENDS,
            (
                '    Kind.MARLIN: "vllm.experts:MarlinExperts",\n',
                '    Kind.MARLIN: "vllm.experts:MarlinExperts",\n'
                '    Kind.TRITON: "vllm.experts:CutlassExperts",\n',
            ),
        ),
        on(EXPERTS, ("class CutlassExperts(", "class CutlassFp4Experts("))
        | on(
            BACKENDS,
            ("import CutlassExperts\n", "import CutlassFp4Experts\n"),
            ("return CutlassExperts\n", "return CutlassFp4Experts\n"),
            ('"vllm.experts:CutlassExperts"', '"vllm.experts:CutlassFp4Experts"'),
        ),
    ),
    drift(
        "C++: a macro of another file has another name",
        NAMES,
        on(
            KERNEL,
            (
                "  found *= count;\n",
                "  found *= count;\n  found += ROWS_PER_BLOCK;\n",
            ),
        ),
        on(MACROS, ("#define ROWS_PER_BLOCK 16", "#define BLOCK_ROWS 16"))
        | on(KERNEL, ("tiles<ROWS_PER_BLOCK>", "tiles<BLOCK_ROWS>")),
    ),
    drift(
        "CMake: the function that we call takes another keyword",
        NAMES,
        on(
            LISTS,
            (
                'message(STATUS "done")\n',
                "add_kernel(sm12x ARCH 12.0a SRCS csrc/sm12x.cu)\n\n"
                'message(STATUS "done")\n',
            ),
        ),
        on(
            LISTS,
            (
                '"" "ARCH" "SRCS" ${ARGN})\n  add_library(${NAME} ${ARG_SRCS})\n',
                '"" "ARCH" "SOURCES" ${ARGN})\n  add_library(${NAME} ${ARG_SOURCES})\n',
            ),
            ("ARCH 9.0 SRCS csrc", "ARCH 9.0 SOURCES csrc"),
        ),
    ),
    drift(
        "whether a device fits is said the other way",
        NAMES,
        new(
            "from vllm.experts import MarlinExperts\n\n\ndef fits(major):\n"
            "    return MarlinExperts.device_fits(major)\n"
        ),
        on(
            EXPERTS,
            ("        return major >= 9\n", "        return major < 9\n"),
            (
                "        if not cls.device_fits(major):\n",
                "        if cls.device_fits(major):\n",
            ),
        ),
        new(
            "from vllm.experts import MarlinExperts\n\n\ndef fits(major):\n"
            "    return MarlinExperts.device_fits(major)\n"
        ),
        read=True,
    ),
    drift(
        "the size that we divide is in other units",
        NAMES,
        new(
            "from vllm.tools import WORKSPACE\n\n\ndef rows(width):\n"
            "    return WORKSPACE // width\n"
        ),
        on(TOOLS, ("WORKSPACE = 394 * 1024 * 1024\n", "WORKSPACE = 394\n")),
        new(
            "from vllm.tools import WORKSPACE\n\n\ndef rows(width):\n"
            "    return WORKSPACE // width\n"
        ),
        read=True,
    ),
)

NINTH_PART: tuple[Change, ...] = (
    drift(
        "one of two calls landed",
        IN_PART,
        on(
            EXPERTS,
            (
                "        return self.rows * self.columns(True, 128)\n",
                "        return self.rows * self.columns(self.config.gated, 128)\n",
            ),
            (
                "        return self.rows * self.columns(True, 64)\n",
                "        return self.rows * self.columns(self.config.gated, 64)\n",
            ),
        ),
        on(
            EXPERTS,
            (
                "        return self.rows * self.columns(True, 128)\n",
                "        return self.rows * self.columns(self.config.gated, 128)\n",
            ),
        ),
        on(
            EXPERTS,
            (
                "        return self.rows * self.columns(True, 64)\n",
                "        return self.rows * self.columns(self.config.gated, 64)\n",
            ),
        ),
    ),
    drift(
        "the entry that we take out went, and another with it",
        IN_PART,
        on(BACKENDS, ('    "triton": Kind.TRITON,\n', "")),
        on(
            BACKENDS,
            ('    "marlin": Kind.MARLIN,\n    "triton": Kind.TRITON,\n', ""),
        ),
        {},
        dropped=True,
    ),
)

NINTH_TWICE: tuple[Change, ...] = (
    drift(
        "an option of one name at two places",
        TWICE,
        on(
            FIXTURES,
            (
                '    parser.addoption("--wide", action="store_true")\n',
                '    parser.addoption("--tile", default=16)\n'
                '    parser.addoption("--wide", action="store_true")\n',
            ),
        ),
        on(
            FIXTURES,
            (
                '    parser.addoption("--device", default="cpu")\n',
                '    parser.addoption("--device", default="cpu")\n'
                '    parser.addoption("--tile", default=32)\n',
            ),
        ),
    ),
    drift(
        "an operation of one name is registered at two places",
        TWICE,
        on(
            OPS,
            (
                'register(\n    "fused_mm",\n',
                'register(\n    "tiled_mm",\n    fused_mm,\n)\n'
                'register(\n    "fused_mm",\n',
            ),
        ),
        on(
            OPS,
            (
                '    mutates=("a",),\n)\n',
                '    mutates=("a",),\n)\n'
                'register(\n    "tiled_mm",\n    split_mm,\n)\n',
            ),
        ),
    ),
    drift(
        "C++: an operation of one name is bound at two places",
        TWICE,
        on(
            BINDINGS,
            (
                "  // Scaled.\n",
                '  ops.def("tiles(Tensor a) -> int");\n\n  // Scaled.\n',
            ),
        ),
        on(
            BINDINGS,
            (
                '  ops.impl("rows", torch::kCUDA, &rows);\n',
                '  ops.impl("rows", torch::kCUDA, &rows);\n\n'
                '  ops.def("tiles(Tensor a, int to) -> int");\n',
            ),
        ),
    ),
    drift(
        "YAML: a key of one name at two places",
        TWICE,
        on(
            STEPS,
            (
                "steps:\n  - label: moe\n",
                "steps:\n  - label: sm12x\n    key: sm12x\n    commands:\n"
                "      - pytest -v tests/test_sm12x.py\n  - label: moe\n",
            ),
        ),
        on(
            STEPS,
            (
                "      - pytest -v tests/test_gemm.py\n",
                "      - pytest -v tests/test_gemm.py\n  - label: consumer\n"
                "    key: sm12x\n    commands:\n"
                "      - pytest -v tests/test_consumer.py\n",
            ),
        ),
    ),
    drift(
        "TOML: a key of one name at two places of a table",
        TWICE,
        on(
            PROJECT,
            (
                'skip = "build"\n',
                'check-hidden = true\nskip = "build"\n',
            ),
        ),
        on(
            PROJECT,
            (
                'locale = "en"\n',
                'locale = "en"\ncheck-hidden = false\n',
            ),
        ),
    ),
    drift(
        "a branch of each at the end of a chain",
        TWICE,
        on(
            BACKENDS,
            (
                "    elif kind == Kind.MARLIN:\n        w2 = w2[::-1]\n",
                "    elif kind == Kind.MARLIN:\n        w2 = w2[::-1]\n"
                '    elif kind == BY_NAME["cutlass"]:\n        w2 = w2.copy()\n',
            ),
        ),
        on(
            BACKENDS,
            (
                "    elif kind == Kind.MARLIN:\n        w2 = w2[::-1]\n",
                "    elif kind == Kind.MARLIN:\n        w2 = w2[::-1]\n"
                "    elif kind is None:\n        w2 = None\n",
            ),
        ),
    ),
)

_OPEN = {
    "the order that we change is put in another one behind",
    "a match of all members comes in another file",
    "a class and its twin go to a file each",
    "another error is caught around our line",
    "what our branch is for is refused above",
    "the entry that we take out went, and another with it",
}
_ALL = (
    *NINTH_ELEMENTS,
    *NINTH_TWINS,
    *NINTH_AROUND,
    *NINTH_NAMES,
    *NINTH_PART,
    *NINTH_TWICE,
)
NINTH: tuple[Change, ...] = tuple(one for one in _ALL if one.name not in _OPEN)
LEFT_NINTH: tuple[Change, ...] = tuple(one for one in _ALL if one.name in _OPEN)
"""What is refused, though there is a right answer: counted as held out."""

_WAITS = on(
    BACKENDS, ("        w13 = w13[::-1]\n", "        w13 = w13[::-1].contiguous()\n")
)
_REWRITTEN = edited(
    TREE, on(BACKENDS, ("        w13 = w13[::-1]\n", "        w13 = w13.flip(0)\n"))
)


def _then(name: str, first: Edits, second: Edits, carried: bool) -> Series:
    """Two patches, the first of which waits on a line that upstream rewrote."""
    merged = {path: list(edits) for path, edits in _WAITS.items()}
    for path, edits in first.items():
        merged.setdefault(path, []).extend(edits)
    one = edited(TREE, merged)
    return Series(name, TREE, (one, edited(one, second)), _REWRITTEN, (False, carried))


NINTH_SERIES: tuple[Series, ...] = (
    _then(
        "asks for a fixture that the first adds",
        on(
            FIXTURES,
            (
                "def pytest_addoption(parser):\n",
                "@pytest.fixture\ndef sm12x():\n    return 12\n\n\n"
                "def pytest_addoption(parser):\n",
            ),
        ),
        new("def test_it(sm12x):\n    assert sm12x == 12\n", "tests/test_sm12x.py"),
        False,
    ),
    _then(
        "C++: calls an operation that the first binds",
        on(
            BINDINGS,
            (
                "  // Rows.\n",
                '  ops.def("sm12x_mm(Tensor a) -> Tensor");\n\n  // Rows.\n',
            ),
        ),
        new("import torch\n\n\ndef run(a):\n    return torch.ops._C.sm12x_mm(a)\n"),
        False,
    ),
    _then(
        "is built with a name that the first adds to those allowed",
        on(CONFIG, ('    "triton",\n]', '    "triton",\n    "sm12x_moe",\n]')),
        new(
            "from vllm.config import LayerConfig\n\n"
            'CONFIG = LayerConfig(64, 128, backend="sm12x_moe")\n'
        ),
        False,
    ),
    _then(
        "its test sets a variable that the first reads",
        on(
            SETTINGS,
            (
                "    # Whether kernels are fused.\n",
                '    "VLLM_SM12X": lambda: os.getenv("VLLM_SM12X", ""),\n'
                "    # Whether kernels are fused.\n",
            ),
        ),
        new(
            'def test_it(monkeypatch):\n    monkeypatch.setenv("VLLM_SM12X", "none")\n',
            "tests/test_sm12x.py",
        ),
        False,
    ),
    _then(
        "CMake: builds a file that the first adds",
        {"csrc/sm12x.cu": [("", "int sm12x() { return 12; }\n")]},
        on(
            LISTS,
            (
                'message(STATUS "done")\n',
                "add_kernel(sm12x ARCH 12.0a SRCS csrc/sm12x.cu)\n\n"
                'message(STATUS "done")\n',
            ),
        ),
        False,
    ),
    _then(
        "asks a setting that was there",
        on(
            SETTINGS,
            (
                "    # Whether kernels are fused.\n",
                '    "VLLM_SM12X": lambda: os.getenv("VLLM_SM12X", ""),\n'
                "    # Whether kernels are fused.\n",
            ),
        ),
        new(
            "from vllm import settings\n\n\ndef tile():\n"
            "    return settings.VLLM_TILE\n"
        ),
        True,
    ),
)
