# SPDX-License-Identifier: Apache-2.0
"""What the bot runs on the carried series, and what each step said."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.base.console import note
from scripts.port import prove
from scripts.port.report.summary import Check, Proof

KEPT = 20
"""Lines of a failed step that are quoted."""


@dataclass(frozen=True)
class Step:
    """One command of the interpreter, run in the scratch clone."""

    name: str
    argv: tuple[str, ...]
    long: bool = False
    """Minutes, not seconds; NO_PROOF=1 leaves it out."""


DOCUMENTS = tuple(
    f"tests/unit/documents/test_{n}.py" for n in ("docs", "owner", "container")
)


def _verb(name: str, verb: str, *args: str, long: bool = False) -> Step:
    return Step(name, ("-m", "scripts", verb, *args), long)


STEPS = (
    _verb("apply", "apply"),
    _verb("check", "check"),
    # The tests of CI that hold README and Containerfile to lock and series.
    Step("documents", ("-m", "pytest", *DOCUMENTS, "-m", "not slow", "--color=no")),
    # A new release moves both records; what moved is a commit for a person to read.
    _verb("matrix", "matrix", "--update", long=True),
    _verb("kernels", "kernels", "--update", long=True),
    Step("tests", ("-m", "pytest", "tests/on_cpu", "-v", "--color=no"), long=True),
    _verb("wheel", "wheel", "--arch", "x86_64"),
    _verb("verify-wheel", "verify-wheel"),
    _verb("wheel aarch64", "wheel", "--arch", "aarch64", long=True),
)
"""In this order; the first that fails ends it."""


def run(
    steps: Sequence[Step], where: Path, *, long: bool = True
) -> tuple[list[Check], list[str]]:
    """Run every step until one fails.

    Args:
        steps: What to run.
        long: Run the long ones too; else they are said to be not run.
        where: The scratch clone; its own tools run, not those of this process.

    Returns:
        What each step gave, and the lines that the failed one is quoted with.
    """
    checks: list[Check] = []
    quoted: list[str] = []
    for step in steps:
        if quoted or (step.long and not long):
            checks.append(Check(step.name, Proof.NOT_RUN))
            continue
        note(f"bot: {step.name}")
        code, lines = _run(step, where)
        last = lines[-1] if lines else f"exit code {code}"
        checks.append(Check(step.name, Proof.FAILED if code else Proof.PASSED, last))
        if code:
            quoted = telling(lines) or [last]
    return checks, quoted


def _run(step: Step, where: Path) -> tuple[int, list[str]]:
    code, said = prove.run(step.argv, where, _environment())
    lines = (steady(line, where) for line in said.split("\n"))
    return code, [line for line in lines if line]


def _environment() -> dict[str, str]:
    """The process environment without tokens: the steps run a release's own code."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_TOKEN") and not name.startswith("ACTIONS_")
    }


def steady(line: str, where: Path) -> str:
    """A line without what differs from run to run: durations, places, addresses.

    >>> steady("1 failed, 20 passed in 123.45s (0:02:03)", Path("/tmp/x"))
    '1 failed, 20 passed'
    >>> steady("/tmp/x/tests/a.py:7: at 0x7f12", Path("/tmp/x"))
    'tests/a.py:7: at 0x...'
    """
    line = line.replace(f"{where}/", "").replace(str(where), ".")
    line = re.sub(r" in \d+(\.\d+)? ?s(econds)?\b( \([\d:]+\))?", "", line)
    line = re.sub(r"\b0x[0-9a-f]+\b", "0x...", line)
    return line.strip()


def telling(lines: Sequence[str]) -> list[str]:
    """The lines that say what failed: pytest's own summary, else the last ones.

    pytest's are sorted, because its workers end in any order.

    >>> telling(["...", "FAILED tests/b.py::t", "FAILED tests/a.py::t", "2 failed"])
    ['FAILED tests/a.py::t', 'FAILED tests/b.py::t', '2 failed']
    """
    named = sorted(line for line in lines if line.startswith(("FAILED ", "ERROR ")))
    if named:
        return [*named[: KEPT - 1], lines[-1]]
    return list(lines[-KEPT:])
