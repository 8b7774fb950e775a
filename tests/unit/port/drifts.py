# SPDX-License-Identifier: Apache-2.0
"""Cases on a tree, told by what each side edits in it."""

from __future__ import annotations

from tests.unit.port.model import Change, Files, replaced

Edits = dict[str, list[tuple[str, str]]]
"""Path to texts and what stands there then; of a new file the second alone counts."""


def edited(files: Files, edits: Edits) -> dict[str, str]:
    return {
        path: replaced(text, *edits.get(path, [])) for path, text in files.items()
    } | {path: pairs[0][1] for path, pairs in edits.items() if path not in files}


def drift(
    tree: Files,
    name: str,
    kind: str,
    patch: Edits,
    upstream: Edits,
    *right: Edits,
    gone: str = "",
    dropped: bool = False,
    read: bool = False,
) -> Change:
    """Edits of a tree by both sides; what is right is what to edit in upstream's.

    Args:
        tree: The base of both.
        name: Of the case.
        kind: Of the drift.
        patch: Its edits.
        upstream: Upstream's.
        right: Each a right answer; without one it has to be refused.
        gone: A file that upstream takes away.
        dropped: As of `Change`.
        read: As of `Change`.
    """
    new = edited(tree, upstream)
    new.pop(gone, None)
    return Change(
        name=name,
        kind=kind,
        base=tree,
        patched=edited(tree, patch),
        upstream=new,
        right=tuple(edited(new, answer) for answer in right),
        dropped=dropped,
        read=read,
    )


def on(path: str, *edits: tuple[str, str]) -> Edits:
    """Edits of one file."""
    return {path: list(edits)}
