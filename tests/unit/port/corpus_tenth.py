# SPDX-License-Identifier: Apache-2.0
"""A tenth set, set down whole once the ninth had been taught, before any was run.

Run then, 11 of 29 came out silently wrong, 3 wrong and told, and 2 of 5 chains were
called carried; one of the 11 was no drift, as its file had stayed. All have their
answer since.

On the tree of `corpus_ninth` with a kernel in Triton, a script and a list of CMake
more. Half of it is about what is used from another file than the one that is merged.
"""

from __future__ import annotations

from functools import partial

from tests.unit.port import drifts
from tests.unit.port.corpus_ninth import (
    BACKENDS,
    BINDINGS,
    CASE,
    CONFIG,
    EXPERTS,
    FIXTURES,
    KERNEL,
    LAYOUT,
    MACROS,
    MEMBER,
    OPS,
    PROJECT,
    SETTINGS,
    STEPS,
    TEST,
    TOOLS,
)
from tests.unit.port.corpus_ninth import TREE as NINTH_TREE
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

TRITON, SCRIPT, MORE = "vllm/tri.py", "docker/build.sh", "cmake/more.cmake"
NEW, NEW_TEST = "vllm/sm12x.py", "tests/test_sm12x.py"

TREE: Files = {
    **NINTH_TREE,
    TRITON: HEAD
    + '''\
"""Kernels in Triton."""

import triton
import triton.language as tl


@triton.jit
def scale_kernel(x, y, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK
    tl.store(y + at, tl.load(x + at) * 2)


def scaled(x, y):
    """Both halves."""
    scale_kernel[(1,)](x, y, BLOCK=16)
    return y
''',
    SCRIPT: """\
#!/bin/sh
set -e
if [ "$WIDE" = 1 ]; then
  make wide
  make check
fi
make all
""",
    MORE: """\
if(VLLM_WIDE)
  add_kernel(wide ARCH 9.0 SRCS csrc/wide.cu)
  message(STATUS "wide")
endif()
""",
}


drift = partial(drifts.drift, TREE)


def new(text: str, path: str = NEW) -> Edits:
    return {path: [("", HEAD + text)]}


NAMED = on(CONFIG, ('    "triton",\n]', '    "triton",\n    "sm12x",\n]'))

TENTH_ELEMENTS: tuple[Change, ...] = (
    drift(
        "all members of an enum are spelled otherwise",
        ELEMENTS,
        MEMBER,
        on(
            BACKENDS,
            (
                '    CUTLASS = "CUTLASS"\n    MARLIN = "MARLIN"\n',
                '    CUTLASS = "cutlass"\n    MARLIN = "marlin"\n',
            ),
        ),
        MEMBER,
        read=True,
    ),
    drift(
        "what may be asked for has to be what is known",
        ELEMENTS,
        NAMED,
        on(
            BACKENDS,
            (
                "from vllm.config import LayerConfig\n",
                "from vllm.config import Backend, LayerConfig\n",
            ),
            (
                "CLASSES = {\n",
                'assert set(Backend.__args__) == {"auto", *BY_NAME}\n\nCLASSES = {\n',
            ),
        ),
        NAMED,
        read=True,
    ),
    drift(
        "the last of the cases is asked for by its place",
        ELEMENTS,
        CASE,
        on(
            TEST,
            (
                "\n@pytest.mark.parametrize",
                'def test_last():\n    assert CASES[-1] == ("marlin", 9)\n\n\n'
                "@pytest.mark.parametrize",
            ),
        ),
        CASE,
        read=True,
    ),
    drift(
        "C++: a switch over all enumerators comes",
        ELEMENTS,
        LAYOUT,
        on(
            KERNEL,
            (
                "template <int Rows>\n",
                "int bytes(Layout layout) {\n  switch (layout) {\n"
                "    case Layout::kRow:\n      return 16;\n"
                "    case Layout::kCol:\n      return 32;\n  }\n  abort();\n}\n\n"
                "template <int Rows>\n",
            ),
        ),
    ),
)

