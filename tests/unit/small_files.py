# SPDX-License-Identifier: Apache-2.0
"""The files of the hand-made upstream, and the archive that they come in."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

VERSION = "1.2.3"
TOP = f"vllm-{VERSION}"
SPDX = """\
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: Copyright contributors to the vLLM project
"""

_KERNEL = (
    SPDX
    + '''\
"""Kernel selection."""

from typing import Literal

MoEBackend = Literal[
    "auto",
    "cutlass",
    "marlin",
]


class KernelConfig:
    """Which kernels run."""

    moe_backend: MoEBackend = "auto"

    def is_auto(self) -> bool:
        """Whether nobody chose a backend."""
        return self.moe_backend == "auto"
'''
)
_FLASHINFER = (
    SPDX
    + '''\
"""What FlashInfer offers here."""

import functools
import importlib.util


@functools.cache
def has_flashinfer() -> bool:
    """Whether FlashInfer can be imported."""
    return importlib.util.find_spec("flashinfer") is not None
'''
)
_TEST_KERNEL = (
    SPDX
    + """\
from typing import get_args

from vllm.config.kernel import KernelConfig, MoEBackend


def test_default_is_auto():
    assert KernelConfig().is_auto()


def test_names():
    assert "marlin" in get_args(MoEBackend)
"""
)
_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77.0.3"]
build-backend = "setuptools.build_meta"

[project]
name = "vllm"
license = "Apache-2.0"
dynamic = ["version"]

[tool.ruff.lint]
select = ["E", "F", "UP", "B", "SIM", "I"]
"""
_METADATA = f"""\
Metadata-Version: 2.4
Name: vllm
Version: {VERSION}
Summary: A small stand-in
License-Expression: Apache-2.0
License-File: LICENSE
"""


@cache
def ruff_version() -> str:
    """Version of the ruff that these tests run with."""
    return subprocess.run(
        [sys.executable, "-m", "ruff", "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[1]


def upstream() -> dict[str, bytes]:
    """The files of the hand-made upstream, by path."""
    version = (
        f"__version__ = version = '{VERSION}'\n"
        f"__version_tuple__ = version_tuple = (1, 2, 3)\n\n"
        f"__commit_id__ = commit_id = 'g0123456ab'\n"
    )
    pre_commit = (
        "repos:\n"
        "- repo: https://github.com/astral-sh/ruff-pre-commit\n"
        f"  rev: v{ruff_version()}\n"
        "  hooks:\n"
        "  - id: ruff-check\n"
        "  - id: ruff-format\n"
    )
    files = {
        ".pre-commit-config.yaml": pre_commit,
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.26)\n",
        "LICENSE": "Apache License, Version 2.0\n",
        "MANIFEST.in": "include LICENSE\n",
        "PKG-INFO": _METADATA,
        "README.md": "# vLLM\n",
        "pyproject.toml": _PYPROJECT,
        "setup.cfg": "[egg_info]\ntag_build = \ntag_date = 0\n\n",
        "setup.py": SPDX + "from setuptools import setup\n\nsetup()\n",
        "csrc/x.cu": "__global__ void twice(float* x) { *x *= 2; }\n",
        "docs/backends.md": "# Backends\n\n- cutlass\n- marlin\n",
        "tests/__init__.py": "",
        "tests/config/__init__.py": "",
        "tests/config/test_kernel.py": _TEST_KERNEL,
        "tools/build.sh": "#!/bin/sh\nexit 0\n",
        "vllm.egg-info/PKG-INFO": _METADATA,
        "vllm/__init__.py": SPDX + "from ._version import __version__\n\n"
        '__all__ = ["__version__"]\n',
        "vllm/_version.py": version,
        "vllm/config/__init__.py": SPDX,
        "vllm/config/kernel.py": _KERNEL,
        "vllm/utils/__init__.py": "",
        "vllm/utils/flashinfer.py": _FLASHINFER,
    }
    return {path: text.encode("utf-8") for path, text in files.items()}


def pack(files: Mapping[str, bytes], path: Path) -> None:
    """Write a release archive as upstream's look, folders included."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folders = {str(p) for f in files for p in Path(TOP, f).parents} - {"."}
        for name in sorted(folders | {f"{TOP}/{f}" for f in files}):
            member = tarfile.TarInfo(name)
            member.mtime = 1795455327
            member.mode = 0o755 if name in folders or name.endswith(".sh") else 0o644
            if name in folders:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            else:
                data = files[name.removeprefix(f"{TOP}/")]
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    path.write_bytes(gzip.compress(raw.getvalue(), mtime=0))
