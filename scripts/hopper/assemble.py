# SPDX-License-Identifier: Apache-2.0
"""From PTX for sm_12x and a host object to a library that runs on Hopper."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scripts import ROOT
from scripts.base.errors import Finding, Unusable
from scripts.hopper.ptx import TARGET

REQUIREMENTS = ROOT / "requirements" / "ptxas.txt"
SHIM = Path(__file__).with_name("shim.c")
_REFUSED = re.compile(r"line (\d+); error\s*: (.*)")
_WRAPPED = ("_cudaLibraryLoadData", "_cudaLaunchKernelEx")


@dataclass(frozen=True)
class Tools:
    """ptxas of the pinned release, and the C compiler of this machine."""

    ptxas: Path
    cc: str
    version: str

    @classmethod
    def found(cls) -> Tools:
        """Install ptxas if need be.

        Raises:
            Unusable: There is no C compiler, or the package cannot be had.
        """
        from scripts.upstream.environments import package_folder

        cc = shutil.which("cc") or shutil.which("gcc")
        if cc is None:
            raise Unusable(
                "the host code cannot be linked",
                where="PATH",
                expected="a C compiler: cc or gcc",
                found="none",
                next="install gcc, with your system's package manager",
            )
        (ptxas,) = package_folder(REQUIREMENTS).rglob("bin/ptxas")
        ptxas.chmod(0o755)  # pip keeps the mode; unzip does not
        said = _run([str(ptxas), "--version"]).stdout
        (version,) = re.findall(r"release [\d.]+, V([\d.]+)", said)
        return cls(ptxas, cc, version)


def assemble(tools: Tools, source: Path, cubin: Path) -> None:
    """PTX for sm_90a to a cubin.

    Raises:
        Finding: ptxas refuses it; the message has the first lines that it names.
    """
    done = _run([str(tools.ptxas), "-arch", TARGET, str(source), "-o", str(cubin)])
    if done.returncode == 0:
        return
    text = source.read_text(encoding="utf-8").splitlines()
    named = _REFUSED.findall(done.stderr + done.stdout)
    told = {why: text[int(line) - 1].strip() for line, why in reversed(named)}
    raise Finding(
        "ptxas refuses the translated kernel",
        where=str(source),
        expected="instructions that Hopper has",
        found="; ".join(f"{why}: {line}" for why, line in told.items())[:1500]
        or (done.stderr + done.stdout).strip()[-1500:],
        next="teach scripts/hopper/ptx.py an exact replacement, or name it as not done",
    )


def link(tools: Tools, host: Path, cubin: Path, library: Path) -> None:
    """A shared library that launches the cubin where the host object's own was.

    Raises:
        Finding: The linker refuses it.
    """
    embed = library.with_suffix(".s")
    lines = [
        ".section .rodata",
        ".balign 64",
        ".globl hopper_cubin",
        ".hidden hopper_cubin",
        f'hopper_cubin: .incbin "{cubin}"',
        '.section .note.GNU-stack,"",@progbits',
    ]
    embed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    wraps = [f"-Wl,--wrap={name}" for name in _WRAPPED]
    sources = [str(host), str(SHIM), str(embed)]
    command = [tools.cc, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", *sources]
    done = _run([*command, *wraps, "-ldl", "-o", str(library)])
    embed.unlink()
    if done.returncode:
        raise Finding(
            "the host object cannot be linked",
            where=str(host),
            found=done.stderr.strip()[-1500:],
        )
    exported = _run(["nm", "--dynamic", "--defined-only", str(library)]).stdout
    if "hopper_cubin" in exported or "__wrap_" in exported:
        raise Finding(
            "the library shows symbols that each kernel has its own of",
            where=str(library),
            found=exported[:500],
        )
    symbols = _run(["nm", "--defined-only", str(host)]).stdout
    if any(f" T {name}" in symbols for name in _WRAPPED):
        raise Finding(
            "the host object brings the runtime along, which cannot be replaced then",
            where=str(host),
            expected=f"{' and '.join(_WRAPPED)} to be undefined in it",
        )


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
