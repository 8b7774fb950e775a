# SPDX-License-Identifier: Apache-2.0
"""Which lane a change belongs to: overlay, source, or no wheel at all.

The overlay lays Python over upstream's wheel. What upstream's build compiles,
executes or turns into metadata would be missing there without a word, so it
belongs to the source lane. Read from setup.py, MANIFEST.in, CMakeLists.txt and
tools/build_rust.py of the pinned sdist.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any

from scripts.base.errors import Finding
from scripts.series.diff import FilePatch
from scripts.series.mailbox import Patch
from scripts.series.replay import replay
from scripts.upstream.release_facts import REQUIREMENTS, but_companions
from scripts.upstream.sdist_contents import Reader


class Lane(Enum):
    """Where a changed file takes effect."""

    OVERLAY = auto()  # a file under vllm/, or the version of a companion in METADATA
    SOURCE = auto()  # compiled, executed by the build, or turned into metadata
    NEITHER = auto()  # never part of a wheel: tests, documentation, tools


PYPROJECT = "pyproject.toml"
_FOLDERS = ("csrc/", "cmake/", "rust/", ".cargo/", "requirements/build/")
_FILES = {
    "CMakeLists.txt",
    "CMakePresets.json",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",  # copied into .dist-info/licenses/
    "MANIFEST.in",
    "README.md",  # the long description in METADATA
    "setup.cfg",
    "setup.py",
    "tools/build_rust.py",  # executed by setup.py
    # Requires-Dist of each target; they read one another with -r.
    *(f"requirements/{x}.txt" for x in ("common", "cpu", "cuda", "rocm", "tpu", "xpu")),
}
_COMPILED = {".c", ".cc", ".cpp", ".cu", ".cuh", ".cxx", ".h", ".hip", ".hpp"}
_COMPILED |= {".inl", ".pyx", ".pxd", ".rs", ".S"}
# Not in the build's reach, whatever their suffix is.
_APART = {"benchmarks", "docs", "examples", "recipes", "tests", "docker"}
_TABLES = ("build-system", "project")
_TOOLS: tuple[str, ...] = (
    "setuptools",
    "setuptools_scm",
    "setuptools-scm",
    "vcs-versioning",
)
_TOOLS += ("setuptools-rust", "distutils", "scikit-build")


def _build_tables(data: bytes | None) -> dict[str, Any]:
    doc = tomllib.loads((data or b"").decode("utf-8"))
    tool = doc.get("tool", {})
    return {k: doc.get(k) for k in _TABLES} | {f"tool.{k}": tool.get(k) for k in _TOOLS}


def lane(path: str, before: bytes | None, after: bytes | None) -> Lane:
    """The lane of one file's change.

    Args:
        path: Relative to the source tree.
        before: Its bytes before, None if it is new. Only looked at for
            pyproject.toml and requirements/cuda.txt.
        after: Its bytes after, None if it is deleted.
    """
    if path.startswith("vllm/"):
        # CMake and Cargo compile nothing below vllm/; C++ and CUDA sources
        # there are data that vLLM compiles when it runs.
        return Lane.OVERLAY
    if path == PYPROJECT:
        try:
            same = _build_tables(before) == _build_tables(after)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            same = False
        return Lane.NEITHER if same else Lane.SOURCE
    if path == REQUIREMENTS and before is not None and after is not None:
        # The wheel is of this target, and its METADATA carries these versions.
        sides = (x.decode("utf-8", "replace") for x in (before, after))
        old, new = map(but_companions, sides)
        return Lane.OVERLAY if old == new else Lane.SOURCE
    if path.startswith(_FOLDERS) or path.startswith("rust-toolchain"):
        return Lane.SOURCE
    if path in _FILES:
        return Lane.SOURCE
    if Path(path).suffix in _COMPILED and path.split("/")[0] not in _APART:
        return Lane.SOURCE
    return Lane.NEITHER


def _sides(change: FilePatch) -> tuple[bytes, bytes]:
    """What a change has of its file before and after, which is all that it changes."""
    lines = [line for hunk in change.hunks for line in hunk.lines]
    before, after = (
        b"".join(line[1:] for line in lines if line[:1] in (b" ", sign))
        for sign in (b"-", b"+")
    )
    return before, after


def belongs_to_source(
    patches: Sequence[Patch], read: Reader | None = None
) -> list[tuple[Patch, str, int]]:
    """Changes that the overlay cannot carry: patch, path, line in the patch.

    Args:
        patches: The series.
        read: Reads upstream's sdist. Called only if a patch touches
            pyproject.toml, which the wheel does not hold; without it such a
            patch counts as source.

    Raises:
        Finding: A change to pyproject.toml does not apply.
    """
    states: dict[tuple[str, str], tuple[bytes | None, bytes | None]] = {}
    for patch in patches:
        for change in patch.files:
            if change.path == REQUIREMENTS and change.old_mode and change.new_mode:
                states[patch.name, REQUIREMENTS] = _sides(change)
    if read and any(c.path == PYPROJECT for p in patches for c in p.files):
        tree = read(PYPROJECT.__eq__).files.get
        now = tree(PYPROJECT)
        for step in replay(patches, tree, PYPROJECT.__eq__):
            if PYPROJECT in step.changes:
                then, now = now, step.changes[PYPROJECT]
                states[step.patch.name, PYPROJECT] = (
                    then.data if then else None,
                    now.data if now else None,
                )
    undecided = (None, b"[build-system]\n")  # two that differ
    return [
        (patch, change.path, change.at)
        for patch in patches
        for change in patch.files
        if lane(change.path, *states.get((patch.name, change.path), undecided))
        is Lane.SOURCE
    ]


def require_overlay(patches: Sequence[Patch], read: Reader | None = None) -> None:
    """Refuse a series that needs a build.

    Raises:
        Finding: It does; the message names every patch and file.
    """
    if bad := belongs_to_source(patches, read):
        raise Finding(
            "the series changes what is compiled or read by the build",
            where="\n".join(f"patches/{p.name}:{at} ({path})" for p, path, at in bad),
            expected="files under vllm/, companions' versions, tests, documentation",
            found=f"{len(bad)} change(s) of the source lane",
            next="make wheel-source",
        )
