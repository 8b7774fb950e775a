# SPDX-License-Identifier: Apache-2.0
"""What a pytest session in another interpreter says of its tests."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


class Outcome(enum.Enum):
    """How one test ended."""

    PASSED = "passed"
    SKIPPED = "skipped"
    # An assertion in the test, or any other exception in it.
    FAILED = "failed"
    # In a fixture, or when the module was collected.
    ERROR = "error"


@dataclass(frozen=True)
class Case:
    """One test: its identity, how it ended, and why."""

    name: str
    outcome: Outcome
    text: str = ""
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()


_OUTCOMES = {
    "failure": Outcome.FAILED,
    "error": Outcome.ERROR,
    "skipped": Outcome.SKIPPED,
}


def read(xml: Path) -> list[Case]:
    """Read the cases of a file that `--junitxml` has written.

    Raises:
        AssertionError: There is no such file, or it has no test in it.
    """
    assert xml.exists(), "the session wrote no results"
    cases = [_case(node) for node in ElementTree.parse(xml).iter("testcase")]
    assert cases, "the session collected no test"
    return cases


def _case(node: ElementTree.Element) -> Case:
    outcome, text = Outcome.PASSED, ""
    for child in node:
        if child.tag in _OUTCOMES:
            outcome = _OUTCOMES[child.tag]
            text = f"{child.get('message', '')}\n{child.text or ''}".strip()
    told: dict[str, list[str]] = {"table": [], "figures": []}
    for each in node.iter("property"):
        told.setdefault(each.get("name", ""), []).append(each.get("value", ""))
    name = f"{node.get('classname', '')}::{node.get('name', '')}"
    return Case(name, outcome, text, tuple(told["table"]), tuple(told["figures"]))
