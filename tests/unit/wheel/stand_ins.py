# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for what a build needs: programs that say a version, and torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts import ROOT
from scripts.wheel.source import Plan

GOOD = {
    "nvcc": "Cuda compilation tools, release 13.0, V13.0.88",
    "cmake": "cmake version 3.31.0",
    "ninja": "1.11.1",
    "g++": "12.2.0",
    "git": "git version 2.39.2",
    "rustc": "rustc 1.95.0 (abc 2026-04-01)",
    "cargo": "cargo 1.95.0 (abc 2026-04-01)",
}


def tools(folder: Path, said: Mapping[str, str]) -> dict[str, str]:
    """Programs that say their version; an environment with nothing else."""
    folder.mkdir(exist_ok=True)
    for name, text in said.items():
        (folder / name).write_text(f"#!/bin/sh\necho '{text}'\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}"}


def fake_torch(site: Path, version: str, cuda: str | None) -> None:
    """What setup.py and CMake ask of torch, without torch.

    Its CMake package does what torch's does first: it enables CUDA with the
    flags of TORCH_CUDA_ARCH_LIST.
    """
    files = {
        "torch/__init__.py": f"from . import utils, version\n"
        f"__version__ = {version!r}\n",
        "torch/version.py": f"cuda = {cuda!r}\nhip = xpu = None\n",
        "torch/utils/__init__.py": "from pathlib import Path\n"
        "cmake_prefix_path = str(Path(__file__).parents[1] / 'share')\n",
        "torch/utils/cpp_extension.py": "import os\n"
        "CUDA_HOME, ROCM_HOME = os.environ.get('CUDA_HOME'), None\n",
        "torch/share/TorchConfig.cmake": "set(CUDA_FOUND TRUE)\n"
        "enable_language(CUDA)\nset(Torch_FOUND TRUE)\n",
        f"torch-{version}.dist-info/METADATA": "Metadata-Version: 2.1\n"
        f"Name: torch\nVersion: {version}\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")


def site_of(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


RUN = """
import json, sys
from pathlib import Path
from scripts.base.files import one_run
from scripts.wheel.source import Plan, run

with one_run(Path(sys.argv[1]), "a test") as held:
    run(Plan(Path(), *json.load(sys.stdin)), held)
"""


def become(plan: Plan, lock: Path) -> subprocess.CompletedProcess[str]:
    """A process that holds the lock and becomes the build."""
    return subprocess.run(
        [sys.executable, "-c", RUN, lock],
        cwd=ROOT,
        input=json.dumps([plan.script, plan.added, plan.variables]),
        stdout=subprocess.PIPE,
        text=True,
    )
