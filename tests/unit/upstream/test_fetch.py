# SPDX-License-Identifier: Apache-2.0
"""Files come verified, or not at all: from the index, the cache, UPSTREAM_DIR."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.upstream.cache import cache_dir, object_path
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Artifact
from tests.unit.package_index import Site
from tests.unit.upstream.fetched import DATA, NAME, kept_files

pytestmark = pytest.mark.usefixtures("machine")


@pytest.mark.parametrize("html", [False, True])
def test_download_then_cache(site: Site, artifact: Artifact, html: bool) -> None:
    site.html = html
    path = obtain(artifact)
    assert path.read_bytes() == DATA
    assert path.name == NAME
    assert path.parent.name == artifact.sha256
    assert not path.stat().st_mode & 0o222
    asked = len(site.requests)
    assert obtain(artifact) == path
    assert len(site.requests) == asked
    assert kept_files() == [NAME]


def test_cache_works_without_network(
    site: Site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = obtain(artifact)
    asked = len(site.requests)
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    assert obtain(artifact) == path
    assert len(site.requests) == asked


@pytest.mark.parametrize("variable", ["SM12X_OFFLINE", "PIP_NO_INDEX"])
def test_offline_and_empty(
    site: Site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(Unusable, match="network may not be used") as caught:
        obtain(artifact)
    text = str(caught.value)
    for part in (NAME, artifact.sha256, str(cache_dir()), "UPSTREAM_DIR"):
        assert part in text
    assert not site.requests
    monkeypatch.setenv(variable, "0")
    assert obtain(artifact).read_bytes() == DATA


def test_no_network_and_empty(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_INDEX_URL", "http://me:secret@127.0.0.1:9/simple/")
    with pytest.raises(Unusable, match="package index gives no list") as caught:
        obtain(artifact)
    assert "UPSTREAM_DIR" in str(caught.value.next)
    assert "***@127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_path_with_spaces(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "a b" / "ü"))
    assert obtain(artifact).read_bytes() == DATA


# UPSTREAM_DIR


def test_upstream_dir_comes_first(
    site: Site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "up stream"
    folder.mkdir()
    (folder / NAME).write_bytes(DATA)
    (folder / NAME).chmod(0o444)
    folder.chmod(0o555)
    monkeypatch.setenv("UPSTREAM_DIR", str(folder))
    before = folder.stat()
    assert obtain(artifact) == folder / NAME
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    assert obtain(artifact) == folder / NAME
    assert folder.stat().st_mtime_ns == before.st_mtime_ns
    assert not site.requests
    assert kept_files() == []


def test_upstream_dir_without_the_file(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(tmp_path))
    assert obtain(artifact) == object_path(artifact)


def test_upstream_dir_that_is_none(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(tmp_path / "typo"))
    with pytest.raises(Unusable, match="UPSTREAM_DIR is no folder"):
        obtain(artifact)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (DATA[:-1] + b"x", "sha256 "),
        (DATA[:-1], "300,000 bytes"),
        (DATA + b"x", "300,002 bytes"),
        (None, "not a regular file"),
    ],
)
def test_upstream_dir_with_another_file(
    site: Site,
    artifact: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    data: bytes | None,
    found: str,
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(tmp_path))
    path = tmp_path / NAME
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    with pytest.raises(Finding, match="is not the file") as caught:
        obtain(artifact)
    assert caught.value.where == str(path)
    assert artifact.sha256 in str(caught.value.expected)
    assert found in str(caught.value.found)
    assert not site.requests, "nothing else may be tried in its place"
    assert path.exists(), "the folder is not ours"
