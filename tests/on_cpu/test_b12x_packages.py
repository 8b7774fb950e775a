# SPDX-License-Identifier: Apache-2.0
"""The two b12x packages, installed and removed by the real pip in every order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.doctor.facts import look
from scripts.upstream import lock as lockfile

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(1800)]

FLASHINFER = f"flashinfer-python=={lockfile.load().companions['flashinfer-python']}"
B12X = "b12x==1.5.1"  # as upstream's setup.py has it in the extra


class Environment:
    """A virtual environment, and what the doctor says of it."""

    def __init__(self, home: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        self.python = str(home / "bin/python")

    def pip(self, *args: str) -> None:
        command = [self.python, "-m", "pip", "--disable-pip-version-check", *args]
        env = os.environ | {"PIP_NO_COMPILE": "1"}  # half of the time
        subprocess.run([*command, "--quiet"], check=True, capture_output=True, env=env)

    def install(self, name: str) -> None:
        self.pip("install", "--force-reinstall", "--no-deps", name)

    def remove(self, name: str) -> None:
        self.pip("uninstall", "--yes", name.partition("==")[0])

    def ships(self, name: str, path: str) -> bool:
        """Whether the installed distribution has a file of this path."""
        ask = "import importlib.metadata as m, sys; n, p = sys.argv[1:]; "
        ask += "print(any(str(f) == p for f in m.files(n) or ()))"
        command = [self.python, "-c", ask, name.partition("==")[0], path]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip() == "True"

    def live(self) -> str | None:
        """What is in use, which must be whole."""
        found = look(self.python).b12x
        assert found["problem"] is None, found
        return found["live"]

    def problem(self) -> str:
        """What is wrong."""
        found = look(self.python).b12x["problem"]
        assert found is not None
        return found

    def fix(self) -> None:
        """Run the command that the problem names, word for word."""
        _, _, command = self.problem().rpartition("`pip ")
        self.pip(*command.removesuffix("`").split())


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


def test_what_is_broken_is_found_and_mended(environment: Environment) -> None:
    package, copy = B12X.replace("==", " "), FLASHINFER.replace("==", " ")
    assert environment.live() is None
    environment.install(FLASHINFER)
    if not environment.ships(FLASHINFER, "b12x/__init__.py"):
        # FlashInfer before 0.7.2, which an older pin has: nothing can be mixed.
        assert environment.live() is None
        environment.install(B12X)
        assert environment.live() == package
        return
    assert environment.live() == copy
    environment.install(B12X)
    assert environment.live() == package
    # As after an upgrade of FlashInfer, whose copy is whole.
    environment.install(FLASHINFER)
    assert environment.live() == copy
    environment.install(B12X)
    environment.remove(B12X)
    assert f"of {copy} is gone" in environment.problem()
    environment.fix()
    assert environment.live() == copy
    environment.install(B12X)
    environment.remove(FLASHINFER)
    assert f"of {package} is gone" in environment.problem()
    environment.fix()
    assert environment.live() == package