WIDER = on(
    EXPERTS,
    ("        rows = round_up(hidden, 16)\n", "        rows = round_up(hidden, 32)\n"),
)
PREPARED = NINTH_TREE[BACKENDS][NINTH_TREE[BACKENDS].index("def prepared(") :]

TENTH_TWINS: tuple[Change, ...] = (
    drift(
        "a copy under a new name is what is used now",
        TWINS,
        WIDER,
        on(
            EXPERTS,
            (
                "class MarlinExperts(Experts):\n",
                "class CutlassFp4Experts(Experts):\n"
                '    """By CUTLASS, in FP4."""\n\n    name = "cutlass"\n\n'
                "    def apply(self, hidden, weights):\n"
                '        """One pass."""\n'
                "        rows = round_up(hidden, 16)\n        self.rows = rows\n"
                "        return rows * weights\n\n\n"
                "class MarlinExperts(Experts):\n",
            ),
        )
        | on(
            BACKENDS,
            ('"vllm.experts:CutlassExperts"', '"vllm.experts:CutlassFp4Experts"'),
            ("import CutlassExperts\n", "import CutlassFp4Experts\n"),
            ("return CutlassExperts\n", "return CutlassFp4Experts\n"),
        ),
    ),
    drift(
        "a function of the file is a class's, and its name stands for that",
        TWINS,
        on(BACKENDS, ("        w2 = w2[::-1]\n", "        w2 = w2[::-1].copy()\n")),
        on(
            BACKENDS,
            (
                PREPARED,
                "class Weights:\n"
                '    """How they are laid out."""\n\n'
                "    @staticmethod\n"
                + "".join(
                    f"    {row}\n" if row else "\n"
                    for row in PREPARED.rstrip("\n").split("\n")
                )
                + "\n\nprepared = Weights.prepared\n",
            ),
        ),
    ),
)

CHECKED = on(SCRIPT, ("  make check\n", "  make check\n  make sm12x\n"))
WIDE_LIST = on(
    MORE, ('  message(STATUS "wide")\n', '  message(STATUS "wide")\n  list(POP A)\n')
)
MARLIN_W2 = on(BACKENDS, ("        w2 = w2[::-1]\n", "        w2 = w2[::-1].copy()\n"))
MARLIN_TEXT = on(
    BACKENDS,
    (
        '            text = "on Marlin"\n',
        '            text = "on Marlin, not SM12x"\n',
    ),
)

TENTH_AROUND: tuple[Change, ...] = (
    drift(
        "shell: the test around our line asks the contrary",
        AROUND,
        CHECKED,
        on(SCRIPT, ('if [ "$WIDE" = 1 ]; then\n', 'if [ "$WIDE" != 1 ]; then\n')),
    ),
    drift(
        "CMake: the block around our line asks the contrary",
        AROUND,
        WIDE_LIST,
        on(MORE, ("if(VLLM_WIDE)\n", "if(NOT VLLM_WIDE)\n")),
    ),
    drift(
        "CMake: the block around our line asks for something else",
        AROUND,
        WIDE_LIST,
        on(MORE, ("if(VLLM_WIDE)\n", "if(VLLM_NARROW)\n")),
        WIDE_LIST,
        read=True,
    ),
    drift(
        "a branch above takes a part of what came to ours",
        AROUND,
        MARLIN_W2,
        on(
            BACKENDS,
            (
                '        logger.info("swapped")\n    elif kind == Kind.MARLIN:\n',
                '        logger.info("swapped")\n'
                "    elif kind == Kind.MARLIN and not gated:\n        w13 = w13[::-1]\n"
                "    elif kind == Kind.MARLIN:\n",
            ),
        ),
        MARLIN_W2,
        read=True,
    ),
    drift(
        "a case above takes a part of what came to ours",
        AROUND,
        MARLIN_TEXT,
        on(
            BACKENDS,
            (
                '            text = "gated on CUTLASS"\n'
                "            logger.info(text)\n",
                '            text = "gated on CUTLASS"\n'
                "            logger.info(text)\n"
                "        case Kind.MARLIN if not config.gated:\n"
                '            text = "plain"\n',
            ),
        ),
        MARLIN_TEXT,
        read=True,
    ),
)

