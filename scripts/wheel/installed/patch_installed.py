# SPDX-License-Identifier: Apache-2.0
"""Put the series into an installed vLLM of the pinned version, and out again.

Only files change. The distribution keeps its version, because its `.dist-info`
is named after it; what is in it says `sm12x/manifest.json` there. Folders'
times are not restored: the import system uses them to notice changes.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import filterfalse
from pathlib import Path

from scripts.base.errors import Finding, Unusable
from scripts.series.base_commit import touched
from scripts.series.folder import fingerprint
from scripts.series.lane import require_overlay
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.upstream.sdist_contents import Reader
from scripts.wheel.embedded_files import in_wheel
from scripts.wheel.install import installer, way_back
from scripts.wheel.installed import journal
from scripts.wheel.installed.find import Installed, alone, find, require_own
from scripts.wheel.installed.install_plan import plan, refuse_wheel, require_version
from scripts.wheel.installed.manifest import (
    Manifest,
    edited,
    refuse_edits,
)


class Status(Enum):
    """How a run ended."""

    PATCHED = auto()  # the series was put in
    ALREADY = auto()  # this very series was in, and is whole
    REVERTED = auto()  # the series was taken out
    CLEAN = auto()  # there was no series to take out


@dataclass(frozen=True)
class Report:
    """What a run did."""

    status: Status
    site: Path
    version: str
    """Of the installed distribution."""
    fork: str | None
    """The fork's version that the files belong to, None if they are upstream's."""
    files: tuple[str, ...]
    """Files of vLLM that were changed, or changed back."""
    left_out: tuple[str, ...]
    """Files of the series that no wheel holds: tests, documentation."""
    repaired: bool
    """Whether a run that was cut off had to be undone first."""
    install: str | None = None
    """The command for companions that it requires in another version than before."""

    def __str__(self) -> str:
        words = {
            Status.PATCHED: f"patched vLLM {self.version} to {self.fork}",
            Status.ALREADY: f"vLLM {self.version} has this series already "
            f"({self.fork}); nothing to do",
            Status.REVERTED: f"took {self.fork} out of vLLM {self.version}",
            Status.CLEAN: f"vLLM {self.version} has no series to take out",
        }
        lines = [words[self.status] + f": {len(self.files)} files in {self.site}"]
        if self.repaired:
            lines.insert(0, "undid a run that was cut off")
        if self.install:
            lines.append(f"it requires now: {self.install}")
        if self.left_out:
            lines.append(f"not installed: {len(self.left_out)} files outside vllm/")
        return "\n".join(lines)


def patch_installed(
    python: str,
    lock: Lock,
    patches: Sequence[Patch],
    read: Reader | None = None,
) -> Report:
    """Put the series into the vLLM of an environment, all or nothing.

    Args:
        python: Path or name of the environment's interpreter.
        lock: The pin; the installed version must be its, a local version of
            another builder (`+cu129`) aside, as every preimage is checked.
        patches: The series.
        read: As for `scripts.series.lane.require_overlay`.

    Raises:
        Finding: The installed files are not upstream's, were edited after an
            earlier patch, or the series needs a build. Nothing was written,
            but a run that was cut off is undone.
        Unusable: No vLLM of the pinned version that can be written, or another
            run is at work.
    """
    require_overlay(patches, read)
    at = find(python)
    require_version(at, lock)
    with alone(at):
        return patch(at, lock, patches)


def revert(python: str, *, force: bool = False) -> Report:
    """Take the series out: every file, RECORD and byte code as it was.

    Args:
        python: Path or name of the environment's interpreter.
        force: Drop what was edited since.

    Raises:
        Finding: A patched file was edited since, or a backup is missing.
        Unusable: No vLLM there that can be written, the fork's own wheel, or
            another run is at work.
    """
    at = find(python)
    back = way_back(Path(at.python), at.version.partition("+")[0])
    refuse_wheel(at, f"install upstream's own in its place: {back}")
    with alone(at):
        return unpatch(at, force=force)


def patch(at: Installed, lock: Lock, patches: Sequence[Patch]) -> Report:
    """`patch_installed` for a found vLLM, within `alone`."""
    _require_writable([at.info])
    done, repaired = journal.settle(at)
    left_out = tuple(sorted(filterfalse(in_wheel, touched(patches))))

    def report(status: Status, manifest: Manifest) -> Report:
        files = tuple(c.path for c in manifest.changes)
        own = [f"{name}=={own.version}" for name, own in lock.own.items()]
        install = _install(at, own)
        return Report(
            status,
            at.site,
            at.version,
            manifest.fork,
            files,
            left_out,
            repaired,
            install,
        )

    if done is not None:
        if (done.series, done.fork) == (fingerprint(patches), lock.local_version):
            refuse_edits(at, done, edited(at, done, strict=True))
            journal.drop_stray(at, done)
            return report(Status.ALREADY, done)
        raise Finding(
            "another series is in this vLLM",
            where=str(at.site),
            expected=f"{lock.local_version}, series {fingerprint(patches)[:12]}",
            found=f"{done.fork}, series {done.series[:12]}",
            next="make patch-installed PYTHON=... REVERT=1, then run this again",
        )
    manifest, new = plan(at, lock, patches)
    folders = [(at.site / c.path).parent for c in manifest.all]
    _require_writable(folders)
    journal.commit(at, manifest, new)
    return report(Status.PATCHED, manifest)


def unpatch(at: Installed, *, force: bool = False) -> Report:
    """`revert` for a found vLLM, within `alone`."""
    _require_writable([at.info])
    done, repaired = journal.settle(at, force=force)
    if done is None:
        return Report(Status.CLEAN, at.site, at.version, None, (), (), repaired)
    if not force:
        refuse_edits(at, done, edited(at, done))
    require_own(at, (c.path for c in done.all))
    _require_writable([(at.site / c.path).parent for c in done.all])
    before = _pinned(at)
    journal.undo(at, journal.start_undo(at), force=force)
    install = _install(at, sorted(_pinned(at) - before))
    files = tuple(c.path for c in done.changes)
    return Report(
        Status.REVERTED, at.site, at.version, done.fork, files, (), repaired, install
    )


def _pinned(at: Installed) -> set[str]:
    """Versions that its METADATA requires exactly, as pip takes them."""
    data = (at.info / "METADATA").read_text(encoding="utf-8", errors="replace")
    found = re.findall(
        r"^Requires-Dist: ([\w.-]+)(?:\[.*\])?==(\S+)$", data, re.MULTILINE
    )
    return {f"{name}=={version}" for name, version in found}


def _install(at: Installed, specs: Sequence[str]) -> str | None:
    return shlex.join((*installer(Path(at.python)), *specs)) if specs else None


def _require_writable(folders: Sequence[Path]) -> None:
    bad = set()
    for folder in folders:
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            bad.add(str(folder))
    if bad:
        raise Unusable(
            "the installed vLLM cannot be written",
            where="\n".join(sorted(bad)),
            found="read-only for this user",
            next="run it as the owner, or in an image layer that can be written",
        )
