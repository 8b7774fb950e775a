# SPDX-License-Identifier: Apache-2.0
"""What tests have measured is printed, and kept, when all tests have ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts import reports
from scripts.checkout import Checkout


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the properties `table` of tests, and keep `figures` as reports."""
    if tables := _recorded(terminalreporter, "table"):
        terminalreporter.section("measured")
    for table in tables:
        terminalreporter.write_line(table)
    found: dict[str, dict[str, list[Any]]] = {}
    for figures in map(json.loads, _recorded(terminalreporter, "figures")):
        parts = found.setdefault(figures["report"], {})
        parts.setdefault(figures["part"], []).append(figures["row"])
    for name, data in found.items():
        reports.write(Checkout(), name, data)


def _recorded(terminalreporter: pytest.TerminalReporter, wanted: str) -> list[str]:
    """Values of `record_property(wanted, value)`, each once, in order."""
    values = [
        str(value)
        for ended in terminalreporter.stats.values()
        for report in ended
        if getattr(report, "when", None) == "call"
        for name, value in getattr(report, "user_properties", ())
        if name == wanted
    ]
    return list(dict.fromkeys(values))
