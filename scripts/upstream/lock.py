# SPDX-License-Identifier: Apache-2.0
"""`upstream.lock`: what is pinned, read into frozen dataclasses.

Only tools write the file; comments survive because tomlkit edits it in place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import ROOT
from scripts.base import decode
from scripts.base.errors import Unusable
from scripts.base.files import write
from scripts.upstream.lock_types import SCHEMA, Artifact, File, Own

__all__ = ["PATH", "SCHEMA", "Artifact", "GitSource", "Lock", "Own"]

PATH = ROOT / "upstream.lock"


@dataclass(frozen=True)
class GitSource:
    """What `SOURCE=git` resolved and recorded; empty until it was used."""

    commit: str | None = None
    tree: str | None = None
    patched_tree: str | None = None


@dataclass(frozen=True)
class Lock:
    """The pin. Tree and commit ids are SHA-1, as upstream's repository."""

    version: str
    tag: str
    commit: str
    """As the release carries it: a prefix of the full id."""
    epoch: int
    """Seconds since 1970; the date of everything that is built."""
    sdist: Artifact
    tree: str
    """Tree of the unpacked sdist."""
    wheels: Mapping[str, Artifact]
    """By architecture, as `uname -m` prints it."""
    git: GitSource
    release: int
    """N of `+sm12x.N`: of the last release on this pin, or of the next."""
    released_tree: str | None
    """Patched tree of release N, as `make release` recorded it; no export moves it.

    None before that release."""
    patched_tree: str
    """Tree of the sdist after the whole series."""
    companions: Mapping[str, str]
    """Distribution name to the version that the patched requirements pin."""
    upstream_companions: Mapping[str, str]
    """The same of upstream's requirements."""
    own: Mapping[str, Own]
    """Those of `companions` that are not upstream's."""

    @property
    def moved(self) -> dict[str, tuple[str, str]]:
        """Version before and after the series, of each companion that it moves."""
        before = self.upstream_companions
        return {n: (before[n], o.version) for n, o in self.own.items() if n in before}

    @property
    def is_release(self) -> bool:
        """Whether the series is what went out as release N."""
        return self.released_tree == self.patched_tree

    @property
    def last_release(self) -> int:
        """Number of the last release on this pin; 0 before the first."""
        return self.release if self.released_tree else self.release - 1

    @property
    def number(self) -> str:
        """What follows `+sm12x.`: of a release N, else after which, and the tree.

        By PEP 440 `1.dev...` is newer than `1` and older than `2`.
        """
        if self.is_release:
            return str(self.release)
        return f"{self.last_release}.dev{self.patched_tree[:10]}"

    @property
    def local_version(self) -> str:
        """The version of all that is built from this series."""
        return f"{self.version}+sm12x.{self.number}"

    @property
    def release_version(self) -> str:
        """The version of release N, whether or not the series is that."""
        return f"{self.version}+sm12x.{self.release}"

    def wheel(self, arch: str) -> Artifact:
        """The upstream wheel for `arch`.

        Raises:
            Unusable: Upstream released none for it.
        """
        try:
            return self.wheels[arch]
        except KeyError:
            raise Unusable(
                f"upstream has no wheel for {arch!r}",
                where=str(PATH),
                expected=" or ".join(sorted(self.wheels)),
                found=arch,
                next="make wheel ARCH=x86_64, or make wheel-source for this machine",
            ) from None


def _malformed(where: str, expected: str, found: str) -> Unusable:
    return Unusable(
        "upstream.lock cannot be used",
        where=where,
        expected=expected,
        found=found,
        next="git checkout -- upstream.lock, or make pin VERSION=X.Y.Z",
    )


def parse(text: str) -> Lock:
    """Read a lock.

    Raises:
        Unusable: It is no TOML, has another schema, or a key is missing or
            malformed; the message names the key.
    """
    try:
        doc = decode.convert(tomllib.loads(text), File)
    except tomllib.TOMLDecodeError as e:
        raise _malformed(str(PATH), "TOML", str(e)) from e
    except decode.Unfit as e:
        raise _malformed(e.path or str(PATH), e.expected, e.found) from e
    vllm, series, git = doc.vllm, doc.series, doc.vllm.git
    own, sdist = series.companions or {}, vllm.sdist
    return Lock(
        version=vllm.version,
        tag=vllm.tag,
        commit=vllm.commit,
        epoch=vllm.epoch,
        sdist=Artifact(sdist.filename, sdist.size, sdist.sha256),
        tree=sdist.tree,
        wheels=vllm.wheels,
        git=GitSource(git.commit or None, git.tree or None, git.patched_tree or None)
        if git
        else GitSource(),
        release=series.release,
        released_tree=series.released_tree or None,
        patched_tree=series.patched_tree,
        companions={**doc.companions, **{k: one.version for k, one in own.items()}},
        upstream_companions=doc.companions,
        own=own,
    )


def load(path: Path = PATH) -> Lock:
    """Read the lock at `path`; raises as `parse`."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise Unusable(
            "cannot read the lock",
            where=str(path),
            found=str(e),
            next="git checkout -- upstream.lock, or make pin VERSION=X.Y.Z",
        ) from e


def edit(text: str, values: Mapping[str, Any]) -> str:
    """Set dotted keys in a lock's text, keeping comments and order.

    Args:
        text: The lock as it is.
        values: Key like `vllm.sdist.size` to its value; None removes the key,
            or the whole table of that name.
    """
    import tomlkit  # here, since most verbs only read

    doc = tomlkit.parse(text)
    for dotted, value in values.items():
        *tables, key = dotted.split(".")
        table: Any = doc
        for name in tables:
            if name not in table:
                table[name] = tomlkit.table()
            table = table[name]
        if value is None:
            table.pop(key, None)
        elif table.get(key) != value:
            table[key] = value
    return tomlkit.dumps(doc)


def update(path: Path, values: Mapping[str, Any]) -> bool:
    """`edit` the file, whole or not at all.

    Returns:
        Whether any byte changed.

    Raises:
        Unusable: The result would be no lock; the file stays as it was.
    """
    before = path.read_text(encoding="utf-8")
    after = edit(before, values)
    if after == before:
        return False
    parse(after)  # never leave a file that cannot be read back
    write(path, after.encode("utf-8"))
    return True
