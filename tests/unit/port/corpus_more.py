# SPDX-License-Identifier: Apache-2.0
"""More of the corpus: files that move or go, layout, C++, documents, new files."""

from __future__ import annotations

from tests.unit.port.model import BASE, PATH, Change, file_case, replaced

BIGGER = [("rows = max(tokens, 16)", "rows = max(tokens, 128)")]
WORKSPACE = BASE[BASE.index("@functools.cache") : BASE.index("class Selector")]
CHOOSE = BASE[BASE.index("    def choose") : BASE.index("    def reset")]
DESCRIBE = BASE[BASE.index("def describe") : BASE.index("def from_environment")]
ELSEWHERE = "vllm/kernels/gate.py"
WITHOUT = replaced(BASE, (WORKSPACE, ""))
HEAD = "# SPDX-License-Identifier: Apache-2.0\n"


def files_case(
    name: str,
    kind: str,
    theirs: dict[str, str],
    ours: dict[str, str],
    *right: dict[str, str],
    base: dict[str, str] | None = None,
    dropped: bool = False,
) -> Change:
    start = {PATH: BASE} if base is None else base
    return Change(name, kind, start, theirs, ours, right, dropped)


KERNEL = """\
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

namespace vllm {

__global__ void scale_kernel(float* out, const float* in, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    out[i] = in[i] * 2.0f;
  }
}

__global__ void shift_kernel(float* out, const float* in, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    out[i] = in[i] + 2.0f;
  }
}

void launch(float* out, const float* in, int n) {
  scale_kernel<<<n / 256 + 1, 256>>>(out, in, n);
}

}  // namespace vllm
"""
SHIFT = KERNEL[KERNEL.index("__global__ void shift") : KERNEL.index("void launch")]
CU = "csrc/scale.cu"
GUARD = [("in[i] * 2.0f", "in[i] * 4.0f")]
LAUNCH = [("n / 256 + 1, 256", "(n + 255) / 256, 256")]

DOC = """\
# Backends

## Linear

Set `--linear-backend` to choose.

| name | device |
|---|---|
| cutlass | SM90 |

## MoE

Set `--moe-backend` to choose.

| name | device |
|---|---|
| cutlass | SM90 |
"""
ROW = [
    (
        "Set `--moe-backend` to choose.\n\n| name | device |\n"
        "|---|---|\n| cutlass | SM90 |\n",
        "Set `--moe-backend` to choose.\n\n| name | device |\n"
        "|---|---|\n| cutlass | SM90 |\n"
        "| sm12x | SM120 |\n",
    )
]
MD = "docs/backends.md"
CFG = "tools/settings.cfg"
SETTINGS = "".join(f"option_{i} = {i}\n" for i in range(20))

REFORMATTED = replaced(
    BASE,
    (
        '    return f"backend {backend.value} on {current_platform.device_name}"\n',
        "    name = backend.value\n"
        "    device = current_platform.device_name\n"
        '    return f"backend {name} on {device}"\n',
    ),
)

