# SPDX-License-Identifier: Apache-2.0
"""git's object ids, computed without git and without a repository."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

DIRECTORY = 0o040000


def blob_id(data: bytes) -> str:
    """Id of a blob, as hex.

    >>> blob_id(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return object_id(b"blob", data)


def tree_id(
    entries: Mapping[str, tuple[int, str]],
    store: Callable[[bytes, bytes], str] | None = None,
) -> str:
    """Id of the tree that holds `entries`, as hex.

    Folders follow from the paths; git has no empty ones.

    >>> tree_id({})
    '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
    >>> tree_id({"a/b": (0o100644, blob_id(b""))})
    '878e27c626266ac04087a203e4bdd396dcf74763'

    Args:
        entries: Path with `/` between its parts, to mode and blob id.
        store: Given the kind and the body of each tree in it, folders before what
            holds them; its id. None keeps them nowhere.

    Raises:
        ValueError: A path is both a file and a folder, or has an empty part.
    """
    folders: dict[str, dict[str, tuple[int, str]]] = {"": {}}
    for path, entry in entries.items():
        folder, slash, name = path.rpartition("/")
        level = folders.get(folder)
        if level is None:
            level = _opened(folders, folder, path)
        if name in level or path in folders or not name or (slash and not folder):
            raise ValueError(f"{path!r} cannot be in a tree")
        level[name] = entry
    store = store or object_id
    # A folder is opened after the one that holds it.
    for folder in reversed(folders):
        made = store(b"tree", _body(folders[folder]))
        if folder:
            above, _, name = folder.rpartition("/")
            folders[above][name] = (DIRECTORY, made)
    return made


def _opened(
    folders: dict[str, dict[str, tuple[int, str]]], folder: str, path: str
) -> dict[str, tuple[int, str]]:
    """The level of a folder that no path before was in."""
    above, slash, name = folder.rpartition("/")
    level = folders.get(above)
    if level is None:
        level = _opened(folders, above, path)
    if not name or (slash and not above):
        raise ValueError(f"{path!r} cannot be in a tree")
    if name in level:
        raise ValueError(f"{path!r} lies in a file")
    return folders.setdefault(folder, {})


def _body(level: Mapping[str, tuple[int, str]]) -> bytes:
    rows = []
    for name, (mode, made) in level.items():
        raw = name.encode("utf-8", "surrogateescape")
        # git sorts a folder as if its name ended with a slash.
        rows.append((raw + b"/" if mode == DIRECTORY else raw, mode, raw, made))
    return b"".join(
        b"%o %s\0%s" % (mode, raw, bytes.fromhex(made))
        for _, mode, raw, made in sorted(rows)
    )


def object_id(kind: bytes, body: bytes) -> str:
    """Id of an object of a kind, as hex."""
    head = b"%s %d\0" % (kind, len(body))
    return hashlib.sha1(head + body, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Entry:
    """A file of the tree."""

    mode: int
    """0o100644, 0o100755 or 0o120000."""
    data: bytes
