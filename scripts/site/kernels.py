# SPDX-License-Identifier: Apache-2.0
"""The report `kernels`: what compiled, and how it moved against the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.kernels.baseline import Baseline, Change, compare
from scripts.kernels.report import SHARED_LIMIT, Kernel
from scripts.site import plot

REGISTERS = 255
"""Of a thread, at most; CUDA C++ Programming Guide, technical specifications."""


@dataclass(frozen=True)
class Problem:
    kind: str
    where: str
    text: str


@dataclass(frozen=True)
class Row:
    """A kernel, with the architectures on which its figures are the same."""

    archs: tuple[str, ...]
    label: str
    kernel: Kernel

    @property
    def shared(self) -> int:
        return self.kernel.static_shared + self.kernel.dynamic_shared


@dataclass(frozen=True)
class Kernels:
    """As `scripts.kernels.report.as_data` writes it."""

    versions: Mapping[str, str]
    reached: Mapping[str, int]
    kernels: Mapping[str, Kernel]
    problems: tuple[Problem, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """One row a kernel where the architectures agree in all but the cubin."""
        found: dict[tuple[str, tuple[object, ...]], tuple[list[str], Kernel]] = {}
        for name, kernel in sorted(self.kernels.items()):
            arch, _, label = name.partition("/")
            same = {k: v for k, v in vars(kernel).items() if k != "sha256"}
            archs, _ = found.setdefault((label, tuple(same.values())), ([], kernel))
            archs.append(arch)
        rows = [Row(tuple(a), label, k) for (label, _), (a, k) in found.items()]
        return sorted(rows, key=lambda row: (row.label, row.archs))

    @property
    def codes(self) -> int:
        """How many different sequences of instructions there are."""
        return len({kernel.code for kernel in self.kernels.values()})

    def compiled(self, arch: str) -> int:
        return sum(name.startswith(f"{arch}/") for name in self.kernels)

    def drift(self, baseline: Baseline) -> Sequence[Change]:
        """What moved against the committed figures."""
        return compare(baseline.kernels, self.kernels)

    def plot(self) -> plot.Cloud | None:
        if not self.kernels:
            return None
        points = [
            (row.kernel.registers, row.shared, f"{row.label} ({', '.join(row.archs)})")
            for row in self.rows
        ]
        return plot.cloud(points, REGISTERS, SHARED_LIMIT)
