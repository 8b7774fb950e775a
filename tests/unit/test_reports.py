# SPDX-License-Identifier: Apache-2.0
"""What a target found is kept, and says on what it was found."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from scripts import reports
from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from tests import conftest
from tests.unit.small import Small


def test_what_was_written_is_read(small: Small) -> None:
    at = Checkout(small.root)
    assert reports.read(at, "kernels") is None
    written = reports.write(at, "kernels", {"compiled": 80})
    assert reports.read(at, "kernels") == written
    assert written.data == {"compiled": 80}
    assert (written.version, written.tree) == (
        small.lock.version,
        small.lock.patched_tree,
    )
    made = datetime.fromisoformat(written.made)
    assert abs((datetime.now(UTC) - made).total_seconds()) < 3600
    assert reports.read(at, "matrix") is None


def test_figures_of_tests_become_reports(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tests record, each row once, in order; a table is printed, not kept."""
    at = Checkout(small.root)
    monkeypatch.setattr(conftest, "Checkout", lambda: at)

    def row(report: str, part: str, **figures: float) -> tuple[str, str]:
        told = {"report": report, "part": part, "row": figures}
        return "figures", json.dumps(told)

    def ended(when: str, *properties: tuple[str, str]) -> SimpleNamespace:
        return SimpleNamespace(when=when, user_properties=properties)

    first, second = row("errors", "loaded", a=1), row("errors", "loaded", a=2)
    other = row("memory", "models", b=3)
    printed: list[str] = []
    conftest.pytest_terminal_summary(
        SimpleNamespace(  # type: ignore[arg-type]
            stats={
                "passed": [ended("call", first, ("table", "words")), ended("call")],
                "failed": [ended("call", second, first, other)],
                "": [ended("setup", row("errors", "setup"))],
                "warnings": [object()],
            },
            section=printed.append,
            write_line=printed.append,
        )
    )
    assert printed == ["measured", "words"]
    errors, memory = reports.read(at, "errors"), reports.read(at, "memory")
    assert errors and errors.data == {"loaded": [{"a": 1}, {"a": 2}]}
    assert memory and memory.data == {"models": [{"b": 3}]}


def test_another_schema_is_refused(small: Small) -> None:
    at = Checkout(small.root)
    reports.write(at, "port", {})
    path = at.build / "reports" / "port.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(Unusable, match="schema 2"):
        reports.read(at, "port")
