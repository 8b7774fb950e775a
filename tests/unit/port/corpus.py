# SPDX-License-Identifier: Apache-2.0
"""Upstream changes, made by hand, each with the right answer."""

from __future__ import annotations

from tests.unit.port.corpus_drift import DRIFT, SERIES
from tests.unit.port.corpus_eighth import EIGHTH
from tests.unit.port.corpus_eleventh import ELEVENTH
from tests.unit.port.corpus_fields import FIELDS
from tests.unit.port.corpus_fifth import FIFTH, FIFTH_SERIES
from tests.unit.port.corpus_fourth import FOURTH, FOURTH_SERIES
from tests.unit.port.corpus_more import MORE
from tests.unit.port.corpus_newcomer import AGAIN, NEWCOMER
from tests.unit.port.corpus_ninth import NINTH, NINTH_SERIES
from tests.unit.port.corpus_released import CHAINS_RELEASED, RELEASED
from tests.unit.port.corpus_second import SECOND, SECOND_SERIES
from tests.unit.port.corpus_seventh import SEVENTH, SEVENTH_SERIES, VANISHED
from tests.unit.port.corpus_sixth import SIXTH, SIXTH_SERIES
from tests.unit.port.corpus_tenth import TENTH, TENTH_SERIES
from tests.unit.port.corpus_third import THIRD, THIRD_SERIES
from tests.unit.port.corpus_thirteenth import THIRTEENTH
from tests.unit.port.corpus_twelfth import CHAINS_TWELFTH, TWELFTH
from tests.unit.port.model import BASE, Change, Series, file_case, replaced

SM120 = BASE[BASE.index("def sm120_gate") : BASE.index("@functools.cache")]
SM90 = BASE[BASE.index("def sm90_gate") : BASE.index("def sm120_gate")]
WORKSPACE = BASE[BASE.index("@functools.cache") : BASE.index("class Selector")]
DESCRIBE = BASE[BASE.index("def describe") : BASE.index("def from_environment")]
CHOOSE = BASE[BASE.index("    def choose") : BASE.index("    def reset")]

WIDER = SM120.replace("minor == 0", "minor in (0, 1)")
WIDEN = [(SM120, WIDER)]
"""Our patch of the gate: SM121 passes too."""
BIGGER = [("rows = max(tokens, 16)", "rows = max(tokens, 128)")]
MEMBER = [
    (
        '    MARLIN = "MARLIN"\n',
        '    MARLIN = "MARLIN"\n    SM12X = "SM12X"\n',
    )
]
NAME = [('    "marlin",\n]', '    "marlin",\n    "sm12x",\n]')]
ENTRY = [
    (
        '    "marlin": Backend.MARLIN,\n',
        '    "marlin": Backend.MARLIN,\n    "sm12x": Backend.EMULATION,\n',
    )
]
FIRST = [
    (
        "    Backend.CUTLASS,\n    Backend.DEEP_GEMM,\n",
        "    Backend.CUTLASS,\n    Backend.EMULATION,\n    Backend.DEEP_GEMM,\n",
    )
]
IMPORT = [
    (
        "from vllm.utils import flashinfer, torch_utils\n",
        "from vllm.utils import flashinfer, sm12x, torch_utils\n",
    )
]
NEW_FUNCTION = '''\
def is_sm12x(capability):
    """Whether this is an SM120 or an SM121."""
    return capability is not None and capability[0] == 12


'''
ADD = [("@functools.cache\n", NEW_FUNCTION + "@functools.cache\n")]
SHORT_GATE = """\
def sm120_gate(capability):
    return capability in SUPPORTED


"""
NO_NAME = [("if name not in REGISTRY:", "if name.lower() not in REGISTRY:")]

moved_last = replaced(BASE, (SM120, "")) + "\n\n" + SM120.rstrip("\n") + "\n"

