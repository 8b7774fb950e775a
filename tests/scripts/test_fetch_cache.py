# SPDX-License-Identifier: Apache-2.0
"""Where the cache is; what it holds is not trusted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scripts import cache
from scripts.cache import cache_dir
from scripts.errors import Unusable
from scripts.fetch import obtain
from scripts.lock import Artifact
from tests.scripts.fetch_help import DATA, NAME
from tests.scripts.webhelp import Site

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
    site: Site, artifact: Artifact, capsys: pytest.CaptureFixture[str], offline: bool
) -> None:
    path = obtain(artifact)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + b"x")
    if offline:
        with pytest.raises(Unusable, match="network may not be used"):
            obtain(artifact, offline=True)
        assert not path.exists()
    else:
        assert obtain(artifact).read_bytes() == DATA
        assert len(site.fetched(NAME)) == 2
    assert "removed from the cache" in capsys.readouterr().err


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
