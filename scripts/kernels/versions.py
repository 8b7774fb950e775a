# SPDX-License-Identifier: Apache-2.0
"""Which FlashInfer and compiler the environment has, against the lock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from scripts.base.errors import Finding

# Prefixes of the distributions that decide what comes out of a compilation.
_COMPILERS = (
    "flashinfer-python",
    "nvidia-cutlass-dsl",
    "apache-tvm-ffi",
    "triton",
    "cuda-bindings",
)


@dataclass(frozen=True)
class Environment:
    """An interpreter and the compilers beside it."""

    python: Path
    versions: Mapping[str, str]
    digest: str
    """Of every file of theirs, as their RECORDs have it."""


def environment(python: Path, companions: Mapping[str, str]) -> Environment:
    """Look at the environment of this interpreter.

    Args:
        python: Its interpreter.
        companions: What upstream.lock pins.

    Raises:
        Finding: A compiler has another version than the lock, or cutlass-dsl's parts
            are of different versions.
    """
    found: dict[str, str] = {}
    total = hashlib.sha256()
    paths = [str(p) for p in python.parent.parent.glob("lib/python*/site-packages")]
    for one in sorted(distributions(path=paths), key=_name):
        if _name(one).startswith(_COMPILERS):
            found[_name(one)] = one.version
            total.update(f"{_name(one)}=={one.version}\n".encode())
            total.update((one.read_text("RECORD") or "").encode())
    _check(python, found, companions)
    return Environment(python, found, total.hexdigest())


def _name(distribution: Distribution) -> str:
    return canonicalize_name(distribution.metadata["Name"])


def _check(
    python: Path, found: Mapping[str, str], companions: Mapping[str, str]
) -> None:
    dsl = companions["nvidia-cutlass-dsl"]
    wanted = {"flashinfer-python": companions["flashinfer-python"]}
    wanted |= {name: dsl for name in found if name.startswith("nvidia-cutlass-dsl")}
    wanted["nvidia-cutlass-dsl"] = dsl
    for name, version in sorted(wanted.items()):
        if found.get(name) != version:
            raise Finding(
                "the compiler is not the pinned one",
                where=str(python.parent.parent),
                expected=f"{name} {version}, as upstream.lock pins",
                found=found.get(name, "none"),
                next="correct requirements/flashinfer.txt or the lock",
            )