KEYED = new(
    "from vllm.backends import width_of\n\n\ndef by_width(layers):\n"
    "    return sorted(layers, key=width_of)\n"
)
MARKED = new(
    "import pytest\n\n\n@pytest.mark.gpu\ndef test_it():\n    assert True\n", NEW_TEST
)
ASKED = new(
    "import pytest\n\n\n@pytest.fixture\ndef wide(request):\n"
    '    return request.config.getoption("--wide")\n\n\n'
    "def test_it(wide):\n    assert not wide\n",
    NEW_TEST,
)
SAFE = new(
    "from vllm.backends import experts\n\n\ndef found(kind):\n    try:\n"
    "        return experts(kind)\n    except ValueError:\n        return None\n"
)
KIND_NAME = new(
    "from vllm.experts import CutlassExperts\n\n\ndef is_cutlass(name):\n"
    "    return name == CutlassExperts.name\n"
)
SMALL = new(
    "from vllm.config import LayerConfig\n\n\ndef small():\n"
    "    return LayerConfig(hidden=64, intermediate=128)\n"
)
_RENAMED_OP: Edits = {
    BINDINGS: [
        ('  ops.def("scaled_mm(', '  ops.def("cutlass_scaled_mm('),
        ('  ops.impl("scaled_mm"', '  ops.impl("cutlass_scaled_mm"'),
    ],
    OPS: [("torch.ops._C.scaled_mm", "torch.ops._C.cutlass_scaled_mm")],
}

