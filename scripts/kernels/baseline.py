# SPDX-License-Identifier: Apache-2.0
"""The committed figures, and how far new ones may be from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from scripts import RECORDS
from scripts.base import decode
from scripts.base.errors import Unusable
from scripts.base.files import write
from scripts.kernels.report import Kernel, Report

PATH = RECORDS / "kernels.json"
SCHEMA = 1


@dataclass(frozen=True)
class Bound:
    """How much a figure may grow or shrink before it is a finding."""

    absolute: int
    relative: float = 0.0

    def holds(self, old: int, new: int) -> bool:
        return abs(new - old) <= max(self.absolute, self.relative * old)

    def __str__(self) -> str:
        share = f" or {self.relative:.0%}" if self.relative else ""
        return f"{self.absolute:,}{share}"


# The compiler repeats its bytes, so that with the pinned versions nothing moves.
# What a register or a byte of them costs is not known here; these say when to look.
BOUNDS: Mapping[str, Bound] = {
    "registers": Bound(8),
    "stack": Bound(64),
    "local_stores": Bound(64, 0.1),
    "local_loads": Bound(64, 0.1),
    "static_shared": Bound(0),
    "dynamic_shared": Bound(0),
    "threads": Bound(0),
    "mma": Bound(0),
    "size": Bound(4096, 0.1),
}


@dataclass(frozen=True)
class Change:
    """One figure of one kernel, or a kernel that came or went (`figure` is empty)."""

    kernel: str
    figure: str = ""
    old: int | None = None
    new: int | None = None
    within: bool = False

    def __str__(self) -> str:
        if not self.figure:
            what = "is new" if self.old is None else "is no longer reached"
            return f"{self.kernel}: {what}"
        bound = f" (bound {BOUNDS[self.figure]})" if not self.within else ""
        return f"{self.kernel}: {self.figure} {self.old:,} -> {self.new:,}{bound}"


@dataclass(frozen=True)
class Baseline:
    versions: Mapping[str, str]
    kernels: Mapping[str, Kernel]


@dataclass(frozen=True)
class _File:
    schema: Literal[1]
    versions: dict[str, str]
    columns: list[str]
    kernels: dict[str, list[Any]]


def load(path: Path = PATH) -> Baseline:
    """Read the committed figures.

    Raises:
        Unusable: It is not there, or no baseline.
    """
    what = "the baseline cannot be read"
    again = f"git checkout -- {path}, or make kernels UPDATE=1"
    data = decode.read(path, _File, what, again)
    kernels = {}
    for name, row in data.kernels.items():
        try:
            figures = dict(zip(data.columns, row, strict=True))
            kernels[name] = decode.convert(figures, Kernel)
        except (decode.Unfit, ValueError) as e:
            at, found = f"{path}, kernels.{name}", str(e)
            raise Unusable(what, where=at, found=found, next=again) from e
    return Baseline(data.versions, kernels)


def compare(old: Mapping[str, Kernel], new: Mapping[str, Kernel]) -> list[Change]:
    """Every figure that moved, and every kernel that came or went."""
    changes = [Change(name, new=1) for name in sorted(set(new) - set(old))]
    changes += [Change(name, old=1) for name in sorted(set(old) - set(new))]
    for name in sorted(set(old) & set(new)):
        changes += _moved(name, old[name], new[name])
    return changes


def _moved(name: str, old: Kernel, new: Kernel) -> Iterable[Change]:
    for figure, bound in BOUNDS.items():
        a, b = getattr(old, figure), getattr(new, figure)
        if a != b:
            yield Change(name, figure, a, b, bound.holds(a, b))


def save(report: Report, versions: Mapping[str, str], path: Path = PATH) -> None:
    """Write the figures, one kernel a line, so that a diff reads well."""
    columns = list(Kernel.__dataclass_fields__)
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "versions": dict(sorted(versions.items())),
        "columns": columns,
    }
    lines = [
        f"    {json.dumps(name)}: {json.dumps(list(asdict(kernel).values()))}"
        for name, kernel in sorted(report.kernels.items())
    ]
    text = json.dumps(head, indent=2).removesuffix("\n}")
    body = ",\n".join(lines)
    write(path, f'{text},\n  "kernels": {{\n{body}\n  }}\n}}\n'.encode())
