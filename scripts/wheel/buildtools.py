# SPDX-License-Identifier: Apache-2.0
"""What upstream's own build needs, and which of it this machine lacks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from scripts.errors import Unusable

# sm_121 came with nvcc 12.9 (CUDA 12.9 release notes); 12.8 knows sm_120 only.
NVCC = SpecifierSet(">=12.9")
# CMakeLists.txt of the pinned release stops at an older GNU compiler.
GXX = SpecifierSet(">=11.3")
# pip builds in the tree itself since then; before, it copied to a folder whose
# name the compiler caches saw.
PIP = SpecifierSet(">=21.3")
# Programs of these packages are started by name, wherever they come from.
_PROGRAMS = ("cmake", "ninja")

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
print(json.dumps({"python": platform.python_version(), "versions": versions,
                  "cuda": cuda.get("cuda"), "bin": os.path.dirname(sys.executable)}))
"""


@dataclass(frozen=True)
class Python:
    """The interpreter that builds."""

    program: str
    bin: str
    """Its folder, where the programs of its packages are."""
    version: str
    packages: Mapping[str, str | None]
    """Version of each asked package, None if it is not installed."""
    cuda: str | None
    """CUDA release that its torch is built for."""
    nvcc: Version | None = None
    """Of the CUDA compiler that the build will use, if it needs one."""


@dataclass
class Tools:
    """Findings of one check."""

    env: Mapping[str, str]
    """Environment of the build, its PATH above all."""
    tree: Path
    lacking: list[str] = field(default_factory=list)

    def lack(self, what: str, expected: object, found: object) -> None:
        self.lacking.append(f"{what}: needs {expected or 'any version'}, found {found}")

    def program(
        self, name: str, spec: SpecifierSet, option: str, pattern: str
    ) -> Version | None:
        """Note it if the program is missing, broken, or not in `spec`."""
        path = shutil.which(name, path=self.env.get("PATH"))
        if path is None:
            self.lack(name, spec, "none on PATH")
            return None
        try:
            # In the tree: rustup picks the toolchain by the folder.
            said = subprocess.run(
                [path, option],
                cwd=self.tree,
                env=dict(self.env),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=60,
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError) as e:
            stderr = (getattr(e, "stderr", None) or str(e)).strip()
            self.lack(name, spec, f"{path}, which fails: {stderr.splitlines()[0]}")
            return None
        match = re.search(pattern, said)
        if match is None:
            self.lack(name, spec, f"{path}, which does not say its version")
            return None
        version = Version(match[1])
        if version not in spec:
            self.lack(name, spec, f"{version} ({path})")
        return version


def ask(python: str, names: list[str], env: Mapping[str, str]) -> Python:
    """What the build's interpreter has.

    Raises:
        Unusable: It cannot be run.
    """
    program = shutil.which(python)
    try:
        if program is None:
            raise FileNotFoundError(f"no such program: {python}")
        done = subprocess.run(
            [program, "-c", _PROBE, *names],
            env=dict(env),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
        said = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as e:
        raise Unusable(
            "the Python for the build cannot be run",
            where=python,
            expected="a Python with torch and upstream's build requirements",
            found=(getattr(e, "stderr", None) or str(e)).strip()[-1000:],
            next="make wheel-source PYTHON=/path/to/venv/bin/python",
        ) from e
    return Python(program, said["bin"], said["python"], said["versions"], said["cuda"])


def require(
    tree: Path, python: str, env: Mapping[str, str], target_device: str
) -> Python:
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
    requires = [Requirement(r) for r in doc["build-system"]["requires"]]
    found = ask(python, ["pip", *(r.name for r in requires)], env)
    path = f"{found.bin}:{env.get('PATH', '')}"
    tools = Tools({**env, "PATH": path}, tree)
    spec = SpecifierSet(doc.get("project", {}).get("requires-python", ""))
    if Version(found.version) not in spec:
        tools.lack("Python", spec, f"{found.version} ({found.program})")
    full = target_device == "cuda"
    for need in [Requirement(f"pip{PIP}"), *requires]:
        if need.name not in _PROGRAMS:
            _package(tools, found, need, full)
    if full:
        for need in (r for r in requires if r.name in _PROGRAMS):
            tools.program(
                need.name, need.specifier, "--version", r"(\d+\.\d+(?:\.\d+)?)"
            )
        found = replace(found, nvcc=_compilers(tools, found))
    if tools.lacking:
        raise Unusable(
            "this machine cannot build vLLM yet",
            where=found.program,
            expected="what pyproject.toml, CMakeLists.txt and "
            "rust-toolchain.toml of the tree ask for",
            found="\n".join(tools.lacking),
            next="install what is named, then run it again",
        )
    return found


def _package(tools: Tools, python: Python, need: Requirement, full: bool) -> None:
    version = python.packages[need.name]
    spec = need.specifier
    if need.name == "torch" and not full:
        spec = SpecifierSet()
    if version is None:
        tools.lack(f"Python package {need.name}", spec, "none")
    elif not spec.contains(version, prereleases=True):
        tools.lack(f"Python package {need.name}", spec, version)
    elif need.name == "torch" and full and python.cuda is None:
        tools.lack("Python package torch", "a build for CUDA", f"{version}, without")


def _compilers(tools: Tools, python: Python) -> Version | None:
    nvcc = tools.program(nvcc_of(tools.env), NVCC, "--version", r"release (\d+\.\d+)")
    if nvcc and python.cuda and Version(python.cuda).major != nvcc.major:
        tools.lack("nvcc", f"CUDA {python.cuda}, as torch", nvcc)
    tools.program(
        tools.env.get("CXX", "g++"), GXX, "-dumpfullversion", r"^(\d+\.\d+(?:\.\d+)?)"
    )
    # CMake's FetchContent clones CUTLASS and the attention kernels.
    tools.program("git", SpecifierSet(), "--version", r"(\d+\.\d+(?:\.\d+)?)")
    pinned = tomllib.loads(
        (tools.tree / "rust-toolchain.toml").read_text(encoding="utf-8")
    )
    # Upstream's wheel has its Rust front end; without the compiler setup.py
    # would leave it out and say nothing.
    rust = SpecifierSet(f">={pinned['toolchain']['channel']}")
    for name in ("rustc", "cargo"):
        tools.program(name, rust, "--version", r"(\d+\.\d+\.\d+)")
    return nvcc


def nvcc_of(env: Mapping[str, str]) -> str:
    """The nvcc that setup.py takes: that of CUDA_HOME, else of PATH, else a
    usual place (torch.utils.cpp_extension)."""
    home = env.get("CUDA_HOME") or env.get("CUDA_PATH")
    if home:
        return f"{home}/bin/nvcc"
    on_path = shutil.which("nvcc", path=env.get("PATH"))
    return on_path or "/usr/local/cuda/bin/nvcc"
