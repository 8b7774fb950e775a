# SPDX-License-Identifier: Apache-2.0
"""The tests that only an SM12x GPU can run, and how each subset ended."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from scripts.base.console import note
from scripts.hardware.place import Place

_SECONDS = 3600


@dataclass(frozen=True)
class Subset:
    """Some test files, and how many of their tests have to pass at least."""

    name: str
    files: tuple[str, ...]
    least: int
    keyword: str = ""
    on_double: str | None = None
    """Keyword for the double's machine; None where a CPU can run none of them."""


_MOE, _LINEAR = "tests/kernels/moe", "tests/kernels/quantization"
SUBSETS = (
    Subset(
        "MoE kernel against a BF16 reference",
        (f"{_MOE}/test_flashinfer_cutedsl_sm12x_moe.py",),
        24,
        on_double="small_weights",
    ),
    Subset(
        "b12x GEMM against its reference",
        (f"{_LINEAR}/test_flashinfer_nvfp4_scaled_mm.py",),
        36,
        keyword="b12x",
    ),
    Subset(
        "upstream's b12x tests",
        (
            f"{_MOE}/test_b12x.py",
            f"{_MOE}/test_flashinfer_b12x_moe.py",
            "tests/model_executor/kernels/test_b12x_linear.py",
            "tests/model_executor/test_b12x_warmup.py",
        ),
        1,
    ),
    Subset(
        "the fork's other tests",
        (
            f"{_MOE}/test_flashinfer_cutedsl_sm12x_warmup.py",
            f"{_MOE}/test_flashinfer_cutedsl_sm12x_workspace.py",
            f"{_MOE}/test_nvfp4_sm12x_selection.py",
            f"{_LINEAR}/test_nvfp4_sm12x_linear.py",
            "tests/model_executor/test_b12x_warmup_draft.py",
            "tests/utils_/test_b12x_in_use.py",
        ),
        1,
    ),
)


@dataclass(frozen=True)
class Ended:
    """How the tests of one subset ended."""

    subset: Subset
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    why: str = ""
    """Why it came to nothing, or the first failure; the first skip's reason else."""
    asked: bool = True
    """False where this machine cannot run it, by design."""

    @property
    def ok(self) -> bool:
        """All that was asked for passed; a subset of skips alone is none."""
        return not self.asked or (not self.failed and self.passed >= self.subset.least)

    def row(self) -> list[Any]:
        state = "ok" if self.ok else "FAILED" if self.failed else "too few ran"
        if not self.asked:
            state = "not run"
        return [
            self.subset.name,
            state,
            self.passed,
            self.failed,
            self.skipped,
            self.subset.least,
            self.why,
        ]


COLUMNS = ["tests", "state", "passed", "failed", "skipped", "asked for", "why"]


def run(place: Place, subset: Subset) -> Ended:
    """Run one subset with pytest in the place."""
    keyword = subset.keyword
    if place.double:
        if subset.on_double is None:
            return Ended(subset, why="needs vLLM's compiled files", asked=False)
        keyword = subset.on_double
    note(f"{subset.name}: {', '.join(subset.files)}")
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "results.xml"
        select = ["-k", keyword] if keyword else []
        double = ["-p", "double"] if place.double else []
        try:
            place.run(
                *("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={xml}"),
                *(*double, *select, *subset.files),
                seconds=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return Ended(subset, failed=1, why=f"no end after {_SECONDS} s: a hang?")
        if not xml.is_file():
            return Ended(subset, failed=1, why="pytest wrote no results; see above")
        return read(subset, xml, least=1 if place.double else None)


def read(subset: Subset, xml: Path, least: int | None = None) -> Ended:
    """Count what a junit file says; `least` stands in for the subset's own."""
    if least is not None:
        subset = Subset(subset.name, subset.files, least, subset.keyword)
    found: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for case in ElementTree.parse(xml).iter("testcase"):
        kinds = {child.tag: child for child in case}
        bad = kinds.get("failure", kinds.get("error"))
        kind = "failed" if bad is not None else "passed"
        child = bad if bad is not None else kinds.get("skipped")
        if bad is None and child is not None:
            kind = "skipped"
        found[kind] += 1
        if child is not None:
            text = (child.get("message") or "").strip().splitlines() or [""]
            reasons.setdefault(kind, f"{case.get('name')}: {text[0]}"[:160])
    why = reasons.get("failed") or reasons.get("skipped", "")
    return Ended(subset, found["passed"], found["failed"], found["skipped"], why)
