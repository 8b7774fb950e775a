# SPDX-License-Identifier: Apache-2.0
"""What was done to an installed vLLM, in a form that undoes it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from scripts.base import decode
from scripts.base.errors import Finding
from scripts.wheel.installed.find import Installed
from scripts.wheel.record import edit_record

FOLDER, JOURNAL, MANIFEST, BEFORE = "sm12x", "journal.json", "manifest.json", "before"
"""State folder in `.dist-info` and the names in it; see journal.py beside this."""
NEW = ".sm12x-new"
"""Ends the name of every file that a commit has not put in its place yet."""
REINSTALL = "pip install --force-reinstall --no-deps the pinned vLLM"


@dataclass(frozen=True)
class State:
    """A file's content and permissions."""

    sha256: str
    size: int
    """Bytes."""
    mode: int
    """Permission bits."""


@dataclass(frozen=True)
class Change:
    """One file; paths are relative to site-packages, with `/`."""

    path: str
    before: State | None
    """None if the file was not there."""
    after: State | None
    """None if the file goes. Of RECORD too, which names its own manifest."""
    backup: str
    """Name in `before/`; not `.py`, so that nothing compiles it."""


@dataclass(frozen=True)
class Manifest:
    """What was done to an installed vLLM, and all that undoes it."""

    vllm: str
    """Version that was installed."""
    fork: str
    """Version of the fork, as its wheel would have it."""
    series: str
    """`scripts.series.folder.fingerprint`."""
    patches: tuple[tuple[str, str, str], ...]
    """File name, SHA-256 and subject of each."""
    changes: tuple[Change, ...]
    record: Change
    caches: tuple[Change, ...]
    """Byte code of changed modules, put aside; `after` is None."""
    absent: tuple[str, ...]
    """Folders that were not there, outer ones first."""

    @property
    def all(self) -> tuple[Change, ...]:
        return (*self.changes, *self.caches, self.record)

    def dump(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode("ascii") + b"\n"


def load(path: Path) -> Manifest:
    """Read a journal or manifest.

    Raises:
        Finding: It is not one that this tool wrote.
    """

    what = "the record of the patched files cannot be read"
    return decode.read(path, Manifest, what, REINSTALL, Finding)


def kept(saved: Path, target: Path) -> Path:
    """Where the bytes of a backup are; a relative link is one from its old place."""
    if saved.is_symlink():
        return target.parent / saved.readlink()
    return saved


def state_of(path: Path) -> State | None:
    """What lies at `path` now, None if nothing does."""
    try:
        data = path.read_bytes()
        return State(
            sha256(data).hexdigest(), len(data), stat.S_IMODE(path.stat().st_mode)
        )
    except FileNotFoundError:
        return None


def record_after(at: Installed, manifest: Manifest, record: bytes) -> bytes:
    """RECORD of the patched install, from the one before.

    Backups and manifest are in it, so that an uninstall removes them.
    """
    home = f"{at.info.name}/{FOLDER}"
    rows: dict[str, tuple[str, int] | None] = {}
    for change in manifest.changes:
        rows[change.path] = hashed(change.after)
    for change in manifest.all:
        if change.before:
            rows[f"{home}/{BEFORE}/{change.backup}"] = hashed(change.before)
    data = manifest.dump()
    rows[f"{home}/{MANIFEST}"] = (sha256(data).hexdigest(), len(data))
    return edit_record(record, rows, at.record)


def hashed(state: State | None) -> tuple[str, int] | None:
    """Digest and size, which is what RECORD compares."""
    return None if state is None else (state.sha256, state.size)


def edited(at: Installed, manifest: Manifest, *, strict: bool = False) -> list[str]:
    """Paths that are neither as before nor as the patch made them.

    Args:
        strict: A file as it was before the patch counts too.
    """
    found = []
    saved = at.info / FOLDER / BEFORE / manifest.record.backup
    saved = kept(saved, at.site / at.record)
    for change in (*manifest.changes, manifest.record):
        now = state_of(at.site / change.path)
        after = hashed(change.after)
        if change is manifest.record and saved.exists():
            data = record_after(at, manifest, saved.read_bytes())
            after = (sha256(data).hexdigest(), len(data))
        known = [after] if strict else [after, hashed(change.before)]
        if hashed(now) not in known:
            found.append(change.path)
    return found


def refuse_edits(at: Installed, manifest: Manifest, paths: Iterable[str]) -> None:
    """Raise if there are `paths`; every one is named.

    Raises:
        Finding: There are.
    """
    if names := list(paths):
        raise Finding(
            "files of the patched vLLM were edited since",
            where=str(at.site),
            expected=f"the files of {manifest.fork}, or those before it",
            found="\n".join(names),
            next="keep a copy of your edits, then "
            "make patch-installed PYTHON=... REVERT=1 FORCE=1",
        )


def stray_caches(at: Installed, paths: Iterable[str]) -> list[Path]:
    """Byte code files of modules below PYTHONPYCACHEPREFIX.

    They lie outside the environment, may hold stale code that no date gives away
    (PEP 552, unchecked), and are written anew where they are missed. Python names
    them by the path that it was started with, so that an environment behind a link
    has them under each of its names.
    """
    prefix = at.pycache and at.pycache.absolute()
    modules = {Path(path) for path in paths if path.endswith(".py")}
    if prefix is None or not modules:
        return []
    folders = {(at.site / module).parent.resolve() for module in modules}
    stems = {(module.parent.name, module.stem) for module in modules}
    return sorted(
        cache
        for cache in prefix.rglob("*.pyc")
        if (cache.parent.name, cache.name.partition(".")[0]) in stems
        and Path("/", cache.parent.relative_to(prefix)).resolve() in folders
    )


def caches_of(site: Path, path: str) -> list[str]:
    """Byte code files of a module, of whatever Python and optimisation.

    >>> caches_of(Path("/nowhere"), "vllm/config/kernel.py")
    []
    """
    if not path.endswith(".py"):
        return []
    module = Path(path)
    folder = module.parent / "__pycache__"
    found = (site / folder).glob(f"{module.stem}.*.pyc")
    return sorted((folder / p.name).as_posix() for p in found)
