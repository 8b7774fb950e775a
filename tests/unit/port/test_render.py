# SPDX-License-Identifier: Apache-2.0
"""Text, JSON and Markdown of one summary."""

from __future__ import annotations

import json

import pytest

from scripts.port.report import render
from tests.unit.port.releases import REWRITTEN, add_probe_of_our_own, go, release
from tests.unit.small import Small

pytestmark = pytest.mark.usefixtures("machine")


def test_renderings_say_the_same(small: Small) -> None:
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    done = go(small, dry_run=True)
    text, markdown = render.as_text(done), render.as_markdown(done)
    data = json.loads(render.as_json(done))
    assert data["outcome"] == "open" and data["schema"] == 1
    for patch, row in zip(done.patches, data["patches"], strict=True):
        assert row["state"] == patch.state.name.lower()
        assert patch.state.value in text and patch.state.value in markdown
        assert f"| {patch.name[:4]} " in markdown
    assert "|||" not in markdown
