# SPDX-License-Identifier: Apache-2.0
"""`upstream.lock`: what is pinned, read into frozen dataclasses.

Only tools write the file; comments survive because tomlkit edits it in place.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import ROOT
from scripts.errors import Unusable
from scripts.files import write

SCHEMA = 1
"""As in `lock.schema.json`, which says the same for other programs."""
PATH = ROOT / "upstream.lock"


@dataclass(frozen=True)
class Artifact:
    """One file of the upstream release."""

    filename: str
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True)
class GitSource:
    """What `SOURCE=git` resolved and recorded; empty until it was used."""

    commit: str | None = None
    tree: str | None = None
    patched_tree: str | None = None


@dataclass(frozen=True)
class Own:
    """A companion that the series requires in place of the one that upstream pins."""

    version: str
    patch: str
    """File name of the patch that says so."""
    why: str


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


_HEX = {
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "tree": re.compile(r"[0-9a-f]{40}"),
    "patched-tree": re.compile(r"[0-9a-f]{40}"),
    "released-tree": re.compile(r"[0-9a-f]{40}"),
    "commit": re.compile(r"[0-9a-f]{7,40}"),
}


def _take(table: Any, where: str, key: str, kind: type) -> Any:
    if not isinstance(table, dict):
        raise _malformed(where, "dict", repr(table))
    value = table.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _malformed(f"{where}.{key}", kind.__name__, repr(value))
    if key in _HEX and not _HEX[key].fullmatch(str(value)):
        raise _malformed(f"{where}.{key}", _HEX[key].pattern, repr(value))
    return value


def _malformed(where: str, expected: str, found: str) -> Unusable:
    return Unusable(
        "upstream.lock cannot be used",
        where=where,
        expected=expected,
        found=found,
        next="git checkout -- upstream.lock, or make pin VERSION=X.Y.Z",
    )


def _artifact(table: Any, where: str) -> Artifact:
    name = _take(table, where, "filename", str)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name):
        raise _malformed(f"{where}.filename", "a plain file name", repr(name))
    return Artifact(
        filename=name,
        size=_take(table, where, "size", int),
        sha256=_take(table, where, "sha256", str),
    )


def parse(text: str) -> Lock:
    """Read a lock.

    Raises:
        Unusable: It is no TOML, has another schema, or a key is missing or
            malformed; the message names the key.
    """
    try:
        doc = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise _malformed(str(PATH), "TOML", str(e)) from e
    if _take(doc, "upstream.lock", "schema", int) != SCHEMA:
        raise _malformed("schema", str(SCHEMA), repr(doc.get("schema")))
    vllm = _take(doc, "upstream.lock", "vllm", dict)
    series = _take(doc, "upstream.lock", "series", dict)
    sdist = _take(vllm, "vllm", "sdist", dict)
    wheels = _take(vllm, "vllm", "wheels", dict)
    git = _take(vllm, "vllm", "git", dict) if "git" in vllm else {}
    table = _take(doc, "upstream.lock", "companions", dict)
    companions = {k: _take(table, "companions", k, str) for k in table}
    has = "companions" in series
    owned = _take(series, "series", "companions", dict) if has else {}
    own = {k: _own(owned, k) for k in owned}
    return Lock(
        version=_take(vllm, "vllm", "version", str),
        tag=_take(vllm, "vllm", "tag", str),
        commit=_take(vllm, "vllm", "commit", str),
        epoch=_take(vllm, "vllm", "epoch", int),
        sdist=_artifact(sdist, "vllm.sdist"),
        tree=_take(sdist, "vllm.sdist", "tree", str),
        wheels={a: _artifact(w, f"vllm.wheels.{a}") for a, w in wheels.items()},
        git=GitSource(
            **{
                k.replace("-", "_"): _take(git, "vllm.git", k, str)
                for k in ("commit", "tree", "patched-tree")
                if k in git
            }
        ),
        release=_number(series),
        released_tree=_take(series, "series", "released-tree", str)
        if "released-tree" in series
        else None,
        patched_tree=_take(series, "series", "patched-tree", str),
        companions={**companions, **{k: one.version for k, one in own.items()}},
        upstream_companions=companions,
        own=own,
    )


def _number(series: Any) -> int:
    number = int(_take(series, "series", "release", int))
    if number < 1:
        raise _malformed("series.release", "1 or more", repr(number))
    return number


def _own(table: Any, name: str) -> Own:
    where = f"series.companions.{name}"
    values = _take(table, "series.companions", name, dict)
    return Own(*(_take(values, where, key, str) for key in ("version", "patch", "why")))


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
