# SPDX-License-Identifier: Apache-2.0
"""Another FlashInfer beside the pinned one: both compiled, and what moved between."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.cache import cache_dir
from scripts.cpuenv import FLASHINFER, flashinfer_python
from scripts.files import write
from scripts.kernels import baseline, cubin, report, sweep
from scripts.kernels import shapes as shapes_file
from scripts.kernels.versions import environment

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
    """The packages of the FlashInfer environment, with this release of FlashInfer."""
    text = pinned.read_text(encoding="utf-8")
    other, count = _PIN.subn(f"flashinfer-python=={version}", text)
    assert count == 1, pinned
    path = cache_dir() / "kernels" / f"requirements-flashinfer-{version}.txt"
    write(path, other.encode())
    return path


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
    pythons = {
        companions["flashinfer-python"]: flashinfer_python(),
        version: flashinfer_python(requirements(version)),
    }
    made = []
    for flashinfer, python in pythons.items():
        wanted = {**companions, "flashinfer-python": flashinfer}
        inputs = sweep.Inputs(environment(python, wanted), tree, shapes)
        events = sweep.run(inputs)
        made.append(report.build(inputs, events, cubin.Tools.of(python)))
    old, new = made[0], made[-1]
    return Moved(old, new, tuple(baseline.compare(old.kernels, new.kernels)))
