# SPDX-License-Identifier: Apache-2.0
"""What the series would change in an installed vLLM; looks, writes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from packaging.version import InvalidVersion, Version

from scripts.base.errors import Finding, Unusable
from scripts.base.object_ids import blob_id
from scripts.series.base_commit import touched
from scripts.series.folder import fingerprint
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.wheel.embedded_files import derive, in_wheel
from scripts.wheel.install import way_back
from scripts.wheel.installed.find import Installed, require_own
from scripts.wheel.installed.manifest import (
    Change,
    Manifest,
    State,
    caches_of,
    record_after,
    state_of,
)
from scripts.wheel.metadata import requires
from scripts.wheel.record import record_paths


def plan(
    at: Installed, lock: Lock, patches: Sequence[Patch]
) -> tuple[Manifest, dict[str, bytes]]:
    """What the series changes there, and the new bytes by path; writes nothing.

    Raises:
        Finding: A file is not the pinned release's, or the result is not what
            the series names.
        Unusable: A folder lies outside the environment.
    """
    record = (at.site / at.record).read_bytes()
    paths = {*filter(in_wheel, touched(patches))}
    require_own(at, paths)
    names = record_paths(record, at.record) | paths
    present = {n for n in names if in_wheel(n) and (at.site / n).is_file()}
    _require_upstream(at, lock, patches, present)
    payload = derive(patches, present, lambda path: (at.site / path).read_bytes())
    new = {p: e.data for p, e in payload.put.items()}
    new |= _required(at, lock)
    # build_py drops a module's executable bit, so no wheel has one.
    runs = {
        p
        for p, e in payload.put.items()
        if e.mode == 0o100755 and not p.endswith(".py")
    }
    plain = (at.site / "vllm" / "__init__.py").stat().st_mode & 0o666
    changes: list[Change] = []
    caches: list[Change] = []
    for path in sorted({*new, *payload.gone}):
        before = state_of(at.site / path)
        after = None
        if path in new:
            executable = (plain >> 2) & 0o111 if path in runs else 0
            mode = before.mode if before else plain | executable
            data = new[path]
            after = State(sha256(data).hexdigest(), len(data), mode)
        changes.append(Change(path, before, after, f"{len(changes):04}"))
        for cache in caches_of(at.site, path):
            state = state_of(at.site / cache)
            caches.append(Change(cache, state, None, f"cache-{len(caches):04}"))
    manifest = Manifest(
        vllm=at.version,
        fork=lock.local_version,
        series=fingerprint(patches),
        patches=tuple((p.name, p.sha256, p.subject) for p in patches),
        changes=tuple(changes),
        record=Change(at.record, state_of(at.site / at.record), None, "RECORD"),
        caches=tuple(caches),
        absent=_absent(at, changes),
    )
    new[at.record] = record_after(at, manifest, record)
    return manifest, new


def _required(at: Installed, lock: Lock) -> dict[str, bytes]:
    """METADATA with the companions that the series requires.

    Raises:
        Finding: It requires one in another version than upstream does.
    """
    path = f"{at.info.name}/METADATA"
    data = (at.site / path).read_bytes()
    # Who builds vLLM without them, as distributions do, has nothing to correct.
    named = {
        name: versions
        for name, versions in lock.moved.items()
        if re.search(rf"^Requires-Dist: {re.escape(name)}\b".encode(), data, re.M)
    }
    return {path: requires(data, named, where=path)} if named else {}


def _absent(at: Installed, changes: Sequence[Change]) -> tuple[str, ...]:
    folders: set[str] = set()
    for change in changes:
        parent = Path(change.path).parent
        folders |= {p.as_posix() for p in (parent / "__pycache__", parent)}
        folders |= {p.as_posix() for p in parent.parents}
    return tuple(sorted(f for f in folders if not (at.site / f).exists()))


def require_version(at: Installed, lock: Lock) -> None:
    """Accept the pinned version, also with another builder's local part.

    Raises:
        Unusable: It is another version, or the fork's own wheel.
    """
    refuse_wheel(at, "to change the series in it: make install VENV=its folder")
    try:
        found = Version(at.version)
    except InvalidVersion:
        found = None
    if found is None or found.public != Version(lock.version).public:
        raise Unusable(
            "the installed vLLM is not the pinned one",
            where=str(at.info),
            expected=lock.version,
            found=at.version,
            next=f"{way_back(Path(at.python), lock.version)}; or carry the series to "
            "what is there: make port TO=",
        )


def refuse_wheel(at: Installed, next_: str) -> None:
    """Refuse a vLLM that came with the series in it, as the fork's own wheel.

    Raises:
        Unusable: It is one.
    """
    _, _, local = at.version.partition("+")
    if "sm12x" in local.split("."):
        raise Unusable(
            "the fork's own wheel is installed here, with its series in it",
            where=str(at.info),
            expected="upstream's vLLM, which the series is put into and taken out of",
            found=at.version,
            next=next_,
        )


def _require_upstream(
    at: Installed, lock: Lock, patches: Sequence[Patch], present: set[str]
) -> None:
    # The replay would stop at the first of them; a person wants all.
    wrong: dict[str, str] = {}
    seen: set[str] = set()
    for patch in patches:
        for change in patch.files:
            path = change.path
            if path in seen or not in_wheel(path):
                continue
            seen.add(path)
            blob = blob_id((at.site / path).read_bytes()) if path in present else None
            mode_only = change.old_blob == change.new_blob
            expected = None if change.old_mode is None else change.old_blob
            if blob != expected and not (mode_only and blob):
                wrong[path] = (
                    f"{path}: {'blob ' + blob if blob else 'no file'}, not "
                    f"{'blob ' + expected if expected else 'absent'} "
                    f"({patch.name}:{change.at})"
                )
    if wrong:
        raise Finding(
            f"{len(wrong)} of {len(seen)} files are not those of the pinned release",
            where=str(at.site),
            expected=f"vLLM {lock.version} as upstream released it",
            found="\n".join(wrong[p] for p in sorted(wrong)),
            next="take other patches out, or reinstall vLLM, and run it again",
        )
