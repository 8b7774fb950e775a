# SPDX-License-Identifier: Apache-2.0
"""The longest files come first; what was measured is printed and kept at the end."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from scripts import reports
from scripts.checkout import Checkout

# Under `make test` a make that a test starts would be make[1], and say where it is.
for _name in [name for name in os.environ if name.startswith("MAKE")]:
    del os.environ[_name]


_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Put the small files of the fast tests into memory, where there is room.

    Half of the time for them is a disk's. Who sets TMPDIR decides.
    """
    if "TMPDIR" in os.environ or "not upstream" not in config.option.markexpr:
        return
    if not os.access(_MEMORY, os.W_OK):
        return
    there = os.statvfs(_MEMORY)
    runs = not there.f_flag & os.ST_NOEXEC
    if runs and there.f_bavail * there.f_frsize > _ROOM:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Let workers that share files end at about one time.

    xdist begins with the files that have most tests, which are the fastest ones here,
    and one worker would end with a long one alone. `--no-loadscope-reorder` takes them
    as they are collected.
    """
    if hasattr(config, "workerinput"):
        items[:] = longest_first(items)


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Tests by file: those with slow ones first, by the time that they may take."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)

    def weight(tests: list[pytest.Item]) -> tuple[float, int]:
        slow = [test for test in tests if test.get_closest_marker("slow")]
        limits = [test.get_closest_marker("timeout") for test in slow]
        return max((m.args[0] if m else 1 for m in limits), default=0), len(tests)

    order = sorted(files.values(), key=weight, reverse=True)
    return [test for tests in order for test in tests]


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
