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
    root: dict[str, _Node] = {}
    for path, (mode, blob) in entries.items():
        *folders, name = path.split("/")
        level = root
        for folder in folders:
            node = level.setdefault(folder, {})
            if not isinstance(node, dict):
                raise ValueError(f"{path!r} lies in a file")
            level = node
        if name in level or not all((*folders, name)):
            raise ValueError(f"{path!r} cannot be in a tree")
        level[name] = (mode, blob)
    return _tree(root, store or object_id)


_Node = tuple[int, str] | dict[str, "_Node"]


def _tree(level: Mapping[str, _Node], store: Callable[[bytes, bytes], str]) -> str:
    rows = []
    for name, node in level.items():
        raw = name.encode("utf-8", "surrogateescape")
        if isinstance(node, dict):
            # git sorts a folder as if its name ended with a slash.
            rows.append((raw + b"/", DIRECTORY, raw, _tree(node, store)))
        else:
            rows.append((raw, node[0], raw, node[1]))
    body = b"".join(
        b"%o %s\0%s" % (mode, raw, bytes.fromhex(name))
        for _, mode, raw, name in sorted(rows)
    )
    return store(b"tree", body)


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
