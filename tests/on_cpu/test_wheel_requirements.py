# SPDX-License-Identifier: Apache-2.0
"""What the wheel requires can be had together: pip and uv resolve it on today's index.

Nothing is installed. `make install DRY_RUN=1` says the same to a user.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts.upstream import lock as lockfile

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(1800)]

UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")

Resolve = Callable[[Path, Path], dict[str, Version]]
"""The packages that would come with a wheel, by name."""


def run(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def by_pip(wheel: Path, folder: Path) -> dict[str, Version]:
    report = folder / "report.json"
    options = ("--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet")
    run(sys.executable, "-m", "pip", "install", *options, "--report", report, wheel)
    told = json.loads(report.read_text(encoding="utf-8"))["install"]
    packages = [package["metadata"] for package in told]
    return {canonicalize_name(p["name"]): Version(p["version"]) for p in packages}


def by_uv(wheel: Path, folder: Path) -> dict[str, Version]:
    if UV is None:
        pytest.skip("no uv: pip install uv")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env")
    python = folder / "env/bin/python"
    options = ("--dry-run", "--only-binary=:all:", "--python", python)
    said = run(UV, "pip", "install", *options, wheel)
    lines = re.findall(r"^ \+ (\S+?)==(\S+)", said, re.M)
    return {canonicalize_name(name): Version(version) for name, version in lines}


@pytest.mark.parametrize("resolve", [by_pip, by_uv])
def test_the_companions_come_as_the_lock_has_them(
    resolve: Resolve, wheel: Path, tmp_path: Path
) -> None:
    lock = lockfile.load()
    found = resolve(wheel, tmp_path)
    # uv gives a wheel of this disk by its path.
    version = Version(lock.local_version)
    assert found.pop("vllm", version) == version
    companions = {canonicalize_name(n): Version(v) for n, v in lock.companions.items()}
    assert {name: found.get(name) for name in companions} == companions
    # What FlashInfer asks for beyond what upstream's did.
    assert found["apache-tvm-ffi"] >= Version("0.1.11")
    assert found["nvidia-cudnn-frontend"] >= Version("1.32")
