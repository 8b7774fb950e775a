# SPDX-License-Identifier: Apache-2.0
"""Another FlashInfer beside the pinned one: both compiled, and what moved between."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from scripts.base.errors import Unusable
from scripts.base.files import write
from scripts.kernels import baseline, cubin, report, sweep
from scripts.kernels import shapes as shapes_file
from scripts.kernels.versions import environment
from scripts.upstream import fetch, index
from scripts.upstream.cache import cache_dir
from scripts.upstream.environments import FLASHINFER, flashinfer_python

_PROJECT = "flashinfer-python"
_BESIDE = 3
"""Releases on each side that a refusal names."""
_PIN = re.compile(r"^flashinfer-python==.*$", re.M)


@dataclass(frozen=True)
class Moved:
    """What a change of the pin would do."""

    old: report.Report
    new: report.Report
    changes: tuple[baseline.Change, ...]

    def __str__(self) -> str:
        figures = [c for c in self.changes if c.figure]
        beyond = sum(not c.within for c in figures)
        gone = sum(not c.figure and c.old is not None for c in self.changes)
        came = sum(not c.figure and c.old is None for c in self.changes)
        same = len(set(self.old.kernels) & set(self.new.kernels))
        return (
            f"{same} kernels of both, {came} new, {gone} no longer reached; "
            f"{len(figures)} figures moved, {beyond} beyond the bounds"
        )


def requirements(version: str, pinned: Path = FLASHINFER) -> Path:
    """The packages of the FlashInfer environment, with this release of FlashInfer.

    Written once it is known that the package index has the release; a second call
    asks nothing.

    Raises:
        Unusable: The index has no such release, or cannot be asked.
    """
    text = pinned.read_text(encoding="utf-8")
    other, count = _PIN.subn(f"{_PROJECT}=={version}", text)
    assert count == 1, pinned
    # Only what is a version may become a part of the path.
    wanted = _version(version)
    path = cache_dir() / "kernels" / f"flashinfer-{wanted}.txt"
    if wanted is None or not path.is_file():
        _require(version, wanted)
    write(path, other.encode())
    return path


def _version(text: str) -> Version | None:
    """The version, if it is written as an index writes it."""
    try:
        found = Version(text)
    except InvalidVersion:
        return None
    return found if str(found) == text else None


def _require(text: str, wanted: Version | None) -> None:
    if fetch.is_offline():
        raise Unusable(
            f"FlashInfer {text} is not known here, and the network may not be used",
            where="FLASHINFER=",
            next="unset SM12X_OFFLINE and PIP_NO_INDEX, or name one that was used here",
        )
    source = index.open_index()
    there = _released(source)
    if wanted in there:
        return
    below = [v for v in there if wanted is None or v < wanted]
    above = [v for v in there if v not in below]
    near = [*below[-_BESIDE:], *above[:_BESIDE]]
    best = below[-1:] or above[:1]
    raise Unusable(
        "there is no such release of FlashInfer",
        where="FLASHINFER=",
        expected=f"a version that the index has, as {', '.join(map(str, near))}",
        found=text,
        next=f"name one of these: FLASHINFER={best[0]}"
        if best
        else f"see what {index.masked(source.url)} has of {_PROJECT}",
    )


def _released(source: index.Index) -> list[Version]:
    """Versions of FlashInfer's wheels, the older first."""
    found = set()
    for offer in source.offers(_PROJECT):
        try:
            found.add(parse_wheel_filename(offer.filename)[1])
        except InvalidWheelFilename:
            continue
    return sorted(found)


def compare(
    tree: Path,
    companions: Mapping[str, str],
    shapes: shapes_file.Shapes,
    version: str,
) -> Moved:
    """Compile with the pinned FlashInfer and with this release of it.

    Args:
        tree: The patched vLLM, the same for both.
        companions: What upstream.lock pins; all but FlashInfer stays.
        shapes: For which layers.
        version: Of flashinfer-python, on the package index.

    Raises:
        Finding: A compiler is not the one that was asked for, or vLLM cannot be
            driven with it.
        Unusable: The environment cannot be made.
    """
    other = requirements(version)
    pythons = {
        companions[_PROJECT]: flashinfer_python(),
        version: flashinfer_python(other),
    }
    made = []
    for flashinfer, python in pythons.items():
        wanted = {**companions, _PROJECT: flashinfer}
        inputs = sweep.Inputs(environment(python, wanted), tree, shapes, by_name=True)
        events = sweep.run(inputs)
        made.append(report.build(inputs, events, cubin.Tools.of(python)))
    old, new = made[0], made[-1]
    return Moved(old, new, tuple(baseline.compare(old.kernels, new.kernels)))
