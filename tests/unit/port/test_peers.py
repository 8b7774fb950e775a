# SPDX-License-Identifier: Apache-2.0
"""The corpus by the usual tools, beside ours, all in one run."""

from __future__ import annotations

import pytest

from tests.unit.port import kinds
from tests.unit.port.corpus import CORPUS
from tests.unit.port.judge import PEERS, Verdict

pytestmark = pytest.mark.slow


def test_no_tool_does_better(record_property: object) -> None:
    found = kinds.tally()
    text = kinds.table(found)
    record_property("table", text)  # type: ignore[operator]
    mine = found.total(kinds.OURS, "")
    assert mine[Verdict.WRONG] == mine[Verdict.READ] == 0
    others = [tool for tool in found.tools if tool in PEERS]
    assert others
    for name in others:
        theirs = found.total(name, "")
        assert mine[Verdict.RIGHT] > theirs[Verdict.RIGHT], name
        # The corpus is no straw man: each tool gets much of it right.
        assert theirs[Verdict.RIGHT] > len(CORPUS) // 5, name
        assert theirs[Verdict.WRONG] > 0, name
    # What was held out, beside the others: as it comes, but never silently wrong.
    for label in (kinds.HELD, kinds.OPEN):
        assert found.total(kinds.OURS, label)[Verdict.WRONG] == 0, found.wrong
    for kind in {case.kind for case in CORPUS} | {kinds.STANDS}:
        assert kind in text
