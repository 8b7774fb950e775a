# SPDX-License-Identifier: Apache-2.0
"""Which files of the patched tree go into the wheel, and which leave it.

Upstream's setuptools takes every tracked file of its packages
(include-package-data is on with pyproject.toml, setuptools-scm lists the
files): all of the sdist's vllm/ is in the wheel, `.gitkeep` and notes included
(tests/unit/wheel/test_embedded_files.py holds that against the real archives). A series
that changes how files are chosen is refused by the lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scripts.base.errors import Finding
from scripts.base.object_ids import Entry
from scripts.series.mailbox import Patch
from scripts.series.replay import replay, result

VERSION_FILE = "vllm/_version.py"
_NEVER = (".pyc", ".pyo", ".so", ".o", ".a", ".pyd")


@dataclass(frozen=True)
class Embedded:
    """What the series makes of the wheel's files."""

    put: Mapping[str, Entry]
    """New and changed files; the mode is the tree's."""
    gone: frozenset[str]
    patches: Mapping[str, tuple[str, ...]]
    """For every path of both, the names of the patches that touch it."""


def in_wheel(path: str) -> bool:
    """Whether a path of the source tree can be part of the wheel at all."""
    return path.startswith("vllm/")


def _check(path: str, entry: Entry | None, folders: frozenset[str], at: str) -> None:
    folder = path.rpartition("/")[0]
    reason = None
    if path == VERSION_FILE:
        reason = "the build writes this file"
    elif path.endswith(_NEVER) or "/__pycache__/" in path:
        reason = "no compiled file comes from a patch"
    elif entry is not None and entry.mode == 0o120000:
        reason = "a wheel holds no symbolic link"
    elif folder not in folders and not all(p.isidentifier() for p in folder.split("/")):
        reason = "its folder can be no package, so setuptools may leave it out"
    if reason:
        raise Finding(
            "cannot tell what upstream's packaging would make of this file",
            where=f"{at} ({path})",
            expected="a regular file in a folder of the wheel, or in a package",
            found=reason,
            next="put it elsewhere, or make wheel-source",
        )


def derive(
    patches: Sequence[Patch],
    names: Iterable[str],
    data: Callable[[str], bytes],
) -> Embedded:
    """Replay the series on the wheel's own files.

    Every preimage and every result is held against the blob ids of the patch.

    Args:
        patches: The series.
        names: Members of the upstream wheel.
        data: Their bytes.

    Raises:
        Finding: A patch does not apply to the wheel, or a new file cannot be
            decided.
    """
    present = frozenset(names)
    # A wheel drops the executable bit of modules, so modes are the patch's
    # word here; apply and verify hold them against the sdist.
    modes: dict[str, int | None] = {}
    touched: dict[str, list[str]] = {}
    where: dict[str, str] = {}
    for patch in patches:
        for change in patch.files:
            if in_wheel(change.path):
                modes.setdefault(change.path, change.old_mode)
                touched.setdefault(change.path, []).append(patch.name)
                where[change.path] = f"patches/{patch.name}:{change.at}"

    def tree(path: str) -> Entry | None:
        if path not in present:
            return None
        return Entry(modes[path] or 0o100644, data(path))

    def want(path: str) -> bool:
        # What upstream has and leaves out of the wheel stays out.
        return path in modes and (path in present or modes[path] is None)

    last = result(replay(patches, tree, want))
    folders = frozenset(name.rpartition("/")[0] for name in present)
    for path, entry in last.items():
        _check(path, entry, folders, where[path])
    return Embedded(
        put={p: e for p, e in last.items() if e is not None},
        gone=frozenset(p for p, e in last.items() if e is None and p in present),
        patches={
            path: tuple(dict.fromkeys(by))
            for path, by in touched.items()
            if last.get(path) is not None or path in present
        },
    )
