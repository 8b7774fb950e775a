# SPDX-License-Identifier: Apache-2.0
"""Tables that tests have measured are printed when all tests have ended."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have recorded as `record_property("table", text)`."""
    tables = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in getattr(report, "user_properties", ())
        if name == "table"
    ]
    if tables:
        terminalreporter.section("measured")
    for table in dict.fromkeys(tables):
        terminalreporter.write_line(str(table))
