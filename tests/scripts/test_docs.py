# SPDX-License-Identifier: Apache-2.0
"""What the README says is what is there."""

from __future__ import annotations

import re

from scripts import ROOT, lock
from scripts.series import folder

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_table_has_every_patch_in_order() -> None:
    rows = re.findall(r"^\| \[(\d{4})\]\(patches/([^)]+)\) \| \S", README, re.M)
    assert rows == [(name[:4], name) for name in folder.names()]


def test_the_versions_are_the_locks() -> None:
    pin = lock.load()
    assert f"The pin is vLLM {pin.version};" in README
    assert set(re.findall(r"\d+\.\d+\.\d+\+sm12x\.\d+", README)) == {pin.local_version}


def test_links_and_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for text in (README, GUIDE):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (ROOT / link).exists(), link
        targets = re.findall(r"(?:^|`|&& )make ([a-z][a-z-]+)", text, re.M)
        assert "apply" in targets
        for target in targets:
            assert re.search(rf"^{target}:", makefile, re.M), target
