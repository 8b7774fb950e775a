# SPDX-License-Identifier: Apache-2.0
"""Which series a published file says it was made with, and which commit has it."""

from __future__ import annotations

import re
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from scripts.base.errors import Finding, Unusable
from scripts.release.repository import Repository
from scripts.upstream.lock import parse
from scripts.upstream.release_facts import tag_of
from scripts.wheel.notice import NAME as NOTICE

_ENTRY = re.compile(
    r"^  (?P<name>\d{4}-[\w.+-]+\.patch)\n    .*\n    (?P<sum>[0-9a-f]{64})$", re.M
)
_MAX = 1 << 20


@dataclass(frozen=True)
class Named:
    """A series by file name and SHA-256, in order."""

    patches: tuple[tuple[str, str], ...]

    def against(self, other: Named) -> list[str]:
        """One line for each patch that `other` has not, or has in other bytes."""
        there = dict(other.patches)
        found = []
        for name, sha256 in self.patches:
            if name not in there:
                found.append(f"{name}, which this checkout has not")
            elif there[name] != sha256:
                found.append(f"{name}, sha256 {sha256}; here {there[name]}")
        here = {name for name, _ in self.patches}
        found += [f"no {name}" for name in there if name not in here]
        return found or ["the same patches in another order"]


def named_in(published: Path) -> Named | None:
    """The series that the notice of modification names; None without one."""
    try:
        text = _notice(published)
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, tarfile.TarError):
        return None
    except zlib.error:
        return None
    found = tuple((m["name"], m["sum"]) for m in _ENTRY.finditer(text))
    return Named(found) if found else None


def _notice(published: Path) -> str:
    if published.suffix == ".whl":
        with zipfile.ZipFile(published) as z:
            end = f".dist-info/licenses/{NOTICE}"
            found = [n for n in z.namelist() if n.endswith(end)]
            with z.open(found[0] if found else end) as f:
                return f.read(_MAX).decode("utf-8", "replace")
    with tarfile.open(published, "r|gz") as tar:
        for member in tar:
            top, _, name = member.name.partition("/")
            if top and name == NOTICE and (data := tar.extractfile(member)):
                return data.read(_MAX).decode("utf-8", "replace")
    return ""


def commit_with(here: Repository, version: str, named: Named | None) -> str | None:
    """Tag or commit of this clone whose series a file was made with.

    Tried in this order: the release's tag, then the history of the series and
    the lock. Without `named` only the tag can be told.
    """
    if here.tag(version):
        tag = tag_of(version)
        if named is None or _series(here, tag) == named:
            return tag
    if named is None:
        return None
    for commit in here.changed_inputs():
        if _series(here, commit) == named and _makes(here, commit, version):
            return commit
    return None


def _series(here: Repository, commit: str) -> Named | None:
    try:
        return Named(tuple((p.name, p.sha256) for p in here.series(commit)))
    except Finding:
        return None


def _makes(here: Repository, commit: str, version: str) -> bool:
    data = here.file(commit, "upstream.lock") or b""
    try:
        return parse(data.decode("utf-8", "replace")).local_version == version
    except Unusable:
        return False
