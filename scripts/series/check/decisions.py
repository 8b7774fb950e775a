# SPDX-License-Identifier: Apache-2.0
"""What persons decided for ports: whether the series still makes those changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.base.errors import Finding
from scripts.series import answers, resolutions
from scripts.series.check.problem import Problem, Rule, Severity, printable
from scripts.series.mailbox import Patch


def check(folder: Path, patches: Sequence[Patch]) -> Iterator[Problem]:
    """Name the decisions that no port of this series can ask for.

    A decision is for three contents. Two of them are the file before and after a
    patch on the pin, which the patch's own `index` line names.

    Args:
        folder: `patches/`.
        patches: The series, all of it.
    """
    try:
        found = resolutions.load(folder).found
        told = answers.read(folder)
    except Finding as e:
        where = (e.where or f"patches/{resolutions.FOLDER}").partition(":")[0]
        yield Problem(where, 1, Rule.DECISION, printable(e.what))
        return
    blobs = {(f.old_blob, f.new_blob) for p in patches for f in p.files}
    names = {patch.name[5:] for patch in patches}
    for key, record in found.items():
        if (key.base, key.patched) not in blobs:
            what = f"no patch makes this change of {record.path}"
            yield _idle(record.name, what)
    for name, fields in told.items():
        if fields.get("Patch") not in names:
            what = f"no patch is called {fields.get('Patch')}"
            yield _idle(f"{resolutions.FOLDER}/{name}", what)


def _idle(name: str, what: str) -> Problem:
    text = f"{what}, so that no port asks for this: git rm patches/{name}"
    where = f"patches/{name}"
    return Problem(where, 1, Rule.DECISION, printable(text), Severity.WARNING)