CORPUS: tuple[Change, ...] = (
    # Functions that move.
    file_case(
        "function moved to the end",
        "function moved",
        WIDEN,
        moved_last,
        moved_last.replace(SM120.rstrip("\n"), WIDER.rstrip("\n")),
    ),
    file_case(
        "function moved before its twin",
        "function moved",
        WIDEN,
        [(SM90 + SM120, SM120 + SM90)],
        [(SM120, WIDER)],
    ),
    file_case(
        "other function moved away",
        "function moved",
        BIGGER,
        replaced(BASE, (DESCRIBE, "")).replace(
            "def sm90_gate", DESCRIBE + "def sm90_gate"
        ),
        BIGGER,
    ),
    # Functions that are renamed.
    file_case(
        "function renamed",
        "function renamed",
        BIGGER,
        [("def workspace_bytes", "def scratch_bytes")],
        BIGGER,
    ),
    file_case(
        "class renamed",
        "function renamed",
        NO_NAME,
        [("class Selector:", "class BackendSelector:")],
        NO_NAME,
    ),
    file_case(
        "both twins renamed, one to our function's name",
        "function renamed",
        WIDEN,
        [
            ("def sm120_gate", "def sm100_gate"),
            ("def sm90_gate", "def sm120_gate"),
            ("SM120", "SM100"),
            ("SM90", "SM120"),
        ],
        [(SM120, WIDER)],
    ),
    # Signatures.
    file_case(
        "argument added on another line",
        "signature changed",
        BIGGER,
        [("(tokens, hidden)", "(tokens, hidden, dtype)")],
        BIGGER,
    ),
    file_case(
        "argument added beside ours",
        "signature changed",
        [("(tokens, hidden)", "(tokens, hidden, capability)")],
        [("(tokens, hidden)", "(tokens, hidden, dtype)")],
        None,
    ),
    file_case(
        "signature wrapped",
        "signature changed",
        NO_NAME,
        [
            (
                "def choose(self, name):",
                "def choose(\n        self,\n        name,\n    ):",
            )
        ],
        NO_NAME,
    ),
    # Twins of the hunk's context.
    file_case(
        "target rewritten, twin stays",
        "twin of the context",
        WIDEN,
        [(SM120, SHORT_GATE)],
        None,
    ),
    file_case(
        "target deleted, twin stays",
        "twin of the context",
        WIDEN,
        [(SM120, "")],
        None,
    ),
    file_case(
        "twin inserted before",
        "twin of the context",
        WIDEN,
        [(SM120, SM120.replace("120", "100") + SM120)],
        [(SM120, WIDER)],
    ),
    file_case(
        "twin inserted behind",
        "twin of the context",
        WIDEN,
        [(SM120, SM120 + SM120.replace("120", "130"))],
        [(SM120, WIDER)],
    ),
    file_case(
        "twin deleted, target stays",
        "twin of the context",
        WIDEN,
        [(SM90, "")],
        [(SM120, WIDER)],
    ),
    file_case(
        "twin has the fix",
        "twin of the context",
        WIDEN,
        [(SM90, SM90.replace("minor == 0", "minor in (0, 1)")), (SM120, SHORT_GATE)],
        None,
    ),
    # Lists.
    file_case(
        "list reordered",
        "list reordered",
        FIRST,
        [
            (
                "    Backend.CUTLASS,\n    Backend.DEEP_GEMM,\n    Backend.MARLIN,\n",
                "    Backend.MARLIN,\n    Backend.CUTLASS,\n    Backend.DEEP_GEMM,\n",
            )
        ],
        FIRST,
    ),
    file_case(
        "list reversed",
        "list reordered",
        FIRST,
        [
            (
                "    Backend.CUTLASS,\n    Backend.DEEP_GEMM,\n    Backend.MARLIN,\n",
                "    Backend.MARLIN,\n    Backend.DEEP_GEMM,\n    Backend.CUTLASS,\n",
            )
        ],
        None,
    ),
    file_case(
        "list's neighbour removed",
        "list reordered",
        FIRST,
        [
            (
                "    Backend.CUTLASS,\n    Backend.DEEP_GEMM,\n    Backend.MARLIN,\n",
                "    Backend.CUTLASS,\n    Backend.MARLIN,\n",
            )
        ],
        [
            (
                "    Backend.CUTLASS,\n    Backend.MARLIN,\n",
                "    Backend.CUTLASS,\n    Backend.EMULATION,\n    Backend.MARLIN,\n",
            )
        ],
    ),
    file_case(
        "list got another at the same place",
        "list reordered",
        FIRST,
        [
            (
                "    Backend.CUTLASS,\n    Backend.DEEP_GEMM,\n",
                "    Backend.CUTLASS,\n    Backend.MARLIN_V2,\n"
                "    Backend.DEEP_GEMM,\n",
            )
        ],
        None,
    ),
    # Enums, Literals, registries.
    file_case(
        "enum member added beside ours",
        "enum member added",
        MEMBER,
        [
            (
                '    MARLIN = "MARLIN"\n',
                '    MARLIN = "MARLIN"\n    HUMMING = "HUMMING"\n',
            )
        ],
        [
            (
                '    HUMMING = "HUMMING"\n',
                '    HUMMING = "HUMMING"\n    SM12X = "SM12X"\n',
            )
        ],
        [
            (
                '    HUMMING = "HUMMING"\n',
                '    SM12X = "SM12X"\n    HUMMING = "HUMMING"\n',
            )
        ],
    ),
    file_case(
        "enum member after ours removed",
        "enum member added",
        MEMBER,
        [('    EMULATION = "EMULATION"\n', "")],
        MEMBER,
    ),
    file_case(
        "same enum member added otherwise",
        "enum member added",
        MEMBER,
        [('    MARLIN = "MARLIN"\n', '    SM12X = "sm12x"\n    MARLIN = "MARLIN"\n')],
        None,
    ),
    file_case(
        "Literal extended beside ours",
        "enum member added",
        NAME,
        [('    "marlin",\n]', '    "marlin",\n    "humming",\n]')],
        [('    "humming",\n', '    "humming",\n    "sm12x",\n')],
        [('    "humming",\n', '    "sm12x",\n    "humming",\n')],
    ),
    file_case(
        "Literal sorted anew",
        "enum member added",
        NAME,
        [
            (
                '    "auto",\n    "cutlass",\n    "deep_gemm",\n    "marlin",\n',
                '    "marlin",\n    "deep_gemm",\n    "cutlass",\n    "auto",\n',
            )
        ],
        [
            (
                '    "marlin",\n    "deep_gemm"',
                '    "marlin",\n    "sm12x",\n    "deep_gemm"',
            )
        ],
    ),
    file_case(
        "registry extended beside ours",
        "enum member added",
        ENTRY,
        [
            (
                '    "marlin": Backend.MARLIN,\n',
                '    "marlin": Backend.MARLIN,\n    "fast": Backend.CUTLASS,\n',
            )
        ],
        [
            (
                '    "fast": Backend.CUTLASS,\n',
                '    "fast": Backend.CUTLASS,\n    "sm12x": Backend.EMULATION,\n',
            )
        ],
        [
            (
                '    "fast": Backend.CUTLASS,\n',
                '    "sm12x": Backend.EMULATION,\n    "fast": Backend.CUTLASS,\n',
            )
        ],
    ),
    file_case(
        "registry has our key otherwise",
        "enum member added",
        ENTRY,
        [
            (
                '    "cutlass": Backend.CUTLASS,\n',
                '    "cutlass": Backend.CUTLASS,\n    "sm12x": Backend.CUTLASS,\n',
            )
        ],
        None,
    ),
    # Imports.
    file_case(
        "import block sorted anew",
        "import block re-sorted",
        IMPORT,
        [
            (
                "from vllm.logger import init_logger\n"
                "from vllm.platforms import current_platform\n"
                "from vllm.utils import flashinfer, torch_utils\n",
                "from vllm.utils import flashinfer, torch_utils\n"
                "from vllm.platforms import current_platform\n"
                "from vllm.logger import init_logger\n",
            )
        ],
        IMPORT,
    ),
    file_case(
        "import of another name on our line",
        "import block re-sorted",
        IMPORT,
        [
            (
                "from vllm.utils import flashinfer, torch_utils\n",
                "from vllm.utils import deep_gemm, flashinfer, torch_utils\n",
            )
        ],
        [("flashinfer, torch_utils\n", "flashinfer, sm12x, torch_utils\n")],
    ),
    file_case(
        "import wrapped",
        "import block re-sorted",
        IMPORT,
        [
            (
                "from vllm.utils import flashinfer, torch_utils\n",
                "from vllm.utils import (\n    flashinfer,\n    torch_utils,\n)\n",
            )
        ],
        [("    torch_utils,\n", "    sm12x,\n    torch_utils,\n")],
    ),
    file_case(
        "import added beside ours",
        "import block re-sorted",
        [
            (
                "from vllm.platforms import current_platform\n",
                "from vllm.platforms import current_platform\n"
                "from vllm.sequence import Sequence\n",
            )
        ],
        [
            (
                "from vllm.platforms import current_platform\n",
                "from vllm.platforms import current_platform\n"
                "from vllm.triton_utils import triton\n",
            )
        ],
        [
            (
                "from vllm.triton_utils import triton\n",
                "from vllm.sequence import Sequence\n"
                "from vllm.triton_utils import triton\n",
            )
        ],
        [
            (
                "from vllm.triton_utils import triton\n",
                "from vllm.triton_utils import triton\n"
                "from vllm.sequence import Sequence\n",
            )
        ],
    ),
    # Our change landed.
    file_case(
        "landed as it is",
        "landed",
        WIDEN,
        [*WIDEN],
        [],
        dropped=True,
    ),
    file_case(
        "landed as it is, much else changed",
        "landed",
        BIGGER,
        [*BIGGER, ("class Selector:", "class Chooser:"), (SM90, "")],
        [],
        dropped=True,
    ),
    file_case(
        "landed in another form",
        "landed in another form",
        ADD,
        [
            (
                DESCRIBE,
                DESCRIBE
                + NEW_FUNCTION.replace(
                    "return capability is not None and capability[0] == 12",
                    "return bool(capability) and capability[0] == 12",
                ),
            )
        ],
        None,
    ),
    file_case(
        "landed elsewhere in the file",
        "landed in another form",
        ADD,
        [(DESCRIBE, DESCRIBE + NEW_FUNCTION)],
        None,
    ),
    file_case(
        "landed at another place of the enum",
        "landed in another form",
        MEMBER,
        [
            (
                '    EMULATION = "EMULATION"\n',
                '    EMULATION = "EMULATION"\n    SM12X = "SM12X"\n',
            )
        ],
        None,
    ),
    *MORE,
    *DRIFT,
    *SECOND,
    *FIELDS,
    *NEWCOMER,
    *AGAIN,
    *THIRD,
    *FOURTH,
    *FIFTH,
    *SIXTH,
    *SEVENTH,
    *VANISHED,
    *EIGHTH,
    *NINTH,
    *TENTH,
    *ELEVENTH,
    *TWELFTH,
    *THIRTEENTH,
    *RELEASED,
)

CHAINS: tuple[Series, ...] = (
    *SERIES,
    *SECOND_SERIES,
    *THIRD_SERIES,
    *FOURTH_SERIES,
    *FIFTH_SERIES,
    *SIXTH_SERIES,
    *SEVENTH_SERIES,
    *NINTH_SERIES,
    *TENTH_SERIES,
    *CHAINS_TWELFTH,
    *CHAINS_RELEASED,
)
