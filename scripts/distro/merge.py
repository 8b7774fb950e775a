# SPDX-License-Identifier: Apache-2.0
"""Our series inside a distribution's own quilt folder, and out of it again.

Ours lie in `sm12x/` there, under DEP-3 headers, and stand in `series` between
two marks. `unmerge` gives back the bytes that `merge` found.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from scripts.base import decode
from scripts.base.errors import Finding, Unusable
from scripts.base.files import digest, sweep, write
from scripts.checkout import Checkout
from scripts.distro import debian, foreign, limits
from scripts.distro.bundle import gather

OURS = "sm12x"
STATE = ".merged.json"
BEGIN = "# sm12x: begin; python -m scripts unmerge-series takes this out"
END = "# sm12x: end"
SCHEMA = 1


@dataclass(frozen=True)
class Merged:
    """What `merge` or `unmerge` did."""

    folder: Path
    fork: str
    """Version of the fork that was put in or taken out."""
    patches: int
    theirs_kept: bool
    """After `unmerge`: whether `series` was edited since, and keeps that."""
    tree: str | None = None
    """git's id of the source tree after all patches; None after `unmerge`."""


def merge(at: Checkout, folder: Path, behind: str | None = None) -> Merged:
    """Put the series into `folder`, a quilt folder such as `debian/patches`.

    Args:
        at: The checkout.
        folder: The distribution's patches; its `series` may be missing.
        behind: Name of their patch that ours come behind; None for ahead of
            all of theirs.

    Raises:
        Finding: A patch does not hold at its place, a series of ours is in
            already, or patches are applied at this moment. Nothing was written.
        Unusable: The folder is none, or has no patch `behind`.
    """
    if not folder.is_dir():
        there = folder.exists()
        raise Unusable(
            "this is no folder" if there else "there is no such folder of patches",
            where=str(folder),
            next="make merge-series DIR=debian/patches, which a series file lies in"
            if there
            else f"mkdir -p {folder}, if the distribution has no patches yet",
        )
    _require_popped(folder)
    sweep(folder)
    if (folder / OURS).exists():
        raise Finding(
            "a series of ours is in this folder already",
            where=str(folder / OURS),
            next=f"python -m scripts unmerge-series {folder}, then merge again",
        )
    text = _series(folder)
    lines = (text or "").splitlines(keepends=True)
    at_line = _behind(lines, behind, folder)
    where = str(folder / "series")
    theirs = [
        [foreign.read(folder, name) for name in foreign.entries("".join(part), where)]
        for part in (lines[:at_line], lines[at_line:])
    ]
    bundle = gather(at, *theirs)
    limits.require(bundle, "quilt", debian.CANNOT)
    ours = {i.name: debian.quilted(i) for i in bundle.items if i.patch}
    state = {
        "schema": SCHEMA,
        "fork": bundle.lock.local_version,
        "series": text,
        "files": {name: sha256(data).hexdigest() for name, data in ours.items()},
    }
    # The state comes first and series last: a cut-off merge can be unmerged.
    write(
        folder / OURS / STATE,
        json.dumps(state, indent=1, sort_keys=True, ensure_ascii=False).encode()
        + b"\n",
    )
    for name, data in ours.items():
        write(folder / OURS / name, data)
    block = [BEGIN, *(f"{OURS}/{name}" for name in ours), END]
    head = "".join(lines[:at_line])
    if head and not head.endswith("\n"):
        head += "\n"
    body = "".join(f"{line}\n" for line in block)
    _write_series(folder, f"{head}{body}{''.join(lines[at_line:])}")
    return Merged(folder, bundle.lock.local_version, len(ours), False, bundle.tree)


