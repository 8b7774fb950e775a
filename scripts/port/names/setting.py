# SPDX-License-Identifier: Apache-2.0
"""Whether an attribute that a patch assigns to can be set."""

from __future__ import annotations

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.names.library import Library
from scripts.port.names.used import How, Use


def unsettable(use: Use, path: str, library: Library) -> str:
    """Why an attribute cannot be assigned to; empty where it can, or nobody knows.

    Args:
        use: What is done with it.
        path: The file that does it.
        library: The tree.
    """
    if use.how is not How.SET or len(use.parts) < 2:
        return ""
    owner, name = _owner(use, path, library), use.parts[-1]
    if not isinstance(owner, Definition) or owner.sort is not Sort.CLASS:
        return ""
    found = library.member(owner, name)
    if isinstance(found, Definition) and "property" in found.marks:
        return "" if "settable" in found.marks else "can only be read"
    if owner.frozen:
        return f"is of {owner.name}, which is frozen"
    places = _slots(owner, library)
    if places is not None and name not in places:
        return f"has no slot in {owner.name}"
    return ""


def _owner(use: Use, path: str, library: Library) -> object:
    """The class of what an attribute is set on."""
    if use.owner:
        start = library.chain(path, use.owner.split("."))
    elif use.kind:
        start = library.kind(path, use.kind)
    else:
        made = library.chain(path, use.parts[:1], use.start)
        if not isinstance(made, Definition) or made.sort is not Sort.VALUE:
            return None
        start = library.kind(made.home, made.made_by or made.gives)
    for part in use.parts[1:-1]:
        if not isinstance(start, Definition) or start.sort is not Sort.CLASS:
            return None
        made = library.member(start, part)
        if not isinstance(made, Definition) or made.sort is not Sort.VALUE:
            return None
        start = library.kind(made.home, made.made_by or made.gives)
    return start


def _slots(owner: Definition, library: Library) -> frozenset[str] | None:
    """The attributes of a class and of those above; None where any may be set."""
    found = owner.slots
    for base in owner.bases:
        above = library.chain(owner.home, base.partition("[")[0].split("."))
        if found is None or not isinstance(above, Definition):
            return None
        more = _slots(above, library)
        found = None if more is None else found | more
    return found
