# SPDX-License-Identifier: Apache-2.0
"""What upstream's own build needs, and which of it this machine lacks."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from scripts.base import interpreter
from scripts.base.errors import Unusable

# sm_121 came with nvcc 12.9 (CUDA 12.9 release notes); 12.8 knows sm_120 only.
NVCC = SpecifierSet(">=12.9")
# CMakeLists.txt of the pinned release stops at an older GNU compiler.
GXX = SpecifierSet(">=11.3")
# pip builds in the tree itself since then; before, it copied to a folder whose
# name the compiler caches saw.
PIP = "pip>=21.3"
# Programs of these packages are started by name, wherever they come from.
_PROGRAMS = ("cmake", "ninja")
_VERSION = re.compile(r"(\d+\.\d+(?:\.\d+)?)")

_PROBE = """
import importlib.metadata as m, importlib.util as u, json, os, platform, sys
versions = {}
for name in sys.argv[1:]:
    try:
        versions[name] = m.version(name)
    except m.PackageNotFoundError:
        versions[name] = None
torch, cuda = u.find_spec("torch"), {}
if torch and torch.origin:
    path = os.path.join(os.path.dirname(torch.origin), "version.py")
    if os.path.exists(path):
        exec(open(path, encoding="utf-8").read(), cuda)
print(json.dumps({"python": platform.python_version(), "packages": versions,
                  "cuda": cuda.get("cuda"), "bin": os.path.dirname(sys.executable)}))
"""


@dataclass(frozen=True)
class Ready:
    """What builds, where nothing is lacking."""

    program: str
    """The interpreter."""
    bin: str
    """Its folder, where the programs of its packages are."""
    nvcc: Version | None
    """The CUDA compiler, if one is used."""


def require(
    tree: Path, python: str, env: Mapping[str, str], target_device: str
) -> Ready:
    """Look at everything that the build will need, before it starts.

    Args:
        tree: The patched source tree, whose pyproject.toml and
            rust-toolchain.toml say what is needed.
        python: The interpreter to build with.
        env: The environment of the build.
        target_device: `cuda`, or `empty` for a wheel without compiled files:
            there setup.py only imports torch, of whatever version.

    Raises:
        Unusable: Something is missing or too old; the message has all of it.
    """
    doc = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    needs = [Requirement(r) for r in (PIP, *doc["build-system"]["requires"])]
    names = [need.name for need in needs]
    said = interpreter.ask(
        python, "-c", _PROBE, *names, again="make wheel-source", env=env
    )
    full = target_device == "cuda"
    lacking = []
    spec = SpecifierSet(doc.get("project", {}).get("requires-python", ""))
    if Version(said["python"]) not in spec:
        lacking.append(_lack("Python", spec, f"{said['python']} ({python})"))
    lacking += _packages(needs, said, full)
    nvcc = None
    if full:
        asked = {**env, "PATH": f"{said['bin']}:{env.get('PATH', '')}"}
        for name, wanted, option in _programs(tree, needs, asked):
            found = _version(name, option, tree, asked)
            if isinstance(found, str) or found not in wanted:
                lacking.append(_lack(name, wanted, found))
            elif name.endswith("nvcc"):
                nvcc = found
        if nvcc and said["cuda"] and Version(said["cuda"]).major != nvcc.major:
            lacking.append(_lack("nvcc", f"CUDA {said['cuda']}, as torch", nvcc))
    program = interpreter.program(python, "make wheel-source")
    if lacking:
        raise Unusable(
            "this machine cannot build vLLM yet",
            where=program,
            expected="what pyproject.toml, CMakeLists.txt and "
            "rust-toolchain.toml of the tree ask for",
            found="\n".join(lacking),
            next="install what is named, then run it again",
        )
    return Ready(program, said["bin"], nvcc)


def _lack(what: str, expected: object, found: object) -> str:
    return f"{what}: needs {expected or 'any version'}, found {found}"


def _packages(
    needs: list[Requirement], said: Mapping[str, Any], full: bool
) -> Iterator[str]:
    for need in needs:
        version, spec = said["packages"][need.name], need.specifier
        if need.name in _PROGRAMS:
            continue
        if need.name == "torch" and not full:
            spec = SpecifierSet()
        what = f"Python package {need.name}"
        if version is None:
            yield _lack(what, spec, "none")
        elif not spec.contains(version, prereleases=True):
            yield _lack(what, spec, version)
        elif need.name == "torch" and full and said["cuda"] is None:
            yield _lack(what, "a build for CUDA", f"{version}, without")


def _programs(
    tree: Path, needs: list[Requirement], env: Mapping[str, str]
) -> Iterator[tuple[str, SpecifierSet, str]]:
    """Name, versions that will do, and the option that asks for it."""
    for need in needs:
        if need.name in _PROGRAMS:
            yield need.name, need.specifier, "--version"
    yield nvcc_of(env), NVCC, "--version"
    yield env.get("CXX", "g++"), GXX, "-dumpfullversion"
    # CMake's FetchContent clones CUTLASS and the attention kernels.
    yield "git", SpecifierSet(), "--version"
    doc = tomllib.loads((tree / "rust-toolchain.toml").read_text(encoding="utf-8"))
    rust = SpecifierSet(f">={doc['toolchain']['channel']}")
    yield from (("rustc", rust, "--version"), ("cargo", rust, "--version"))


def _version(
    name: str, option: str, tree: Path, env: Mapping[str, str]
) -> Version | str:
    """Its version, or why there is none."""
    path = shutil.which(name, path=env["PATH"])
    if path is None:
        return "none on PATH"
    try:
        # In the tree: rustup picks the toolchain by the folder.
        said = subprocess.run(
            [path, option],
            cwd=tree,
            env=dict(env),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as e:
        stderr = (getattr(e, "stderr", None) or str(e)).strip()
        return f"{path}, which fails: {stderr.splitlines()[0]}"
    match = _VERSION.search(said)
    return Version(match[1]) if match else f"{path}, which does not say its version"


def nvcc_of(env: Mapping[str, str]) -> str:
    """The nvcc that setup.py takes: that of CUDA_HOME, else of PATH, else a
    usual place (torch.utils.cpp_extension)."""
    home = env.get("CUDA_HOME") or env.get("CUDA_PATH")
    if home:
        return f"{home}/bin/nvcc"
    on_path = shutil.which("nvcc", path=env.get("PATH"))
    return on_path or "/usr/local/cuda/bin/nvcc"
