# SPDX-License-Identifier: Apache-2.0
"""An environment that vLLM's Python imports in, on a machine without a GPU.

It lies in the cache, keyed by what is in it, because it takes minutes and more
than a gigabyte; vLLM itself is not in it.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from scripts import ROOT
from scripts.base.console import note
from scripts.base.errors import Unusable
from scripts.base.files import one_run, write
from scripts.upstream.cache import cache_dir

REQUIREMENTS = ROOT / "requirements" / "cpu.txt"
FLASHINFER = ROOT / "requirements" / "flashinfer.txt"
_TORCH = "torch=="
_QUIET = ("--quiet", "--disable-pip-version-check")
_OTHERS = re.compile(r"satisfies the requirement (\S+) \(from versions: (?!none\))")
"""What pip says where the index has other versions alone."""


def asked_with(
    root: Path = ROOT, files: Iterable[Path] = (REQUIREMENTS, FLASHINFER)
) -> dict[str, str]:
    """Packages that vLLM is asked and tested beside, by the files of a checkout."""
    found: dict[str, str] = {}
    for path in files:
        file = root / path.relative_to(ROOT)
        if file.is_file():
            for row in file.read_text(encoding="utf-8").splitlines():
                name, pinned, version = row.partition("==")
                if pinned:
                    found[name] = version
    return found


def location(requirements: Path = REQUIREMENTS, *below: Path) -> Path:
    """Folder of the environment for these requirements and this interpreter.

    Args:
        requirements: What is installed in it.
        *below: What is installed in the environments that it stands on.
    """
    key = sha256(b"".join(path.read_bytes() for path in (requirements, *below)))
    key.update(f"{sys.version_info[:3]} {platform.machine()}".encode())
    return cache_dir() / "envs" / key.hexdigest()[:16]


def cpu_python() -> Path:
    """The environment's interpreter; the environment is made if need be.

    torch comes first, with its dependencies, and nothing else may bring
    another one: all others are installed without dependencies.

    Raises:
        Unusable: pip failed; the message has its last lines.
    """

    def fill(home: Path) -> None:
        lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
        (torch,) = (line for line in lines if line.startswith(_TORCH))
        note(f"installing {torch}")
        _pip(home, torch)
        _without_dependencies(home, REQUIREMENTS)

    return _made(location(REQUIREMENTS), fill)


def flashinfer_python(requirements: Path = FLASHINFER) -> Path:
    """Interpreter of a second environment: FlashInfer, ahead of the CPU packages.

    It is apart from them because its packages replace some, and because vLLM
    chooses differently where FlashInfer can be imported.

    Raises:
        Unusable: pip failed; the message has its last lines.
    """
    below = cpu_python()

    def fill(home: Path) -> None:
        (site,) = home.glob("lib/python*/site-packages")
        (packages,) = below.parent.parent.glob("lib/python*/site-packages")
        write(site / "zz-cpu-packages.pth", f"{packages}\n".encode())
        _without_dependencies(home, requirements)

    return _made(location(requirements, REQUIREMENTS), fill)


def package_folder(requirements: Path) -> Path:
    """A folder with these packages alone, without dependencies, for a search path.

    Raises:
        Unusable: pip failed; the message has its last lines.
    """

    def fill(home: Path) -> None:
        _without_dependencies(home, requirements, "--target", str(home / "only"))

    # Its own pip and setuptools, four seconds of work, would be nobody's.
    made = _made(location(requirements), fill, "--without-pip")
    return made.parent.parent / "only"


def _made(home: Path, fill: Callable[[Path], None], *options: str) -> Path:
    """The interpreter of the environment at `home`, which `fill` fills once."""
    python = home / "bin" / "python"
    ready = home / ".ready"
    if ready.exists():
        return python
    with one_run(home.with_suffix(".lock"), "making the CPU environment", wait=True):
        if ready.exists():
            return python
        # Made in its place, since a venv cannot be moved; .ready says it is whole.
        if home.exists():
            shutil.rmtree(home)
        note(f"making the CPU environment in {home}, once")
        base = getattr(sys, "_base_executable", sys.executable)
        try:
            _run([base, "-m", "venv", *options, str(home)], home)
            fill(home)
        except Unusable:
            shutil.rmtree(home, ignore_errors=True)
            raise
        write(ready, b"")
    return python


def _without_dependencies(home: Path, requirements: Path, *more: str) -> None:
    note(f"installing {requirements.name}, without dependencies")
    _pip(home, "--no-deps", *more, "-r", str(requirements))


def _pip(home: Path, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
    _run([*pip, "install", *_QUIET, *arguments], home)


def _run(command: list[str], home: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        reached = _OTHERS.search(said)
        raise Unusable(
            "the CPU environment cannot be made",
            where=str(home),
            found=said[-1500:],
            next=f"the index was reached, and has no {reached[1]}: name another version"
            if reached
            else "see that the package index is reached; then run it again",
        )
