# SPDX-License-Identifier: Apache-2.0
"""Whether upstream has what a patch adds to a file, and has it in another one."""

from __future__ import annotations

from dataclasses import replace

from scripts.port.merge.symbols import symbols
from scripts.port.moves import Places
from scripts.port.report.states import Evidence, FileResult, State


def elsewhere(found: FileResult, places: Places) -> FileResult:
    """A file, unless another one of upstream's has what the patch adds to it."""
    if not found.state.carried or found.state is State.RESOLVED:
        return found
    path = found.path
    before = symbols(path, found.base.data if found.base else None)
    after = symbols(path, found.patched.data if found.patched else None)
    homes = {
        name: at
        for name in found.symbols
        if name not in before and (at := places.landed(path, name, after.get(name, ())))
    }
    if not homes or found.result is None:
        return found
    told = "; ".join(f"{name} is in {', '.join(at)}" for name, at in homes.items())
    rows = tuple(
        Evidence(f"+{name}", at) for name, files in homes.items() for at in files
    )
    return replace(
        found,
        state=State.PROBABLY_ABSORBED,
        why=f"upstream has what the patch adds, in another file: {told}",
        evidence=rows,
        homes=tuple(dict.fromkeys(at for files in homes.values() for at in files)),
    )
