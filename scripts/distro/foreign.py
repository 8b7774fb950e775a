# SPDX-License-Identifier: Apache-2.0
"""Patches of a distribution: plain diffs in a folder that has a `series`.

git applies them, in a folder that holds nothing else than the files concerned.
A hunk that git had to look for is refused: what moved once may have met a twin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.base.errors import Finding, ForkError, Unusable
from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.upstream.sdist import EXECUTABLE, FILE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_MOVED = re.compile(r"Hunk #\d+ succeeded at .*\(offset .*\)")


@dataclass(frozen=True)
class Foreign:
    """One patch of a distribution."""

    name: str
    """File name in the export: folders are joined with `-`."""
    data: bytes
    where: str
    """Its path, for messages."""
    paths: frozenset[str]
    """Files that it names, old and new."""


def entries(text: str, where: str) -> list[str]:
    r"""Names in a quilt `series`; `#` starts a comment.

    >>> entries("# ours\na.patch -p1\n\nb/c.diff # why\n", "series")
    ['a.patch', 'b/c.diff']

    Raises:
        Finding: A line has an option other than `-p1`.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        name, *options = re.sub(r"(^|\s)#.*", "", line).split() or [""]
        if options not in ([], ["-p1"]):
            raise Finding(
                "only patches that apply with -p1 can be taken",
                where=f"{where}:{number}",
                expected=f"{name}, or {name} -p1",
                found=line,
                next="quilt refresh -p1 writes it anew",
            )
        found += [name] if name else []
    return found


def load(folder: Path) -> list[Foreign]:
    """The patches of `folder`, in the order of its `series`.

    Raises:
        Finding: A patch is missing, is none, or is binary.
        Unusable: There is no `series`.
    """
    series = folder / "series"
    try:
        text = series.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise Unusable(
            "a distribution's patches need a series",
            where=str(series),
            expected="one patch file name a line, as quilt has it",
            found=str(e),
            next=f"ls {folder}",
        ) from e
    return [read(folder, name) for name in entries(text, str(series))]


def read(folder: Path, name: str) -> Foreign:
    """One patch of `folder`; raises as `load`."""
    where = str(folder / name)
    flat = name.replace("/", "-")
    if not _NAME.fullmatch(flat):
        raise Finding(
            "this name cannot stand in every format",
            where=where,
            expected="letters, digits and . _ + -",
            found=name,
            next="rename it, and in its series",
        )
    try:
        data = (folder / name).read_bytes()
    except OSError as e:
        raise Finding(
            "a patch of the distribution's series cannot be read",
            where=where,
            found=e.strerror,
            next=f"put it there, or take its line out of {folder / 'series'}",
        ) from e
    return Foreign(flat, data, where, _paths(data, where))


def _paths(data: bytes, where: str) -> frozenset[str]:
    with TemporaryDirectory(prefix="sm12x-foreign-") as scratch:
        said = _git(Path(scratch), data, where, "--numstat", "-z")[0]
    # `added TAB deleted TAB path NUL`, or for a rename `... TAB NUL old NUL new NUL`.
    found: set[str] = set()
    for field in said.decode("utf-8", "surrogateescape").split("\0"):
        added, *rest = field.split("\t", 2)
        if rest and added == "-":
            raise Finding(
                "a binary patch cannot be carried by every tool",
                where=where,
                expected="text",
                found=rest[-1],
                next="carry the file in the packaging instead",
            )
        path = rest[-1] if rest else added
        found |= {path} if path else set()
    return frozenset(found)


def apply(
    given: Foreign, tree: Callable[[str], Entry | None]
) -> Mapping[str, Entry | None]:
    """What the patch makes of the files that it names.

    Args:
        given: The patch.
        tree: Looks up a path in the tree that it applies to.

    Raises:
        Finding: It does not apply, or not at the lines that it names.
    """
    before = {path: tree(path) for path in sorted(given.paths)}
    with TemporaryDirectory(prefix="sm12x-foreign-") as scratch:
        root = Path(scratch) / "tree"
        root.mkdir()
        for path, entry in before.items():
            if entry is not None:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(entry.data)
                (root / path).chmod(entry.mode & 0o777)
        said = _git(root, given.data, given.where, "--verbose")[1]
        if moved := _MOVED.findall(said.decode("utf-8", "replace")):
            raise Finding(
                "a distribution's patch does not stand at the lines that it names",
                where=given.where,
                expected="every hunk at its place",
                found="\n".join(moved),
                next="look where it lands, then quilt refresh",
            )
        after = {path: _entry(root / path) for path in before}
    return {path: entry for path, entry in after.items() if entry != before[path]}


def _entry(path: Path) -> Entry | None:
    if path.is_symlink():
        return Entry(0o120000, str(path.readlink()).encode())
    if not path.is_file():
        return None
    mode = EXECUTABLE if path.stat().st_mode & 0o100 else FILE
    return Entry(mode, path.read_bytes())


def _git(root: Path, data: bytes, where: str, *args: str) -> tuple[bytes, bytes]:
    # No repository may be found above the folder: paths would be relative to it.
    env = {"GIT_CEILING_DIRECTORIES": str(root.parent)}
    try:
        done = Git(root).run(
            "apply", "-p1", "--whitespace=nowarn", *args, "-", stdin=data, env=env
        )
    except Finding as e:
        raise _refused(where, e) from e
    return done.stdout, done.stderr


def _refused(where: str, e: ForkError) -> Finding:
    return Finding(
        "a distribution's patch does not apply",
        where=where,
        expected="every line of its hunks, in the tree that comes before it",
        found=e.found,
        next="quilt push as far as it goes, fix it there, quilt refresh",
    )