TENTH_NAMES: tuple[Change, ...] = (
    drift(
        "an operation that we call by a short name has another",
        NAMES,
        new(
            "import torch\n\nC = torch.ops._C\n\n\ndef run(a, b, scale):\n"
            "    return C.scaled_mm(a, b, scale)\n"
        ),
        _RENAMED_OP,
    ),
    drift(
        "an operation that we ask whether it is there has another name",
        NAMES,
        new(
            "import torch\n\n\ndef fused():\n"
            '    return hasattr(torch.ops._C, "scaled_mm")\n'
        ),
        _RENAMED_OP,
    ),
    drift(
        "Triton: a constant of a kernel that we start has another name",
        NAMES,
        new(
            "from vllm.tri import scale_kernel\n\n\ndef run(x, y):\n"
            "    scale_kernel[(2,)](x, y, BLOCK=32)\n"
        ),
        {
            TRITON: [
                ("def scale_kernel(x, y, BLOCK:", "def scale_kernel(x, y, BLOCK_SIZE:"),
                ("tl.program_id(0) * BLOCK\n", "tl.program_id(0) * BLOCK_SIZE\n"),
                ("(x, y, BLOCK=16)", "(x, y, BLOCK_SIZE=16)"),
            ]
        },
    ),
    drift(
        "a function that we hand on takes one more",
        NAMES,
        KEYED,
        on(
            BACKENDS,
            (
                "def width_of(config: LayerConfig):\n",
                "def width_of(config: LayerConfig, major):\n",
            ),
        ),
    ),
    drift(
        "a list of what may be asked comes one by one",
        NAMES,
        new(
            "from vllm.backends import available\n\n\ndef best(config):\n"
            "    return available(config)[0]\n"
        ),
        on(BACKENDS, ("    return kinds\n", "    yield from kinds\n")),
    ),
    drift(
        "what our class says as a text is a method above it",
        NAMES,
        new(
            "from vllm.experts import Experts\n\n\nclass Sm12xExperts(Experts):\n"
            '    name = "sm12x"\n'
        ),
        on(
            EXPERTS,
            (
                '    name = ""\n\n',
                '    @classmethod\n    def name(cls):\n        return ""\n\n',
            ),
            (
                '    name = "cutlass"\n',
                '    @classmethod\n    def name(cls):\n        return "cutlass"\n',
            ),
            (
                '    name = "marlin"\n',
                '    @classmethod\n    def name(cls):\n        return "marlin"\n',
            ),
        ),
    ),
    drift(
        "a mark of our test has another name in the settings",
        NAMES,
        MARKED,
        on(PROJECT, ('  "gpu: wants a device",\n', '  "device: wants one",\n')),
    ),
    drift(
        "an option that our test asks for is gone",
        NAMES,
        ASKED,
        on(FIXTURES, ('    parser.addoption("--wide", action="store_true")\n', "")),
    ),
    drift(
        "the error that we catch is another",
        NAMES,
        SAFE,
        on(
            BACKENDS,
            (
                '        raise ValueError(f"no class for {kind.value}")\n',
                '        raise LookupError(f"no class for {kind.value}")\n',
            ),
        ),
        SAFE,
        read=True,
    ),
    drift(
        "a text of a class that we compare with is another",
        NAMES,
        KIND_NAME,
        on(EXPERTS, ('    name = "cutlass"\n', '    name = "cutlass_fp4"\n')),
        KIND_NAME,
        read=True,
    ),
    drift(
        "a field that we leave out has another value",
        NAMES,
        SMALL,
        on(CONFIG, ("    gated: bool = True\n", "    gated: bool = False\n")),
        SMALL,
        read=True,
    ),
    drift(
        "C++: a macro of another file takes its arguments the other way",
        NAMES,
        on(
            KERNEL,
            (
                "  found *= count;\n",
                "  found *= count;\n  DISPATCH_HALF(config.type, found);\n",
            ),
        ),
        on(
            MACROS,
            (
                "#define DISPATCH_HALF(TYPE, ...) dispatch(TYPE, __VA_ARGS__)\n",
                "#define DISPATCH_HALF(NAME, TYPE, ...) dispatch(TYPE, __VA_ARGS__)\n",
            ),
        ),
        on(
            KERNEL,
            (
                "  found *= count;\n",
                "  found *= count;\n  DISPATCH_HALF(config.type, found);\n",
            ),
        ),
        read=True,
    ),
    drift(
        "a test that we name in a step of CI is at another place",
        NAMES,
        on(
            STEPS,
            (
                "      - pytest -v tests/test_gemm.py\n",
                "      - pytest -v tests/test_gemm.py\n"
                "      - pytest -v tests/test_backends.py -k sm12x\n",
            ),
        ),
        {"tests/kernels/test_backends.py": [("", NINTH_TREE[TEST])]}
        | on(
            STEPS,
            (
                "      - pytest -v tests/test_backends.py\n",
                "      - pytest -v tests/kernels/test_backends.py\n",
            ),
        ),
        gone=TEST,
    ),
)

TENTH_PART: tuple[Change, ...] = (
    drift(
        "one of two texts of the log landed",
        IN_PART,
        on(
            BACKENDS,
            (
                '        logger.info("swapped")\n',
                '        logger.info("halves swapped")\n',
            ),
            (
                '            logger.info("no class")\n',
                '            logger.info("no class yet")\n',
            ),
        ),
        on(
            BACKENDS,
            (
                '        logger.info("swapped")\n',
                '        logger.info("halves swapped")\n',
            ),
        ),
        on(
            BACKENDS,
            (
                '            logger.info("no class")\n',
                '            logger.info("no class yet")\n',
            ),
        ),
    ),
    drift(
        "the same size, written otherwise",
        IN_PART,
        on(
            TOOLS,
            ("WORKSPACE = 394 * 1024 * 1024\n", "WORKSPACE = 512 * 1024 * 1024\n"),
        ),
        on(TOOLS, ("WORKSPACE = 394 * 1024 * 1024\n", "WORKSPACE = 512 << 20\n")),
    ),
)

