# SPDX-License-Identifier: Apache-2.0
"""Which release counts as new."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from ci.releases import newest, tags
from scripts.base.errors import Finding
from scripts.upstream.index import Offer
from tests.unit.small import git

PINNED = Version("0.33.0")
ALL = ("x86_64", "aarch64", "sdist")


def offers(version: str, *kinds: str, yanked: bool = False) -> list[Offer]:
    names = {
        "sdist": f"vllm-{version}.tar.gz",
        **{
            arch: f"vllm-{version}-cp38-abi3-manylinux_2_28_{arch}.whl"
            for arch in ("x86_64", "aarch64")
        },
    }
    return [
        Offer(names[k], f"https://index.invalid/{names[k]}", None, None, yanked)
        for k in kinds or ALL
    ]


def test_newest_of_many() -> None:
    found = newest(
        PINNED,
        [
            *offers("0.32.0"),
            *offers("0.33.0"),
            *offers("0.34.0"),
            *offers("0.34.0.post1"),
            Offer("vllm-0.35.0-cp38-abi3-macosx_11_0_arm64.whl", "", None, None, False),
            Offer("vllm-0.36.0.egg", "", None, None, False),
        ],
    )
    assert (str(found.version), found.notes) == ("0.34.0.post1", ())


@pytest.mark.parametrize("version", ["0.34.0rc1", "0.34.0a2", "0.34.0.dev7"])
def test_pre_releases_are_passed_by_in_silence(version: str) -> None:
    found = newest(PINNED, offers(version))
    assert (found.version, found.notes) == (None, ())


def test_yanked_and_incomplete_are_passed_by_with_a_note() -> None:
    found = newest(
        PINNED,
        [
            *offers("0.34.0"),
            *offers("0.35.0", yanked=True),
            *offers("0.36.0", "sdist", "x86_64"),
        ],
    )
    assert str(found.version) == "0.34.0"
    assert found.notes == (
        "vLLM 0.36.0 is passed by: the index has no aarch64 of it yet",
        "vLLM 0.35.0 is passed by: it was yanked",
    )


def test_one_yanked_file_is_enough() -> None:
    rows = [
        *offers("0.34.0", "sdist", "x86_64"),
        *offers("0.34.0", "aarch64", yanked=True),
    ]
    assert newest(PINNED, rows).version is None


def test_a_release_needs_its_tag() -> None:
    rows = [*offers("0.34.0"), *offers("0.35.0")]
    found = newest(PINNED, rows, ["v0.34.0", "nightly", "v0.36.0rc1"])
    assert str(found.version) == "0.34.0"
    assert "no tag for it" in found.notes[0]


def test_tags_of_a_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "upstream")
    there = tmp_path / "upstream"
    git(there, "commit", "-q", "--allow-empty", "-m", "x")
    git(there, "tag", "v0.34.0")
    git(there, "tag", "-a", "-m", "x", "v0.35.0")
    assert tags(str(there), tmp_path) == ["v0.34.0", "v0.35.0"]
    with pytest.raises(Finding, match="git ls-remote failed"):
        tags(str(tmp_path / "nowhere"), tmp_path)