MORE: tuple[Change, ...] = (
    # Files.
    files_case(
        "file moved",
        "file moved",
        {PATH: replaced(BASE, *BIGGER)},
        {ELSEWHERE: BASE},
        {ELSEWHERE: replaced(BASE, *BIGGER)},
    ),
    files_case(
        "file moved and edited",
        "file moved",
        {PATH: replaced(BASE, *BIGGER)},
        {ELSEWHERE: replaced(BASE, (DESCRIBE, ""))},
        {ELSEWHERE: replaced(BASE, (DESCRIBE, ""), *BIGGER)},
    ),
    files_case(
        "file split, our function went",
        "file split",
        {PATH: replaced(BASE, *BIGGER)},
        {
            PATH: WITHOUT,
            "vllm/workspace.py": HEAD + "import functools\n\n\n" + WORKSPACE,
        },
    ),
    files_case(
        "file split, our function stayed",
        "file split",
        {PATH: replaced(BASE, *BIGGER)},
        {PATH: replaced(BASE, (DESCRIBE, "")), "vllm/log.py": HEAD + DESCRIBE},
        {
            PATH: replaced(BASE, (DESCRIBE, ""), *BIGGER),
            "vllm/log.py": HEAD + DESCRIBE,
        },
    ),
    files_case(
        "file deleted",
        "target deleted",
        {PATH: replaced(BASE, *BIGGER)},
        {"vllm/other.py": HEAD},
    ),
    files_case(
        "our new file is upstream too, otherwise",
        "landed in another form",
        {PATH: BASE, "vllm/sm12x.py": HEAD + "NAMES = ('sm120', 'sm121')\n"},
        {PATH: BASE, "vllm/sm12x.py": HEAD + "NAMES = ('sm120',)\n"},
    ),
    files_case(
        "our new file is upstream as it is",
        "landed",
        {PATH: BASE, "vllm/sm12x.py": HEAD + "NAMES = ('sm120', 'sm121')\n"},
        {PATH: BASE, "vllm/sm12x.py": HEAD + "NAMES = ('sm120', 'sm121')\n"},
        {PATH: BASE, "vllm/sm12x.py": HEAD + "NAMES = ('sm120', 'sm121')\n"},
        dropped=True,
    ),
    files_case(
        "file that we delete was edited",
        "target deleted",
        {"vllm/keep.py": HEAD},
        {PATH: replaced(BASE, (DESCRIBE, "")), "vllm/keep.py": HEAD},
        base={PATH: BASE, "vllm/keep.py": HEAD},
    ),
    # Targets that go.
    file_case(
        "method deleted",
        "target deleted",
        [("if name not in REGISTRY:", "if name.lower() not in REGISTRY:")],
        [(CHOOSE, "")],
        None,
    ),
    file_case(
        "changed line deleted",
        "target deleted",
        [('logger.debug("workspace', 'logger.info("workspace')],
        [('    logger.debug("workspace of %d bytes", size)\n', "")],
        None,
    ),
    file_case(
        "method moved to another class",
        "function moved",
        [("if name not in REGISTRY:", "if name.lower() not in REGISTRY:")],
        replaced(BASE, (CHOOSE, ""))
        + "\n\nclass Other:\n"
        + CHOOSE.rstrip("\n")
        + "\n",
        None,
    ),
    # Layout.
    file_case(
        "another function reformatted",
        "reformatting",
        BIGGER,
        REFORMATTED,
        BIGGER,
    ),
    file_case(
        "our function reformatted beside",
        "reformatting",
        BIGGER,
        [
            (
                '    logger.debug("workspace of %d bytes", size)\n',
                '    logger.debug(\n        "workspace of %d bytes",\n'
                "        size,\n    )\n",
            )
        ],
        BIGGER,
    ),
    file_case(
        "our line reformatted",
        "reformatting",
        BIGGER,
        [
            (
                "    rows = max(tokens, 16)\n",
                "    rows = max(\n        tokens,\n        16,\n    )\n",
            )
        ],
        None,
    ),
    file_case(
        "list put on one line",
        "reformatting",
        [
            (
                "    Backend.CUTLASS,\n    Backend.DEEP_GEMM,\n",
                "    Backend.CUTLASS,\n    Backend.EMULATION,\n"
                "    Backend.DEEP_GEMM,\n",
            )
        ],
        [
            (
                "[\n    Backend.CUTLASS,\n"
                "    Backend.DEEP_GEMM,\n    Backend.MARLIN,\n]",
                "[Backend.CUTLASS, Backend.DEEP_GEMM, Backend.MARLIN]",
            )
        ],
        [
            (
                "Backend.CUTLASS, Backend.DEEP",
                "Backend.CUTLASS, Backend.EMULATION, Backend.DEEP",
            )
        ],
    ),
    # Blocks that repeat inside one function.
    file_case(
        "one of two equal blocks deleted",
        "twin of the context",
        [
            (
                "    for x in a:\n        step(x)\n        check(x)\n    mid()\n",
                "    for x in a:\n        step(x, fast=True)\n"
                "        check(x)\n    mid()\n",
            )
        ],
        [
            (
                "    for x in a:\n        step(x)\n        check(x)\n    mid()\n"
                "    for x in a:\n        step(x)\n        check(x)\n",
                "    for x in a:\n        step(x)\n        check(x)\n",
            )
        ],
        None,
        base=HEAD
        + "def run(a):\n    for x in a:\n        step(x)\n        check(x)\n    mid()\n"
        "    for x in a:\n        step(x)\n        check(x)\n",
    ),
    # C++ and CUDA.
    file_case(
        "kernel beside ours deleted",
        "C++",
        GUARD,
        [(SHIFT, "")],
        GUARD,
        base=KERNEL,
        path=CU,
    ),
    file_case(
        "kernel added beside ours",
        "C++",
        GUARD,
        [(SHIFT, SHIFT.replace("shift", "half").replace("+ 2.0f", "* 0.5f") + SHIFT)],
        GUARD,
        base=KERNEL,
        path=CU,
    ),
    file_case(
        "kernel rewritten, twin stays",
        "C++",
        [
            (
                "  if (i < n) {\n    out[i] = in[i] * 2.0f;",
                "  if (i < n && in) {\n    out[i] = in[i] * 2.0f;",
            )
        ],
        KERNEL.replace(
            KERNEL[
                KERNEL.index("__global__ void scale") : KERNEL.index(
                    "__global__ void shift"
                )
            ],
            "__global__ void scale_kernel(float* out, const float* in, int n) {\n"
            "  for (int i = 0; i < n; ++i) out[i] = in[i] * 2.0f;\n}\n\n",
        ),
        None,
        base=KERNEL,
        path=CU,
    ),
    file_case(
        "new kernel of ours, its neighbour is gone",
        "C++",
        [
            (
                "void launch",
                SHIFT.replace("shift", "ours").replace("+ 2.0f", "- 1.0f")
                + "void launch",
            )
        ],
        [(SHIFT, "")],
        [
            (
                "void launch",
                SHIFT.replace("shift", "ours").replace("+ 2.0f", "- 1.0f")
                + "void launch",
            )
        ],
        base=KERNEL,
        path=CU,
    ),
    file_case(
        "launch untouched by theirs", "C++", LAUNCH, GUARD, LAUNCH, base=KERNEL, path=CU
    ),
    # Documents and settings.
    file_case(
        "section of a document moved",
        "document",
        ROW,
        [("# Backends\n", "# Backends\n\nRead this first, then choose.\n")],
        ROW,
        base=DOC,
        path=MD,
    ),
    file_case(
        "section of a document deleted, twin table stays",
        "document",
        ROW,
        [(DOC[DOC.index("## MoE") :], "")],
        None,
        base=DOC,
        path=MD,
    ),
    file_case(
        "settings changed beside ours",
        "document",
        [("option_5 = 5\n", "option_5 = 55\n")],
        [("option_15 = 15\n", "option_15 = 16\n")],
        [("option_5 = 5\n", "option_5 = 55\n")],
        base=SETTINGS,
        path=CFG,
    ),
    file_case(
        "settings: our option is gone",
        "document",
        [("option_5 = 5\n", "option_5 = 55\n")],
        [("option_5 = 5\n", "")],
        None,
        base=SETTINGS,
        path=CFG,
    ),
)