TENTH_TWICE: tuple[Change, ...] = (
    drift(
        "C++: a macro of one name at two places, of two values",
        TWICE,
        on(MACROS, ("#pragma once\n", "#pragma once\n\n#define TILE_N 16\n")),
        on(
            MACROS,
            (
                "#define ROWS_PER_BLOCK 16\n",
                "#define ROWS_PER_BLOCK 16\n#define TILE_N 32\n",
            ),
        ),
    ),
    drift(
        "a case of one member at two places",
        TWICE,
        on(
            BACKENDS,
            (
                "        case _:\n",
                '        case Kind.TRITON:\n            text = "on SM12x"\n'
                "        case _:\n",
            ),
        ),
        on(
            BACKENDS,
            (
                "    match kind:\n",
                "    match kind:\n        case Kind.TRITON:\n"
                '            text = "on Triton"\n',
            ),
        ),
    ),
    drift(
        "a variable of one name at two places, of two values",
        TWICE,
        on(
            SETTINGS,
            (
                "    # Rows of a tile.\n",
                '    "VLLM_AUTO": lambda: os.getenv("VLLM_AUTO", "all"),\n'
                "    # Rows of a tile.\n",
            ),
        ),
        on(
            SETTINGS,
            (
                '    "VLLM_FUSE": lambda: bool(int(os.getenv("VLLM_FUSE", "1"))),\n',
                '    "VLLM_FUSE": lambda: bool(int(os.getenv("VLLM_FUSE", "1"))),\n'
                '    "VLLM_AUTO": lambda: os.getenv("VLLM_AUTO", "none"),\n',
            ),
        ),
    ),
)

TENTH: tuple[Change, ...] = (
    *TENTH_ELEMENTS,
    *TENTH_TWINS,
    *TENTH_AROUND,
    *TENTH_NAMES,
    *TENTH_PART,
    *TENTH_TWICE,
)

_WAITS = on(
    EXPERTS,
    ("        return major >= 9\n", "        return major >= 9 or major == 0\n"),
)
_REWRITTEN = edited(
    TREE,
    on(EXPERTS, ("        return major >= 9\n", "        return 9 <= major < 13\n")),
)


def _then(name: str, first: Edits, second: Edits, carried: bool) -> Series:
    """Two patches, the first of which waits on a line that upstream rewrote."""
    one = edited(TREE, {**first, **_WAITS})
    return Series(name, TREE, (one, edited(one, second)), _REWRITTEN, (False, carried))


TENTH_SERIES: tuple[Series, ...] = (
    _then(
        "has a mark that the first adds to the settings",
        on(
            PROJECT,
            (
                '  "gpu: wants a device",\n',
                '  "gpu: wants a device",\n  "sm12x: wants an SM12x",\n',
            ),
        ),
        new(
            "import pytest\n\n\n@pytest.mark.sm12x\ndef test_it():\n    assert True\n",
            NEW_TEST,
        ),
        False,
    ),
    _then(
        "its test asks for an option that the first adds",
        on(
            FIXTURES,
            (
                '    parser.addoption("--wide", action="store_true")\n',
                '    parser.addoption("--wide", action="store_true")\n'
                '    parser.addoption("--sm12x", action="store_true")\n',
            ),
        ),
        new(
            "def test_it(request):\n"
            '    assert not request.config.getoption("--sm12x")\n',
            NEW_TEST,
        ),
        False,
    ),
    _then(
        "CI runs a test that the first adds",
        new("def test_it():\n    assert True\n", NEW_TEST),
        on(
            STEPS,
            (
                "      - pytest -v tests/test_gemm.py\n",
                "      - pytest -v tests/test_gemm.py\n"
                "      - pytest -v tests/test_sm12x.py\n",
            ),
        ),
        False,
    ),
    _then(
        "asks the settings for what the first adds",
        on(
            SETTINGS,
            (
                "VLLM_FUSE: bool = True\n",
                'VLLM_FUSE: bool = True\nVLLM_SM12X: str = "all"\n',
            ),
        ),
        new(
            "from vllm import settings\n\n\ndef auto():\n"
            "    return settings.VLLM_SM12X\n"
        ),
        False,
    ),
    _then(
        "CI runs a test that was there",
        new("def test_it():\n    assert True\n", "tests/test_other.py"),
        on(
            STEPS,
            (
                "      - pytest -v tests/test_gemm.py\n",
                "      - pytest -v tests/test_gemm.py\n"
                "      - pytest -v tests/test_backends.py -k marlin\n",
            ),
        ),
        True,
    ),
)
