# SPDX-License-Identifier: Apache-2.0
"""A slim mirror of upstream: the paths that the series touches or imports, no more.

git-filter-repo keeps the history of those paths, so that a search through it
reads kilobytes a commit in place of a tree of ten thousand files.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Finding, Unusable
from scripts.base.git import Git, sealed_environment
from scripts.base.object_ids import Entry


@dataclass(frozen=True)
class Mirror:
    """A slim mirror."""

    path: Path
    commits: Mapping[str, str]
    """Upstream's commit to the mirror's; what kept nothing is left out."""

    @property
    def git(self) -> Git:
        return Git(self.path)

    def original(self, commit: str) -> str:
        """Upstream's commit for one of the mirror's."""
        return {new: old for old, new in self.commits.items()}[commit]


def imported(files: Mapping[str, Entry | None]) -> set[str]:
    """Paths of upstream's modules that Python files import directly.

    >>> e = Entry(0o100644, b"from vllm.utils import a\\nimport vllm.envs")
    >>> sorted(imported({"vllm/x.py": e}))[:3]
    ['vllm/__init__.py', 'vllm/envs.py', 'vllm/envs/__init__.py']
    """
    found: set[str] = set()
    for path, entry in files.items():
        if entry is None or not path.endswith(".py"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(entry.data)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [node.module, *inner]
            for name in names:
                if name.split(".")[0] in ("vllm", "tests"):
                    base = name.replace(".", "/")
                    found |= {f"{base}.py", f"{base}/__init__.py"}
    return found | {"vllm/__init__.py"} if found else found


def mirror(clone: Path, paths: Iterable[str], root: Path) -> Mirror:
    """Make the mirror, or take the one that is there for this very history.

    Args:
        clone: A clone of upstream; only read.
        paths: What to keep.
        root: Folder for mirrors.

    Raises:
        Finding: git or git-filter-repo failed.
        Unusable: git-filter-repo is not installed, or the folder not writable.
    """
    wanted = sorted(set(paths))
    heads = Git(clone).text("for-each-ref", "--format=%(objectname) %(refname)")
    mark = hashlib.sha256("\n".join([heads, *wanted]).encode()).hexdigest()[:16]
    place = root / f"slim-{mark}.git"
    if not (place / "sm12x-done").exists():
        shutil.rmtree(place, ignore_errors=True)
        root.mkdir(parents=True, exist_ok=True)
        note(f"slim mirror of {len(wanted)} paths; this is done once")
        Git(root).run(
            "clone", "--quiet", "--bare", "--no-local", str(clone), place.name
        )
        _filter(place, wanted)
        (place / "sm12x-done").touch()
    rows = (place / "filter-repo" / "commit-map").read_text(encoding="utf-8")
    pairs = (row.split() for row in rows.splitlines()[1:])
    return Mirror(place, {old: new for old, new in pairs if set(new) != {"0"}})


def _filter(place: Path, wanted: list[str]) -> None:
    listing = place / "sm12x-paths"
    listing.write_text("".join(f"{path}\n" for path in wanted), encoding="utf-8")
    tool = [sys.executable, "-m", "git_filter_repo", "--force", "--quiet"]
    done = subprocess.run(
        [*tool, "--paths-from-file", listing.name, "--replace-refs", "delete-no-add"],
        cwd=place,
        env=sealed_environment(),
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode("utf-8", "replace").strip()[-2000:]
    if "No module named" in said:
        raise Unusable(
            "git-filter-repo is not installed",
            found=said,
            next="make .venv/.maintainer (requirements/maintainer.txt has it)",
        )
    if done.returncode:
        raise Finding(
            "git-filter-repo failed",
            where=str(place),
            found=said,
            next="give a whole clone of upstream with GIT=, not a shallow one",
        )
