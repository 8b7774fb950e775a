# SPDX-License-Identifier: Apache-2.0
"""`make matrix`: the table asked or read, shown, and held to the record."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType

from scripts import ROOT, reports
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.checkout import Checkout
from scripts.selection import report, table
from scripts.selection.matrix import Matrix, Trees, ask_both
from scripts.series.identity import Identity
from scripts.upstream import lock as lockfile
from scripts.upstream.environments import asked_with

_PRESENT = "FlashInfer present is "
_ASKED = "Asked on {} of the patched tree {}."
_SHOWN = 12
"""Lines of a difference that an error shows."""


def recorded() -> Matrix:
    """The repository's table.

    Raises:
        Finding: It cannot be read.
    """
    try:
        text = table.RECORDED.read_text(encoding="utf-8")
    except OSError as e:
        raise Finding(
            "there is no recorded matrix",
            where=str(table.RECORDED),
            found=e.strerror,
            next="make matrix UPDATE=1",
        ) from e
    said = re.search(_ASKED.format(r"([\d-]{10})", "([0-9a-f]{40})"), text)
    day, tree = said.groups() if said else ("", "")
    found, backends = _parsed(text)
    return Matrix(found, dict(backends), tree, day)


@lru_cache(maxsize=1)
def _parsed(text: str) -> tuple[table.Table, dict[str, tuple[str, ...]]]:
    """Of one text once: it is a hundred thousand cases, which nobody may change."""
    found, backends = table.parse(text)
    return MappingProxyType(found), backends


def recorded_with() -> str:
    """The FlashInfer that the repository's table was asked with; empty if unsaid."""
    try:
        text = table.RECORDED.read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(rf"{_PRESENT}(\S+?)\.?(?:\s|$)", text)
    return match[1] if match else ""


def asked(at: Checkout, both: Trees) -> Matrix:
    """Both trees' answers; see `matrix.ask_both`."""
    found = ask_both(both)
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return replace(found, tree=lockfile.load(at.lock).patched_tree, day=day)


def short(found: Matrix) -> str:
    """What a user gets by default, what changes it, and the counts."""
    lock = lockfile.load()
    here = Identity(lock.patched_tree)
    whose = reports.of_series(Identity(found.tree), here)
    lines = [
        f"NVFP4 kernels that vLLM {lock.local_version} selects by itself, "
        f"beside {lock.version}",
        "",
        *report.columns(report.by_default(found.table)),
        "",
        "What changes that on 12.0 and 12.1",
        "",
        *report.columns(report.changes(found.table)),
        "",
        "by M: b12x for few tokens, CUTLASS for many, inside one operation.",
        *report.counts(found.table),
        "Asked on a CPU with a double of the GPU; no kernel was run.",
        *([f"On {found.day}, of {whose}."] if found.day else []),
    ]
    return "\n".join(lines)


def whole(found: Matrix) -> str:
    """The table as it is recorded."""
    return _rendered(found).rstrip("\n")


def as_json(found: Matrix) -> str:
    """The folded rows, one object each."""
    rows = [
        dict(
            zip(
                table.COLUMNS,
                (*table.cells(box, found.backends), o.fork, o.upstream, o.why),
                strict=True,
            )
        )
        for box, o in table.fold(found.table)
    ]
    return json.dumps(rows, indent=1)


def update(found: Matrix) -> str:
    """Write the table into the repository, and say what it changed."""
    try:
        was = recorded().table
    except Finding:
        was = {}
    changed = table.differences(was, found.table)
    write(table.RECORDED, _rendered(found).encode())
    name = table.RECORDED.relative_to(ROOT)
    return "\n".join([*changed[:_SHOWN], f"{name}: {len(changed)} cases changed"])


def hold(found: Matrix) -> None:
    """Raise unless the answers are the recorded ones, and upstream's off SM12x.

    Raises:
        Finding: They are not; the message has the first differences.
    """
    if changed := table.elsewhere_changed(found.table):
        raise Finding(
            f"the series changes {len(changed)} selections off SM12x",
            found="\n".join(", ".join(each) for each in changed[:_SHOWN]),
            next="fix the patch that does it",
        )
    if lines := table.differences(recorded().table, found.table):
        raise Finding(
            f"{len(lines)} answers are not those of the repository's table",
            where=str(table.RECORDED.relative_to(ROOT)),
            found="\n".join(lines[:_SHOWN]),
            next="fix the series, or record what it does now: make matrix UPDATE=1",
        )


def _rendered(found: Matrix) -> str:
    lock = lockfile.load()
    pinned = lock.companions["flashinfer-python"]
    asked = asked_with()["flashinfer-python"]
    fork = lock.local_version
    other = "" if asked == pinned else f" {fork} requires {pinned}: not asked."
    head = (
        f"What vLLM {lock.local_version} selects for NVFP4 layers, beside "
        f"{lock.version}; make matrix UPDATE=1 writes it.",
        f"* is every value; = is as the fork. {_PRESENT}{asked}.{other}",
        *([_ASKED.format(found.day, found.tree)] if found.day else []),
    )
    return table.render(found.table, found.backends, head)
