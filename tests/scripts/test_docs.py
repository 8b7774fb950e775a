# SPDX-License-Identifier: Apache-2.0
"""What the README says is what is there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from scripts import ROOT, lock
from scripts.publish import changelog
from scripts.series import folder

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/packagers.md",
    "docs/provenance.md",
    "findings/README.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
)


def test_the_table_has_every_patch_in_order() -> None:
    rows = re.findall(r"^\| \[(\d{4})\]\(patches/([^)]+)\) \| \S", README, re.M)
    assert rows == [(name[:4], name) for name in folder.names()]


def test_the_versions_are_the_locks() -> None:
    pin = lock.load()
    assert f"The pin is vLLM {pin.version};" in README
    assert set(re.findall(r"\d+\.\d+\.\d+\+sm12x\.\d+", README)) == {pin.local_version}


def test_links_and_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert ((ROOT / name).parent / link).exists(), (name, link)
        targets = re.findall(r"(?:^|`|&& )make ([a-z][a-z0-9-]+)", text, re.M)
        for target in targets:
            assert re.search(rf"^{target}:", makefile, re.M), (name, target)
    for text in (README, GUIDE):
        assert "make apply" in text


def test_the_next_release_is_written_up() -> None:
    """Either it has its section, or a person's words wait for it."""
    text = (ROOT / changelog.NAME).read_text(encoding="utf-8")
    waiting = changelog.sections(text)[changelog.UNRELEASED]
    if lock.load().local_version not in changelog.released(text):
        assert waiting not in ("", changelog.NOTHING)


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("github-issue-forms", ["bug.yml", "hardware.yml"]),
        ("github-issue-config", ["config.yml"]),
    ],
)
def test_issue_templates_are_as_github_wants_them(
    schema: str, names: list[str]
) -> None:
    paths = [ROOT / ".github/ISSUE_TEMPLATE" / name for name in names]
    tool = [sys.executable, "-m", "check_jsonschema"]
    done = subprocess.run(
        [*tool, "--builtin-schema", f"vendor.{schema}", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_an_issue_asks_for_the_doctor() -> None:
    for name in ("bug.yml", "hardware.yml"):
        text = (ROOT / ".github/ISSUE_TEMPLATE" / name).read_text(encoding="utf-8")
        assert "make doctor JSON=1" in text
