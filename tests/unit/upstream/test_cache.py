# SPDX-License-Identifier: Apache-2.0
"""Where the cache is; what it holds is not trusted."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.upstream import cache
from scripts.upstream.cache import cache_dir
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Artifact
from tests.unit.package_index import Site
from tests.unit.upstream.fetched import DATA, NAME

pytestmark = pytest.mark.usefixtures("machine")


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("/a b/c", "/x", "/a b/c"),
        ("", "/x", "/x/vllm-sm12x"),
        ("", "relative", "/home/me/.cache/vllm-sm12x"),
        ("", "", "/home/me/.cache/vllm-sm12x"),
    ],
)
def test_cache_place(
    monkeypatch: pytest.MonkeyPatch, own: str, xdg: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SM12X_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert cache_dir() == Path(expected)


def test_no_place_for_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    for name in ("SM12X_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(Unusable, match="no place for the cache"):
        cache_dir()


# What the cache holds is not trusted


@pytest.mark.parametrize("offline", [False, True])
def test_altered_in_the_cache(
    site: Site,
    artifact: Artifact,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    offline: bool,
) -> None:
    path = obtain(artifact)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + b"x")
    if offline:
        monkeypatch.setenv("SM12X_OFFLINE", "1")
        with pytest.raises(Unusable, match="network may not be used"):
            obtain(artifact)
        assert not path.exists()
    else:
        assert obtain(artifact).read_bytes() == DATA
        assert len(site.fetched(NAME)) == 2
    said = capsys.readouterr().err
    assert "removed from the cache" in said and artifact.sha256 in said
    # It is gone, so nobody is sent to move it.
    assert "next:" not in said


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_wrong_size_is_the_locks_fault(
    artifact: Artifact, remembered: bool, by: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = obtain(artifact)
    if remembered:
        monkeypatch.setattr(cache, "SETTLED", -1.0)
        obtain(artifact)
    wrong = replace(artifact, size=len(DATA) + by)
    with pytest.raises(Finding, match="names a wrong size") as e:
        obtain(wrong)
    assert e.value.expected == f"{len(DATA) + by:,} bytes"
    assert "git diff upstream.lock" in str(e.value.next)
    assert path.read_bytes() == DATA
    assert obtain(artifact) == path


def test_what_is_no_file_is_not_deleted(artifact: Artifact, tmp_path: Path) -> None:
    path = obtain(artifact)
    path.rename(tmp_path / "mine")
    path.mkdir()
    with pytest.raises(Finding, match="not a regular file"):
        obtain(artifact)
    assert path.is_dir()


def settle(path: Path) -> None:
    """Make a file look old enough to be remembered as verified."""
    os.utime(path, (1, 1))


def test_verified_once_until_it_changes(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = obtain(artifact)
    read: list[Path] = []

    def count(path: Path) -> str:
        read.append(path)
        return artifact.sha256

    monkeypatch.setattr(cache, "digest", count)
    obtain(artifact)
    assert read == [path], "so young a file could still change unseen"
    monkeypatch.setattr(cache, "SETTLED", -1.0)
    obtain(artifact)
    assert len(read) == 2
    obtain(artifact)
    assert len(read) == 2, "verified and unchanged"
    monkeypatch.setenv("SM12X_PARANOID", "1")
    obtain(artifact)
    assert len(read) == 3
    monkeypatch.delenv("SM12X_PARANOID")
    settle(path)
    obtain(artifact)
    assert len(read) == 4, "its time changed"
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)
    obtain(artifact)
    assert len(read) == 5, "another inode"
