# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's SM12x FP8 MoE, which the series does not select, for a Hopper GPU.

``python -m scripts.hopper.fp8 FOLDER`` compiles its kernels for sm_120a and sm_121a,
prints what they are, and makes a folder that a machine with a Hopper GPU runs:
``bash FOLDER/run.sh PACKAGES``, with the packages of ``make hopper STEP=packages``.
docs/fp8-moe.md has what came out.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts import IN_VLLM, ROOT
from scripts.base.chips import ARCHITECTURES
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.checkout import Checkout
from scripts.hopper import ptx
from scripts.hopper.assemble import Tools, assemble, link
from scripts.hopper.operands import in_twos
from scripts.in_vllm import hopper_cases as cases
from scripts.kernels import cubin, mlir
from scripts.upstream import lock as lockfile
from scripts.upstream.cache import cache_dir

ENTRY = IN_VLLM / "fp8_export.py"
RUN = ROOT / "tests" / "hardware" / "hopper" / "fp8"
FUSED_MOE = "vllm/model_executor/layers/fused_moe/fused_moe.py"
FP8_UTILS = "vllm/model_executor/layers/quantization/utils/fp8_utils.py"
CUT = {
    FUSED_MOE: ("write_zeros_to_output", "fused_moe_kernel"),
    FP8_UTILS: ("_per_token_group_quant_fp8",),
}
"""vLLM's Triton path: the kernels of it that the GPU runs beside FlashInfer's."""


def compiled(python: Path, store: Path) -> dict[str, dict[str, Path]]:
    """Folder of each kernel by architecture and name.

    Raises:
        Finding: FlashInfer or its compiler refuses one.
    """
    made = {}
    for arch in ARCHITECTURES:
        folder = store / arch
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            command = [
                str(python),
                str(ENTRY),
                arch,
                str(cases.MULTIPROCESSORS),
                str(folder),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Finding(
                    "a kernel of FlashInfer's FP8 MoE was not compiled",
                    where=arch,
                    found=done.stderr.strip()[-1500:],
                )
            write(folder / "done", b"")
        made[arch] = {
            path.parent.name: path.parent for path in folder.glob("*/kernel.json")
        }
    return made


def facts(folder: Path, tools: cubin.Tools) -> dict[str, Any]:
    """Registers, stack, local memory of a thread; shared memory of a block."""
    told = cubin.read(folder / "kernel.cubin", tools)
    code = cubin.disassemble(folder / "kernel.cubin", tools)
    (one,) = told.functions
    ir = (folder / "kernel.mlir").read_text(encoding="utf-8")
    (launch,) = mlir.launches(ir).values()
    return {
        "registers": one.registers,
        "stack": one.stack,
        "local": f"{code.local_stores}/{code.local_loads}",
        "shared": one.static_shared + launch.dynamic_shared,
        "threads": launch.threads,
        "code": told.code[:8],
    }


def linked(tools: Tools, folder: Path, store: Path, out: Path) -> dict[str, Any]:
    """Put a kernel's library for Hopper into the bundle; what was replaced.

    Raises:
        Finding: It cannot be translated, assembled or linked.
    """
    text, three = in_twos((folder / "kernel.ptx").read_text(encoding="utf-8"))
    made = ptx.translate(text)
    name = hashlib.sha256(f"{tools.version}\0{made.text}".encode()).hexdigest()[:16]
    source, code = store / f"{name}.ptx", store / f"{name}.cubin"
    if not code.exists():
        source.write_text(made.text, encoding="utf-8")
        assemble(tools, source, code.with_suffix(".part"))
        code.with_suffix(".part").rename(code)
    library = f"kernels/{folder.name}.so"
    link(tools, folder / "host.o", code, out / library)
    told: dict[str, Any] = json.loads((folder / "kernel.json").read_text("utf-8"))
    replaced = made.counts | ({"max or min of three": three} if three else {})
    return told | {"library": library, "replaced": replaced}


def cut(tree: Path) -> str:
    """vLLM's Triton kernels as they stand in its files, without what they import."""
    parts = [
        "# SPDX-License-Identifier: Apache-2.0\n"
        "# SPDX-FileCopyrightText: Copyright contributors to the vLLM project\n"
        "import triton\nimport triton.language as tl\n"
    ]
    for path, names in CUT.items():
        text = (tree / path).read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        for one in ast.parse(text).body:
            if isinstance(one, ast.FunctionDef) and one.name in names:
                first = min(d.lineno for d in one.decorator_list) - 1
                parts.append("".join(lines[first : one.end_lineno]))
    return "\n\n".join(parts)


def prepare(at: Checkout, out: Path) -> None:
    """Compile all, print what they are, and make the bundle."""
    from scripts.kernels.versions import environment
    from scripts.selection.matrix import trees
    from scripts.upstream.environments import flashinfer_python

    lock = lockfile.load(at.lock)
    python = flashinfer_python()
    beside = environment(python, lock.companions)
    store = cache_dir() / "hopper" / f"fp8-{_salt(beside.digest)}"
    kernels = compiled(python, store)
    tools = cubin.Tools.of(python)
    for arch, folders in kernels.items():
        for name, folder in sorted(folders.items()):
            print(arch, name, facts(folder, tools))
    shutil.rmtree(out, ignore_errors=True)
    (out / "kernels").mkdir(parents=True)
    ptxas = Tools.found()
    told = {
        name: linked(ptxas, folder, store, out)
        for name, folder in sorted(kernels[min(ARCHITECTURES)].items())
    }
    manifest = {"tree": lock.patched_tree, "ptxas": ptxas.version, "kernels": told}
    write(out / "manifest.json", json.dumps(manifest, indent=1).encode())
    for path in RUN.iterdir():
        if path.is_file():
            shutil.copyfile(path, out / path.name)
    write(out / "vllm_triton.py", cut(trees(at).fork.path).encode())


def _salt(environment: str) -> str:
    total = hashlib.sha256(environment.encode() + ENTRY.read_bytes())
    return total.hexdigest()[:16]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("error: name the folder: python -m scripts.hopper.fp8 FOLDER")
        sys.exit(2)
    prepare(Checkout(ROOT), Path(sys.argv[1]))
