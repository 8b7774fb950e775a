# SPDX-License-Identifier: Apache-2.0
"""What persons decided: `patches/resolutions/`, keyed by the three blobs.

A resolution is a diff from the new upstream's blob to the result, with a reason.
It holds for the very same three contents and for nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.base.git import NULL_ID, Git
from scripts.base.object_ids import Entry, blob_id
from scripts.series.diff import FilePatch, Reader, parse_file
from scripts.series.replay import apply_file

FOLDER = "resolutions"
SUFFIX = ".resolution"
_KEYS = ("Patch", "Path", "Base", "Ours", "Theirs", "Reason")
"""Lines of the file; "Ours" is the new upstream's blob, as git has it in a rebase."""


@dataclass(frozen=True)
class Key:
    """The three contents, as blob ids; all zero for a file that is not there."""

    base: str
    upstream: str
    patched: str

    @property
    def file(self) -> str:
        parts = (self.base, self.upstream, self.patched)
        return "-".join(part[:12] for part in parts) + SUFFIX


def key(base: Entry | None, upstream: Entry | None, patched: Entry | None) -> Key:
    """The key of a case."""
    ids = [blob_id(e.data) if e else NULL_ID for e in (base, upstream, patched)]
    return Key(*ids)


@dataclass(frozen=True)
class Resolution:
    """One decision."""

    key: Key
    patch: str
    """Subject of the patch, for readers."""
    path: str
    reason: str
    body: bytes
    """A diff from upstream to the result, and of other files that the change was
    entered in; empty where upstream is the result."""

    @property
    def name(self) -> str:
        """Below `patches/`."""
        return f"{FOLDER}/{self.key.file}"


@dataclass(frozen=True)
class Known:
    """A decision as it applies to a case."""

    result: bytes | None
    """None where nothing is left of the file."""
    reason: str
    also: Mapping[str, FilePatch] = field(default_factory=dict)
    """What it changes in other files."""


@dataclass(frozen=True)
class Records:
    """All decisions of a folder."""

    found: Mapping[Key, Resolution] = field(default_factory=dict)

    def find(
        self, base: Entry | None, upstream: Entry | None, patched: Entry | None
    ) -> Known | None:
        """What was decided for these three contents.

        Raises:
            Finding: The record does not apply to the blob that it names.
        """
        record = self.found.get(key(base, upstream, patched))
        if record is None:
            return None
        mine, also = _changes(record)
        return Known(_apply(record, mine, upstream), record.reason, also)

    def name(
        self, base: Entry | None, upstream: Entry | None, patched: Entry | None
    ) -> str:
        return key(base, upstream, patched).file

    def unused(self, used: frozenset[str]) -> list[str]:
        """File names of the decisions that no case asked for."""
        return sorted(k.file for k in self.found if k.file not in used)


def _changes(record: Resolution) -> tuple[FilePatch | None, dict[str, FilePatch]]:
    """What a record changes in its own file, and in others."""
    parts = re.split(rb"(?m)^(?=diff --git )", record.body)
    found = [parse_file(Reader(record.name, part)) for part in parts if part]
    mine = [change for change in found if change.path == record.path]
    others = {change.path: change for change in found if change not in mine}
    return (mine[0] if mine else None), others


def _apply(
    record: Resolution, change: FilePatch | None, upstream: Entry | None
) -> bytes | None:
    if change is None:
        return upstream.data if upstream else None
    # The mode is the merge's business, so the blob alone has to agree.
    before = (
        Entry(change.old_mode, upstream.data) if upstream and change.old_mode else None
    )
    made = apply_file(record, change, before)
    if change.old_blob != record.key.upstream:
        raise Finding(
            "a resolution is for another blob than its name",
            where=f"patches/{record.name}",
        )
    return made.data if made else None


def load(patches: Path) -> Records:
    """Read `patches/resolutions/`.

    Raises:
        Finding: A file there is not a resolution, or has a name not its own.
    """
    found: dict[Key, Resolution] = {}
    folder = patches / FOLDER
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        record = parse(path.name, path.read_bytes())
        found[record.key] = record
    return Records(found)


def parse(name: str, data: bytes) -> Resolution:
    """Read one.

    Raises:
        Finding: A key is missing, malformed, or contradicts the name.
    """
    head, _, body = data.partition(b"\n\n")
    fields: dict[str, str] = {}
    for row in head.decode("utf-8", "replace").split("\n"):
        label, _, value = row.partition(": ")
        fields[label] = value
    where = f"patches/{FOLDER}/{name}"
    for label in _KEYS:
        if not fields.get(label, "").strip():
            raise Finding(
                "this is no resolution",
                where=where,
                expected=f"{label}: ...",
                next=f"git checkout -- {where}, or remove it",
            )
    ids = [fields[k] for k in ("Base", "Ours", "Theirs")]
    if not all(re.fullmatch(r"[0-9a-f]{40}", x) for x in ids) or Key(*ids).file != name:
        raise Finding(
            "a resolution has another name than its three blobs give",
            where=where,
            expected=Key(*ids).file,
            next=f"git checkout -- {where}, or remove it",
        )
    return Resolution(
        Key(*ids), fields["Patch"], fields["Path"], fields["Reason"], body
    )


Edit = tuple[Entry | None, bytes | None]
"""A file before a person's edit, and its bytes after it."""


def save(
    patches: Path,
    case: tuple[Entry | None, Entry | None, Entry | None],
    result: bytes | None,
    path: str,
    patch: str,
    reason: str,
    also: Mapping[str, Edit] | None = None,
) -> Path:
    """Write a decision down.

    Args:
        patches: The folder `patches/`.
        case: Base, upstream and patched.
        result: What the file is to be.
        path: Where it lies.
        patch: Subject of the patch.
        reason: Why, one line.
        also: Other files that the change was entered in.

    Returns:
        The file.
    """
    base, upstream, patched = case
    name = key(base, upstream, patched)
    rows = zip(
        _KEYS,
        (patch, path, name.base, name.upstream, name.patched, reason),
        strict=True,
    )
    head = "".join(f"{label}: {value}\n" for label, value in rows)
    body = _diff({path: (upstream, result), **(also or {})})
    at = patches / FOLDER / name.file
    record = Resolution(name, patch, path, reason, body)
    if _apply(record, _changes(record)[0], upstream) != result:
        raise Finding("the decision cannot be written as a diff", where=path)
    write(at, head.encode("utf-8") + b"\n" + body)
    return at


def _diff(edits: Mapping[str, Edit]) -> bytes:
    with TemporaryDirectory(prefix="sm12x-port-") as scratch:
        git = Git(Path(scratch))
        git.run("init", "--quiet", ".")
        changed = []
        for path, (before, after) in edits.items():
            if (before.data if before else None) == after:
                continue
            changed.append(path)
            file = Path(scratch) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if before:
                file.write_bytes(before.data)
                git.run("add", "--force", "--", path)
                file.unlink()
            if after is not None:
                file.write_bytes(after)
                git.run("add", "--force", "--intent-to-add", "--", path)
        if not changed:
            return b""
        made = git.run("diff", "--full-index", "--no-ext-diff", "--", *changed)
        return made.stdout
