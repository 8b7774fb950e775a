# SPDX-License-Identifier: Apache-2.0
"""`make apply SOURCE=git`: the release's own commit, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.checkout import Checkout
from scripts.series.apply import Applied, Wanted, apply
from scripts.series.origin import Source
from scripts.upstream import lock as lockfile
from tests.unit.series.applying import bench
from tests.unit.small import Small, git


@pytest.fixture
def at(small: Small, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    return Checkout(small.root)


class TestGitSource:
    """`SOURCE=git`, from a local bare repository."""

    @pytest.fixture
    def url(self, small: Small, tmp_path: Path) -> str:
        git(small.repo, "tag", "v1.2.3", "base")
        bare = tmp_path / "bare.git"
        git(small.repo, "clone", "-q", "--bare", str(small.repo), str(bare))
        commit = git(small.repo, "rev-parse", "base")
        lockfile.update(small.lock_path, {"vllm.commit": commit[:9]})
        return bare.as_uri()

    def take(self, at: Checkout, url: str) -> Applied:
        return apply(Wanted(at, Source.GIT, url))

    def test_takes_the_tag_and_records_it(
        self, at: Checkout, small: Small, url: str
    ) -> None:
        done = self.take(at, url)
        assert done.base == git(small.repo, "rev-parse", "base")
        lock = lockfile.load(at.lock)
        assert lock.git.commit == done.base
        assert lock.git.tree == small.lock.tree
        assert lock.git.patched_tree == done.tree == small.lock.patched_tree
        assert "# A comment that tools keep." in at.lock.read_text(encoding="utf-8")
        assert not self.take(at, url).changed

    def test_refuses_another_commit(
        self, at: Checkout, small: Small, url: str, tmp_path: Path
    ) -> None:
        lockfile.update(at.lock, {"vllm.commit": "4ba787ec9"})
        with pytest.raises(Finding) as caught:
            self.take(at, url)
        assert caught.value.expected == "4ba787ec9..."
        assert caught.value.found == git(small.repo, "rev-parse", "base")
        assert not bench(at).exists()

    def test_moved_tag_after_it_was_recorded(
        self, at: Checkout, small: Small, url: str, tmp_path: Path
    ) -> None:
        self.take(at, url)
        bare = tmp_path / "bare.git"
        git(bare, "tag", "-f", "v1.2.3", git(small.repo, "rev-parse", "HEAD"))
        lockfile.update(at.lock, {"series.release": 2})
        (at.patches / "series").write_text("", encoding="utf-8")
        with pytest.raises(Finding, match="not the pinned commit"):
            self.take(at, url)

    def test_unreachable(self, at: Checkout, tmp_path: Path) -> None:
        with pytest.raises(Unusable, match="cannot fetch"):
            self.take(at, (tmp_path / "nowhere").as_uri())

    def test_switching_source(self, at: Checkout, url: str) -> None:
        sdist = apply(Wanted(at))
        assert self.take(at, url).base != sdist.base
        assert apply(Wanted(at)).tip == sdist.tip