def unmerge(folder: Path, *, force: bool = False) -> Merged:
    """Take the series out of `folder`; every byte as `merge` found it.

    Where the distribution edited `series` since, only our lines are taken out.

    Args:
        folder: As for `merge`.
        force: Drop edits of our files.

    Raises:
        Finding: One of our files was edited since or is not ours, or patches
            are applied at this moment. Nothing was written.
        Unusable: There is no series of ours.
    """
    _require_popped(folder)
    sweep(folder)
    sweep(folder / OURS)
    state = _state(folder)
    strange = [
        str(path)
        for path in sorted((folder / OURS).rglob("*"))
        if path.name != STATE
        and (not path.is_file() or state.files.get(path.name) != digest(path))
    ]
    if strange and not force:
        raise Finding(
            "one of our files was edited since, or is not ours",
            where="\n".join(strange),
            next="keep a copy, then run this again with --force (make: FORCE=1)",
        )
    before = state.series
    now = _series(folder)
    left = _without(now or "", folder)
    # merge ends a last line that has no newline.
    kept = left not in (before or "", f"{before or ''}\n")
    if kept:
        _write_series(folder, left)
    elif before is None:
        (folder / "series").unlink(missing_ok=True)
    elif now != before:
        _write_series(folder, before)
    shutil.rmtree(folder / OURS)
    return Merged(folder, state.fork, len(state.files), kept)


@dataclass(frozen=True)
class _State:
    """What merge-series notes, for the way back."""

    fork: str
    series: str | None
    """The list as it was; None where there was none."""
    files: dict[str, str]
    """SHA-256 of each of ours."""


def _state(folder: Path) -> _State:
    path = folder / OURS / STATE
    if not path.exists():
        raise Unusable(
            "no series of ours is in this folder",
            where=str(folder),
            expected=f"{OURS}/{STATE}",
            next="name the folder that merge-series was given",
        )
    what = "another release of these tools merged this"
    again = "unmerge with the release that merged"
    return decode.of_schema(path, _State, SCHEMA, what, again)


def _series(folder: Path) -> str | None:
    path = folder / "series"
    if path.is_symlink():
        raise Unusable(
            "the series is a link, which would become a file",
            where=str(path),
            found=str(path.readlink()),
            next="name the folder that it lies in",
        )
    # newline="": carriage returns come back as they were.
    try:
        with path.open(encoding="utf-8", newline="") as f:
            return f.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as e:
        raise Unusable(
            "the series is not UTF-8",
            where=str(path),
            found=str(e),
            next=f"write it in UTF-8: iconv -f latin1 -t utf8 {path}, if it is Latin-1",
        ) from e


def _write_series(folder: Path, text: str) -> None:
    path = folder / "series"
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    write(path, text.encode(), mode)


def _behind(lines: list[str], name: str | None, folder: Path) -> int:
    if name is None:
        return 0
    for number, line in enumerate(lines):
        if foreign.entries(line, "series") == [name]:
            return number + 1
    raise Unusable(
        "there is no such patch to come behind",
        where=str(folder / "series"),
        expected=" or ".join(foreign.entries("".join(lines), "series"))
        or "no --behind",
        found=name,
        next="name one of them, or leave --behind out",
    )


def _without(text: str, folder: Path) -> str:
    lines = text.splitlines(keepends=True)
    marks = [i for i, x in enumerate(lines) if x.rstrip("\n") in (BEGIN, END)]
    if not marks:
        return text  # a merge that was cut off
    if len(marks) != 2 or lines[marks[0]].rstrip("\n") != BEGIN:
        raise Finding(
            "our lines in the series cannot be told from yours",
            where=str(folder / "series"),
            expected=f"{BEGIN}\n...\n{END}",
            next="put the two marks back around our lines",
        )
    inside = lines[marks[0] + 1 : marks[1]]
    if mixed := [x for x in inside if not x.startswith(f"{OURS}/")]:
        raise Finding(
            "a line of yours stands between our marks",
            where=str(folder / "series"),
            found="".join(mixed).rstrip("\n"),
            next="move it out of the marks",
        )
    return "".join(lines[: marks[0]] + lines[marks[1] + 1 :])


def _require_popped(folder: Path) -> None:
    for root in (folder.parent, folder.parent.parent):
        applied = root / ".pc/applied-patches"
        if applied.is_file() and applied.read_bytes().strip():
            raise Finding(
                "patches are applied at this moment",
                where=str(applied),
                next="quilt pop -a",
            )
