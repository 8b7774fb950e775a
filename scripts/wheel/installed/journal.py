# SPDX-License-Identifier: Apache-2.0
"""Replace files of an installed package, all or nothing, and put them back.

`<dist-info>/sm12x/` holds the state. With `journal.json` a change is under way,
or was cut off: everything in it is to be undone. With `manifest.json`, the same
bytes under another name, the change is complete. The rename between the two is
what commits a patch, and the one back is what starts a revert, so that a run
killed anywhere leaves one of these states and there is one way back, `undo`,
which may itself be cut off and repeated.

Originals are kept by their inode where the file system lets us (a hard link,
then a rename over the name): time, owner and attributes come back with the
bytes, and a package cache that shares the inode is never written to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from scripts.base.errors import Finding, Unusable
from scripts.base.files import MAKE_ROOM, sweep, sync_dir, write
from scripts.wheel.installed.find import Installed
from scripts.wheel.installed.manifest import (
    BEFORE,
    FOLDER,
    JOURNAL,
    MANIFEST,
    NEW,
    REINSTALL,
    Change,
    Manifest,
    caches_of,
    edited,
    hashed,
    kept,
    load,
    refuse_edits,
    state_of,
    stray_caches,
)


def commit(at: Installed, manifest: Manifest, new: Mapping[str, bytes]) -> None:
    """Carry out what `manifest` says; `new` has the bytes by path.

    Raises:
        Unusable: The file system refused; nothing is changed then.
    """
    home = at.info / FOLDER
    try:
        (home / BEFORE).mkdir(parents=True)
        write(home / JOURNAL, manifest.dump())
        for change in (*manifest.changes, manifest.record):
            if change.path in new:
                _stage(at, change, new[change.path])
        for cache in manifest.caches:
            (at.site / cache.path).replace(home / BEFORE / cache.backup)
        for change in (*manifest.changes, manifest.record):
            target, saved = at.site / change.path, home / BEFORE / change.backup
            if change.path not in new:
                target.replace(saved)
                continue
            if change.before:
                _keep(target, saved)
            _beside(target).replace(target)
        drop_stray(at, manifest)
        for folder in _folders(at, manifest):
            sync_dir(folder)
        (home / JOURNAL).replace(home / MANIFEST)
        sync_dir(home)
    except BaseException as e:
        if (home / JOURNAL).exists():
            undo(at, load(home / JOURNAL))
        else:
            _clear(home)
        if isinstance(e, OSError):
            raise Unusable(
                f"the installed vLLM cannot be changed: {e.strerror or e}",
                where=str(e.filename or at.site),
                found="everything is as it was",
                next=MAKE_ROOM,
            ) from e
        raise


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}{NEW}")


def _stage(at: Installed, change: Change, data: bytes) -> None:
    target = at.site / change.path
    target.parent.mkdir(parents=True, exist_ok=True)
    model = target if change.before else at.site / "vllm" / "__init__.py"
    if change.before is None:
        mode = change.after.mode if change.after else 0o644
    else:
        mode = (change.after or change.before).mode
    with _beside(target).open("wb") as f:
        f.write(data)
        f.flush()
        os.fchmod(f.fileno(), mode)
        like = model.stat()
        with contextlib.suppress(PermissionError):
            os.fchown(f.fileno(), like.st_uid, like.st_gid)
        os.fsync(f.fileno())


def _keep(target: Path, saved: Path) -> None:
    try:
        os.link(target, saved, follow_symlinks=False)
    except OSError:
        # No hard links here: a copy with its times, whole before it counts.
        copy = saved.with_name(saved.name + NEW)
        shutil.copy2(target, copy, follow_symlinks=False)
        copy.replace(saved)


def _folders(at: Installed, manifest: Manifest) -> list[Path]:
    folders = {(at.site / c.path).parent for c in manifest.all}
    folders |= {(at.site / p).parent for p in manifest.absent}
    folders.add(at.info / FOLDER / BEFORE)
    return sorted(f for f in folders if f.is_dir())


def settle(at: Installed, *, force: bool = False) -> tuple[Manifest | None, bool]:
    """The complete patch that is in place, and whether a cut-off run was undone.

    Raises:
        Finding: A cut-off run cannot be undone, as a file changed since.
    """
    home = at.info / FOLDER
    if not home.is_dir():
        return None, False
    if (home / JOURNAL).exists():
        journal = load(home / JOURNAL)
        if not force:
            refuse_edits(at, journal, edited(at, journal))
        undo(at, journal, force=force)
        return None, True
    if (home / MANIFEST).exists():
        return load(home / MANIFEST), False
    _clear(home)
    return None, True


def start_undo(at: Installed) -> Manifest:
    """From "complete" to "to be undone", once every backup was seen whole.

    Raises:
        Finding: A backup is missing or damaged; nothing was changed.
    """
    home = at.info / FOLDER
    manifest = load(home / MANIFEST)
    bad = [
        f"{c.backup} of {c.path}"
        for c in manifest.all
        if c.before
        and hashed(state_of(kept(home / BEFORE / c.backup, at.site / c.path)))
        != hashed(c.before)
    ]
    if bad:
        raise Finding(
            "backups are missing or damaged, so the patch cannot be taken out",
            where=str(home / BEFORE),
            found="\n".join(bad),
            next=REINSTALL,
        )
    (home / MANIFEST).replace(home / JOURNAL)
    return manifest


def undo(at: Installed, manifest: Manifest, *, force: bool = False) -> None:
    """Put everything back; may be repeated after a cut at any point.

    Raises:
        Finding: A file is not what it was (without `force`).
    """
    before = at.info / FOLDER / BEFORE
    for change in (manifest.record, *reversed(manifest.changes)):
        target, saved = at.site / change.path, before / change.backup
        _beside(target).unlink(missing_ok=True)
        saved.with_name(saved.name + NEW).unlink(missing_ok=True)
        if change.before is None:
            target.unlink(missing_ok=True)
        else:
            _put_back(saved, target)
    old = {c.path: before / c.backup for c in manifest.caches}
    for change in manifest.changes:
        for cache in caches_of(at.site, change.path):
            if cache not in old:
                (at.site / cache).unlink()
    for path, saved in old.items():
        _put_back(saved, at.site / path)
    drop_stray(at, manifest)
    for folder in reversed(manifest.absent):
        # Something of the user's may lie in it by now.
        with contextlib.suppress(OSError):
            (at.site / folder).rmdir()
    wrong = [
        c.path
        for c in (*manifest.changes, manifest.record)
        if hashed(state_of(at.site / c.path)) != hashed(c.before)
    ]
    if not force:
        refuse_edits(at, manifest, wrong)
    for changed in _folders(at, manifest):
        sync_dir(changed)
    _clear(at.info / FOLDER)


def drop_stray(at: Installed, manifest: Manifest) -> None:
    """Remove byte code that would stand in for what `manifest` changes."""
    for cache in stray_caches(at, [change.path for change in manifest.changes]):
        cache.unlink(missing_ok=True)


def _put_back(saved: Path, target: Path) -> None:
    if os.path.lexists(saved):
        target.parent.mkdir(exist_ok=True)
        saved.replace(target)
        # Renaming one hard link over another of the same file does nothing.
        saved.unlink(missing_ok=True)


def _clear(home: Path) -> None:
    """Remove the state folder; the journal goes last of what it holds."""
    if not home.is_dir():
        return
    sweep(home)
    try:
        if (home / BEFORE).is_dir():
            (home / BEFORE).rmdir()
        (home / JOURNAL).unlink(missing_ok=True)
        home.rmdir()
    except OSError as e:
        raise Finding(
            "there are files here that this tool did not make",
            where=str(home),
            found="\n".join(sorted(p.name for p in home.rglob("*"))),
            next="look at them, move them away, and run it again",
        ) from e
    sync_dir(home.parent)
