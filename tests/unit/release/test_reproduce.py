# SPDX-License-Identifier: Apache-2.0
"""A published file is built again: the same bytes, or where they differ."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from scripts import reports
from scripts.base.errors import Finding, Unusable
from scripts.release.build import build
from scripts.release.reproduce import reproduce
from scripts.series import folder
from scripts.upstream.lock import update
from tests.unit.release.shop import TAG, Shop, shop
from tests.unit.small import Small, git, message
from tests.unit.small_wheel import BUILT, LOCAL, rewrite

SDIST = "vllm-1.2.3+sm12x.1.tar.gz"


@pytest.fixture
def store(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop without a network."""
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    return shop(small)


def published(store: Shop, tmp_path: Path, wheel: bool = True) -> Path:
    """What somebody downloaded, made by the checkout as it is now."""
    lock = store.small.lock
    (arch,) = lock.wheels
    patches = folder.load(store.small.patches)
    return build(lock, patches, arch if wheel else None, tmp_path / "downloads")


@pytest.mark.parametrize("wheel", [True, False], ids=["wheel", "sdist"])
def test_same_bytes(store: Shop, tmp_path: Path, wheel: bool) -> None:
    path = published(store, tmp_path, wheel)
    answer = reproduce(store.at, path)
    assert answer.same
    assert str(answer) == f"same bytes: {path.name}, sha256 {answer.sha256}"
    assert not (store.root / "build/reproduce").exists()
    report = reports.read(store.at, "reproduce")
    assert report is not None
    assert report.data["same"] is True
    assert report.data["sha256"] == answer.sha256


def test_a_member_that_differs_is_named(store: Shop, tmp_path: Path) -> None:
    path = published(store, tmp_path)
    altered = tmp_path / BUILT
    rewrite(path, {"vllm/__init__.py": b"import os\n"}, altered)
    answer = reproduce(store.at, altered)
    assert not answer.same
    text = str(answer)
    assert "upstream: vllm/__init__.py: expected upstream's bytes" in text
    assert "not ok: " in text and "a damaged wheel, its own RECORD" in text
    assert "make verify-wheel WHEEL=... writes every difference down" in text
    assert f"rebuilt    sha256 {answer.rebuilt}, " in text
    assert (store.root / "build/reproduce" / BUILT).read_bytes() == path.read_bytes()
    report = reports.read(store.at, "reproduce")
    assert report is not None
    assert report.data["same"] is False


def test_bytes_around_the_members(store: Shop, tmp_path: Path) -> None:
    path = published(store, tmp_path)
    data = path.read_bytes()
    path.write_bytes(data + b"\0")
    text = str(reproduce(store.at, path))
    assert "a wheel packed by another tool: this is no zip archive" in text
    path.write_bytes(data[:-30])
    assert not reproduce(store.at, path).same


def test_sdist_of_another_zlib(store: Shop, tmp_path: Path) -> None:
    path = published(store, tmp_path, wheel=False)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=0))
    text = str(reproduce(store.at, path))
    assert "the tar inside is the same, bytes and order" in text


def test_sdist_with_another_file(store: Shop, tmp_path: Path) -> None:
    path = published(store, tmp_path, wheel=False)
    tar = gzip.decompress(path.read_bytes())
    assert tar.count(b"exit 0") == 1
    path.write_bytes(gzip.compress(tar.replace(b"exit 0", b"exit 1"), mtime=0))
    text = str(reproduce(store.at, path))
    assert "content: tools/build.sh: expected mode 100755, sha256 " in text
    assert "files that differ: 1\n" in text
    path.write_bytes(gzip.compress(tar + b"\0" * 512, mtime=0))
    assert "inside are the same; order, owner" in str(reproduce(store.at, path))
    path.write_bytes(gzip.compress(tar, mtime=0))
    path.write_bytes(path.read_bytes()[:-20])
    assert "is damaged" in str(reproduce(store.at, path))


def refused(store: Shop, path: Path) -> Unusable:
    with pytest.raises(Unusable) as caught:
        reproduce(store.at, path)
    return caught.value


@pytest.mark.parametrize("wheel", [True, False], ids=["wheel", "sdist"])
def test_another_series_names_the_commit(
    store: Shop, tmp_path: Path, wheel: bool
) -> None:
    path = published(store, tmp_path, wheel)
    first = store.commit_id()
    store.small.edit(
        message("config: one more name"),
        "vllm/config/kernel.py",
        '    "sm12x",\n',
        '    "sm12x",\n    "more",\n',
    )
    store.export()
    store.commit("a fourth patch")
    error = refused(store, path)
    assert error.what == "this checkout does not make that file"
    assert error.found.splitlines()[0] == f"version {TAG[1:]}"
    assert "no 0004-config-one-more-name.patch" in str(error.found)
    assert f"git checkout {first}, then" in str(error.next)
    git(store.root, "tag", TAG, first)
    assert f"git checkout {TAG}, then" in str(refused(store, path).next)
    git(store.root, "checkout", "-q", TAG)
    assert reproduce(store.at, path).same


def test_a_build_of_no_release_has_no_tag(store: Shop, tmp_path: Path) -> None:
    store.small.unrelease()
    lock, patches = store.small.lock, folder.load(store.small.patches)
    path = build(lock, patches, None, tmp_path / "downloads")
    assert reproduce(store.at, path).same
    store.small.drop()
    store.small.export()
    shutil.rmtree(store.root / ".git")
    said = str(refused(store, path).next)
    assert "it is no release: ask who built it for the commit" in said


def test_another_version_names_the_tag(store: Shop, tmp_path: Path) -> None:
    path = published(store, tmp_path)
    git(store.root, "tag", TAG)
    update(store.small.lock_path, {"series.release": 2})
    store.commit("the next release")
    error = refused(store, path)
    assert error.expected == "version 1.2.3+sm12x.2"
    assert error.found == "version 1.2.3+sm12x.1"
    assert f"git checkout {TAG}, then" in str(error.next)
    shutil.rmtree(store.root / ".git")
    said = str(refused(store, path).next)
    assert said.endswith(f"git fetch --tags, then git checkout {TAG}")


def test_names_that_cannot_be(store: Shop, tmp_path: Path) -> None:
    path = published(store, tmp_path)
    for name in ("vllm.whl", "x.zip", BUILT.replace("vllm", "nllm")):
        other = path.with_name(name)
        other.write_bytes(path.read_bytes())
        with pytest.raises((Unusable, Finding)):
            reproduce(store.at, other)


def test_the_rebuilt_file_does_not_replace_the_published_one(
    store: Shop, tmp_path: Path
) -> None:
    home = store.root / "build/reproduce"
    home.mkdir(parents=True)
    path = home / BUILT
    path.write_bytes(published(store, tmp_path).read_bytes())
    assert refused(store, path).what == "this is where the rebuilt file goes"
    assert path.exists()


def test_without_a_notice_it_is_rebuilt_and_differs(
    store: Shop, tmp_path: Path
) -> None:
    path = published(store, tmp_path)
    other = tmp_path / BUILT
    rewrite(path, {f"{LOCAL}/licenses/NOTICE.sm12x": None}, other)
    text = str(reproduce(store.at, other))
    assert f"missing: {LOCAL}/licenses/NOTICE.sm12x" in text
