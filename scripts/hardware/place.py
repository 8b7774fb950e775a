# SPDX-License-Identifier: Apache-2.0
"""Where an owner's tests run: the built wheel in a fresh environment, and its tests.

vLLM comes from the wheel, never from a source tree: beside the tests there is no
`vllm/` to be found first.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts import ROOT
from scripts.base.console import note
from scripts.base.errors import Unusable
from scripts.base.files import digest, one_run, write
from scripts.checkout import Checkout
from scripts.upstream import lock as lockfile

HERE = ROOT / "tests" / "hardware" / "sm12x"
REQUIREMENTS = ROOT / "requirements" / "sm12x.txt"


@dataclass(frozen=True)
class Place:
    """An interpreter that imports the fork, and a folder with vLLM's `tests/`."""

    python: Path
    folder: Path
    double: bool = False
    """On a CPU, with the double of the kernel: nothing is said of the hardware."""
    env: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *arguments: str, seconds: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the interpreter in the folder; its words go on to stderr as they come.

        Raises:
            subprocess.TimeoutExpired: It took longer than `seconds`.
        """
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env=os.environ | self.env,
            stdout=sys.stderr.fileno() if _real(sys.stderr) else None,
            text=True,
            timeout=seconds,
            check=False,
        )


def _real(stream: object) -> bool:
    try:
        return stream.fileno() >= 0  # type: ignore[attr-defined, no-any-return]
    except (AttributeError, OSError, ValueError):
        return False


def installed(at: Checkout) -> Place:
    """The wheel of this checkout in an environment of its own, made once a wheel.

    Raises:
        Unusable: There is no such wheel, or it cannot be installed.
    """
    lock = lockfile.load(at.lock)
    arch = platform.machine()
    names = sorted(at.root.glob(f"dist/vllm-{lock.local_version}-*_{arch}.whl"))
    if len(names) != 1:
        raise Unusable(
            "the wheel for this machine is not there",
            where=str(at.root / "dist"),
            expected=f"one vllm-{lock.local_version}-..._{arch}.whl",
            found=", ".join(path.name for path in names) or "none",
            next=f"make wheel ARCH={arch}",
        )
    (wheel,) = names
    home = at.build / "hardware" / digest(wheel)[:16]
    python, ready = home / "venv" / "bin" / "python", home / ".ready"
    with one_run(home.with_suffix(".lock"), "installing the wheel", wait=True):
        if not ready.exists():
            shutil.rmtree(home, ignore_errors=True)
            note(f"installing {wheel.name} and what it needs in {home}, once")
            venv = [sys.executable, "-m", "venv", "--without-pip"]
            _checked([*venv, str(home / "venv")])
            pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
            pip += ["--disable-pip-version-check", str(wheel)]
            _checked([*pip, "-r", str(REQUIREMENTS)])
            write(ready, b"")
    return Place(python, with_tests(at, home))


def doubled(at: Checkout) -> Place:
    """The patched source tree on a CPU, as the double of an owner's machine."""
    from scripts.selection.matrix import trees
    from scripts.upstream.environments import flashinfer_python

    source = trees(at).fork.path
    path = f"{source}{os.pathsep}{HERE}"
    env = {"PYTHONPATH": path, "VLLM_TARGET_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}
    home = at.build / "hardware" / "double"
    folder = copy_tests(source, home)
    return Place(flashinfer_python(), folder, double=True, env=env)


def with_tests(at: Checkout, home: Path) -> Path:
    """A folder below `home` with the patched tree's tests and nothing else of it."""
    from scripts.selection.matrix import trees

    return copy_tests(trees(at).fork.path, home)


def copy_tests(source: Path, home: Path) -> Path:
    """The same, of the tree at `source`."""
    folder = home / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source / "tests", folder / "tests")
    shutil.copy2(source / "pyproject.toml", folder / "pyproject.toml")
    return folder


def _checked(command: list[str]) -> None:
    done = subprocess.run(command, stdout=sys.stderr.fileno(), check=False)
    if done.returncode:
        raise Unusable(
            "the environment cannot be made",
            where=" ".join(command[:4]),
            found=f"exit status {done.returncode}; its words stand above",
            next="fix what it says, and run it again",
        )
