# SPDX-License-Identifier: Apache-2.0
"""`make hopper STEP=packages`: what a GPU machine without a network is to be given.

Archives of the packages that the bundle's run.py imports, as wheels of that machine's
Python, without what it has itself, and without sources that only nvcc reads. Each
archive is unpacked into one folder; ``env.sh`` beside them, read by a shell there, does
that and sets the search path.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Unusable
from scripts.base.files import write
from scripts.upstream.environments import FLASHINFER, REQUIREMENTS

PYTHON = "3.12"
THERE = ("torch", "triton", "numpy", "sympy", "mpmath", "networkx")
"""What comes with a PyTorch for CUDA, which the machine has."""
# Read by a compiler alone.
_SOURCES = (".a", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".inl", ".in", ".pyi")
_LARGE = 1 << 26
_UNREAD = ("flashinfer/data/", "/stubs/", "/tests/", "/iket/")
# Of manylinux, pip takes exactly those that it is told.
_LINUX = ["manylinux1_x86_64", "manylinux2014_x86_64"]
_LINUX += [f"manylinux_2_{n}_x86_64" for n in (17, 24, 26, 27, 28, 31, 34, 35)]
ENV = """\
# Read it with a shell's dot: unpacks the archives beside it once, and sets PYTHONPATH.
here=$(dirname "$(readlink -f "${BASH_SOURCE:-$0}")")
site=${HOPPER_SITE:-/tmp/hopper-site}
mkdir -p "$site"
for one in "$here"/*.tar.xz; do
	[ -e "$one" ] || continue
	done=$site/.$(basename "$one").done
	[ -e "$done" ] || { tar -xJf "$one" -C "$site" && touch "$done"; } || return 2
done
path=$site:$site/nvidia_cutlass_dsl/dsl_packages
export PYTHONPATH="$path${PYTHONPATH:+:$PYTHONPATH}"
"""


def pack(
    out: Path, release: str, requirements: Path = FLASHINFER, python: str = PYTHON
) -> list[Path]:
    """Make the archives: the largest library, FlashInfer, and all others.

    Args:
        out: Folder of the archives; what is in it goes.
        release: Of FlashInfer.
        requirements: Of FlashInfer and what comes with it.
        python: That machine's.

    Raises:
        Unusable: A package has no wheel for that Python, or the index is not reached.
    """
    shutil.rmtree(out, ignore_errors=True)
    wheels = out / "wheels"
    _download(wheels, [*_asked(requirements)], python)
    with contextlib.ExitStack() as stack:
        archives: dict[str, tarfile.TarFile] = {}
        for wheel in sorted(wheels.glob("*.whl")):
            whole = stack.enter_context(zipfile.ZipFile(wheel))
            own = wheel.name.startswith("flashinfer_python-")
            for item in filter(_wanted, whole.infolist()):
                name = "library" if item.file_size > _LARGE else "rest"
                name = f"flashinfer-{release}" if own else name
                if name not in archives:
                    archives[name] = stack.enter_context(
                        tarfile.open(out / f"{name}.tar", "w")
                    )
                info = tarfile.TarInfo(_place(item.filename))
                info.size, info.mode = item.file_size, 0o644
                with whole.open(item) as data:
                    archives[name].addfile(info, data)
    shutil.rmtree(wheels)
    for name in archives:
        note(f"compressing {name}")
        subprocess.run(["xz", "-T2", str(out / f"{name}.tar")], check=True)
    write(out / "env.sh", ENV.encode())
    return [out / f"{name}.tar.xz" for name in archives]


def _asked(requirements: Path) -> Iterator[str]:
    """Requirements of both files; of a package in both, FlashInfer's."""
    found: dict[str, str] = {}
    for path in (REQUIREMENTS, FLASHINFER, requirements):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, pinned, _ = line.partition("==")
            if pinned and not line.startswith("#") and name not in THERE:
                found[name] = line
    yield from found.values()


def _download(wheels: Path, asked: list[str], python: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", python]
    for platform in _LINUX:
        command += ["--platform", platform]
    done = subprocess.run(
        [*command, "--dest", str(wheels), *asked],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unusable(
            "a package cannot be had for that machine",
            expected=f"wheels of CPython {python} for Linux on x86-64",
            found=done.stderr.strip()[-1500:],
            next="see that the package index is reached; then run it again",
        )


def _wanted(item: zipfile.ZipInfo) -> bool:
    name = item.filename
    return not (
        item.is_dir()
        or name.endswith(_SOURCES)
        or any(part in f"/{name}" for part in _UNREAD)
    )


def _place(name: str) -> str:
    """Where pip puts a wheel's file: what is in NAME.data/purelib is beside it."""
    top, _, rest = name.partition("/")
    if top.endswith(".data"):
        kind, _, below = rest.partition("/")
        return below if kind in ("purelib", "platlib") else f"{top}/{rest}"
    return name
