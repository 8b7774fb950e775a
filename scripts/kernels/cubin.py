# SPDX-License-Identifier: Apache-2.0
"""What a cubin says of itself, by the tools that Triton brings along.

Triton's wheel has cuobjdump and nvdisasm, so that the pin of Triton pins them, and
nothing more is installed.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scripts.base.errors import Finding, Unusable

RESERVED = 1024
"""Bytes of static shared memory that the system keeps; cuobjdump counts them in."""
_RESOURCES = re.compile(
    r"^ Function (\S+):\s*\n\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", re.M
)
_ARCH = re.compile(rb"-arch (sm_\w+)")
_MMA = re.compile(r"\bOMMA\.SF\.")
_LOCAL = re.compile(
    r"\b(STL|LDL)(?:\.[A-Z]+)*?(?:\.(U8|S8|U16|S16|64|128))?(?:\.[A-Z]+)*\s"
)
_WIDTH = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}


@dataclass(frozen=True)
class Function:
    """One entry of a cubin."""

    name: str
    registers: int
    """Per thread."""
    stack: int
    """Bytes per thread."""
    static_shared: int
    """Bytes, without what the system reserves."""


@dataclass(frozen=True)
class Code:
    """What the instructions of a cubin are, all functions together."""

    mma: int
    """Block-scaled FP4 matrix instructions."""
    local_stores: int
    """Bytes that stores to local memory write, each instruction counted once."""
    local_loads: int


@dataclass(frozen=True)
class Cubin:
    arch: str
    """As ptxas was told; the ELF header has the same number."""
    size: int
    sha256: str
    code: str
    """sha256 over the instructions alone, which two architectures may share."""
    functions: tuple[Function, ...]


@dataclass(frozen=True)
class Tools:
    """The two programs."""

    cuobjdump: Path
    nvdisasm: Path

    @classmethod
    def of(cls, python: Path) -> Tools:
        """Those of the environment of this interpreter.

        Raises:
            Unusable: Its Triton has none.
        """
        found = python.parent.parent.glob("lib/python*/site-packages/triton")
        for triton in found:
            folder = triton / "backends" / "nvidia" / "bin"
            if (folder / "nvdisasm").exists() and (folder / "cuobjdump").exists():
                return cls(folder / "cuobjdump", folder / "nvdisasm")
        raise Unusable(
            "there is no cuobjdump and nvdisasm",
            where=str(python.parent.parent),
            expected="triton with backends/nvidia/bin",
            next="remove that environment, and run it again",
        )


def read(path: Path, tools: Tools) -> Cubin:
    """What the file says, but for its instructions.

    Raises:
        Finding: It is no cubin, or says two architectures.
    """
    data = path.read_bytes()
    told = _ARCH.search(data)
    number = int.from_bytes(data[0x30:0x34], "little") >> 8 & 0xFF
    if data[:4] != b"\x7fELF" or told is None:
        raise _no_cubin(path, "no ELF file of ptxas")
    arch = told[1].decode()
    if f"sm_{number}" != arch.rstrip("a"):
        raise _no_cubin(path, f"ptxas was told {arch}, the ELF header says {number}")
    functions = parse_resources(_run([str(tools.cuobjdump), "-res-usage", str(path)]))
    if not functions:
        raise _no_cubin(path, "no function")
    return Cubin(
        arch=arch,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        code=_code_digest(data),
        functions=functions,
    )


def disassemble(path: Path, tools: Tools) -> Code:
    """Count instructions; takes half a second."""
    return parse_code(_run([str(tools.nvdisasm), "-c", "-ndf", str(path)]))


def parse_resources(text: str) -> tuple[Function, ...]:
    """Read `cuobjdump -res-usage`.

    >>> parse_resources(
    ...     " Function f:\\n  REG:40 STACK:8 SHARED:5248 LOCAL:0 CONSTANT[0]:936\\n"
    ... )
    (Function(name='f', registers=40, stack=8, static_shared=4224),)
    """
    return tuple(
        Function(name, int(reg), int(stack), max(0, int(shared) - RESERVED))
        for name, reg, stack, shared, _ in _RESOURCES.findall(text)
    )


def parse_code(sass: str) -> Code:
    """Count in what nvdisasm printed.

    Local memory has spilled registers and arrays on the stack, which a cubin does not
    tell apart. Without such arrays the bytes are those that ptxas reports as spills;
    tests/unit/kernels compares the two.

    >>> parse_code(
    ...     "  OMMA.SF.16864.F32 R4 ;\\n  STL.64 [R1], R2 ;\\n  LDL.LU R3, [R1] ;"
    ... )
    Code(mma=1, local_stores=8, local_loads=4)
    """
    bytes_of = {"STL": 0, "LDL": 0}
    for name, width in _LOCAL.findall(sass):
        bytes_of[name] += _WIDTH.get(width, 4)
    return Code(len(_MMA.findall(sass)), bytes_of["STL"], bytes_of["LDL"])


def _code_digest(data: bytes) -> str:
    """sha256 of the sections `.text.*`, in their order."""
    total = hashlib.sha256()
    start = int.from_bytes(data[0x28:0x30], "little")
    size, count, names = (
        int.from_bytes(data[i : i + 2], "little") for i in (0x3A, 0x3C, 0x3E)
    )

    def section(i: int) -> tuple[int, int, int]:
        at = start + i * size
        field = [
            int.from_bytes(data[at + j : at + j + n], "little")
            for j, n in ((0, 4), (0x18, 8), (0x20, 8))
        ]
        return field[0], field[1], field[2]

    _, table, _ = section(names)
    for i in range(count):
        name, offset, length = section(i)
        if data[table + name :].startswith(b".text."):
            total.update(data[offset : offset + length])
    return total.hexdigest()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Finding(
            f"{Path(command[0]).name} cannot read what was compiled",
            where=command[-1],
            found=(done.stderr or done.stdout).strip()[-500:],
        )
    return done.stdout


def _no_cubin(path: Path, found: str) -> Finding:
    return Finding("what was compiled is no cubin", where=str(path), found=found)
