# SPDX-License-Identifier: Apache-2.0
"""A hand-made upstream of 20 files and a series of three patches on it.

git makes the series and computes the ids of the lock, not the tools that the
tests look at.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from scripts import lock as lock_file

VERSION = "1.2.3"
TOP = f"vllm-{VERSION}"
SPDX = """\
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: Copyright contributors to the vLLM project
"""
FORMAT = (
    "--zero-commit",
    "--full-index",
    "--no-signature",
    "--no-stat",
    "--no-renames",
    "--no-numbered",
    "--no-encode-email-headers",
)

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


def message(
    subject: str,
    body: str = "Users choose it by name.",
    test: str = "tests/config/test_kernel.py::test_names",
) -> str:
    """A commit message with trailers that are in order."""
    return (
        f"{subject}\n\n{body}\n\n"
        "Origin: vllm-project/vllm#40082, rewritten\n"
        "Forwarded: no\n"
        "Upstream-PR: none\n"
        "Remove-When: Upstream selects this backend itself.\n"
        f"Test: {test}\n"
    )


def git(repo: Path, *args: str, stdin: bytes | None = None) -> str:
    """Run git apart from the tools' own wrapper; stdout without outer blanks."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env |= {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_EDITOR": "true",
        "GIT_AUTHOR_NAME": "Ada Author",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": "1795455327 +0000",
        "GIT_COMMITTER_NAME": "Ada Author",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_COMMITTER_DATE": "1795455327 +0000",
        "LC_ALL": "C",
    }
    done = subprocess.run(
        ["git", *args], cwd=repo, env=env, input=stdin, capture_output=True, check=True
    )
    return done.stdout.decode("utf-8").strip()


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


@dataclass(frozen=True)
class Small:
    """A checkout in miniature: archive, lock and series."""

    root: Path
    """What the checkout is to the tools: `upstream.lock` and `patches/`."""

    @property
    def upstream_dir(self) -> Path:
        """The offline folder, holding the archive alone."""
        return self.root / "upstream"

    @property
    def sdist(self) -> Path:
        return self.upstream_dir / f"{TOP}.tar.gz"

    @property
    def lock_path(self) -> Path:
        return self.root / "upstream.lock"

    @property
    def lock(self) -> lock_file.Lock:
        """The lock as the file has it now."""
        return lock_file.load(self.lock_path)

    @property
    def patches(self) -> Path:
        return self.root / "patches"

    @property
    def repo(self) -> Path:
        """The git repository that the series comes from; the tag `base` in it."""
        return self.root / "author"

    @property
    def names(self) -> list[str]:
        """File names of the series, in order."""
        lines = (self.patches / "series").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith("#")]

    def commit(self, text: str, files: Mapping[str, str | bytes | None]) -> None:
        """Add a commit to `repo`; None deletes a file."""
        for name, data in files.items():
            path = self.repo / name
            if data is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
        git(self.repo, "add", "-A")
        git(
            self.repo,
            "commit",
            "-q",
            "--cleanup=verbatim",
            "-F-",
            stdin=text.encode("utf-8"),
        )

    def edit(self, text: str, path: str, old: str, new: str) -> None:
        """Add a commit that replaces `old` by `new` in one file."""
        before = (self.repo / path).read_bytes().decode("utf-8")
        assert before.count(old) == 1, (path, old)
        self.commit(text, {path: before.replace(old, new)})

    def drop(self) -> None:
        """Take the last commit of `repo` away."""
        git(self.repo, "reset", "-q", "--hard", "HEAD^")

    def export(self) -> None:
        """Make `patches/` and the lock's result from `repo`, by git alone."""
        shutil.rmtree(self.patches, ignore_errors=True)
        self.patches.mkdir()
        made = git(self.repo, "format-patch", *FORMAT, "-o", str(self.patches), "base")
        names = [Path(line).name for line in made.splitlines()]
        (self.patches / "series").write_text(
            "".join(f"{name}\n" for name in names), encoding="utf-8"
        )
        tree = git(self.repo, "rev-parse", "HEAD^{tree}")
        lock_file.update(self.lock_path, {"series.patched-tree": tree})


def build(root: Path) -> Small:
    """Make the archive, the lock and three patches under `root`."""
    small = Small(root)
    small.upstream_dir.mkdir(parents=True)
    files = upstream()
    pack(files, small.sdist)
    small.repo.mkdir()
    git(small.repo, "init", "-q", "-b", "main")
    for name, data in files.items():
        path = small.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if name.endswith(".sh") else 0o644)
    git(small.repo, "add", "-A", "-f")
    git(small.repo, "commit", "-q", "-m", TOP)
    git(small.repo, "tag", "base")
    tree = git(small.repo, "rev-parse", "HEAD^{tree}")
    data = small.sdist.read_bytes()
    small.lock_path.write_text(
        f"""\
# A comment that tools keep.
schema = 1

[vllm]
version = "{VERSION}"
tag = "v{VERSION}"
commit = "0123456ab"
epoch = 1795455327

[vllm.sdist]
filename = "{small.sdist.name}"
size = {len(data)}
sha256 = "{sha256(data).hexdigest()}"
tree = "{tree}"

[vllm.wheels]

[series]
release = 1
patched-tree = "{tree}"

[companions]
torch = "2.14.0"
""",
        encoding="utf-8",
    )
    small.edit(
        message("config: add the sm12x backend name"),
        "vllm/config/kernel.py",
        '    "marlin",\n',
        '    "marlin",\n    "sm12x",\n',
    )
    small.edit(
        message(
            "utils: probe for the sm12x kernels",
            "The probe looks at what is called, so that a missing kernel\n"
            "is known before the model loads.",
            "tests/utils/test_probe.py::test_probe_is_bool",
        ),
        "vllm/utils/flashinfer.py",
        'return importlib.util.find_spec("flashinfer") is not None\n',
        'return importlib.util.find_spec("flashinfer") is not None\n\n\n'
        "@functools.cache\n"
        "def has_sm12x_moe() -> bool:\n"
        '    """Whether the sm12x MoE kernels can be called."""\n'
        "    return has_flashinfer()\n",
    )
    test = (
        SPDX + "from vllm.utils.flashinfer import has_sm12x_moe\n\n\n"
        "def test_probe_is_bool():\n"
        "    assert isinstance(has_sm12x_moe(), bool)\n"
    )
    for name, text in {"__init__.py": "", "test_probe.py": test}.items():
        path = small.repo / "tests/utils" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(small.repo, "add", "-A")
    git(small.repo, "commit", "-q", "--amend", "--no-edit")
    small.edit(
        message(
            "config: refuse sm12x where its kernels are missing",
            test="tests/config/test_kernel.py::test_default_is_auto",
        ),
        "vllm/config/kernel.py",
        "    def is_auto",
        "    def check(self) -> None:\n"
        '        """Raise if the chosen backend cannot run."""\n'
        '        if self.moe_backend == "sm12x":\n'
        '            raise ValueError("the sm12x kernels are missing")\n\n'
        "    def is_auto",
    )
    small.export()
    return small
