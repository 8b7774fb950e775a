# SPDX-License-Identifier: Apache-2.0
"""`make apply` on a small upstream with real git: what it makes and checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.series.apply import Wanted, apply
from scripts.upstream import lock as lockfile
from tests.unit.series.applying import bench, refusal
from tests.unit.small import Small, git


@pytest.fixture
def at(small: Small, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    return Checkout(small.root)


def test_one_commit_a_patch(at: Checkout, small: Small) -> None:
    done = apply(Wanted(at))
    assert done.tree == small.lock.patched_tree
    subjects = git(bench(at), "log", "--reverse", "--format=%s").splitlines()
    theirs = git(small.repo, "log", "--reverse", "--format=%s", "base..HEAD")
    assert subjects == ["vLLM 1.2.3", *theirs.splitlines()]
    assert git(bench(at), "status", "--porcelain") == ""
    assert (bench(at) / "tools/build.sh").stat().st_mode & 0o111
    author = git(bench(at), "log", "-1", "--format=%an <%ae> %ad", "--date=raw")
    assert author == "Ada Author <ada@example.org> 1795455327 +0000"


def test_same_ids_whatever_the_machine_says(
    at: Checkout, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = apply(Wanted(at))
    config = tmp_path / "gitconfig"
    config.write_text(
        "[user]\nname=Me\nemail=me@x\n[core]\nautocrlf=true\n[commit]\ngpgsign=true\n"
        "[diff]\nalgorithm=histogram\nnoprefix=true\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    other = Checkout(tmp_path / "other place")
    other.root.mkdir()
    other.lock.write_bytes(at.lock.read_bytes())
    other.patches.symlink_to(at.patches)
    second = apply(Wanted(other))
    assert (second.base, second.tip) == (first.base, first.tip)


def test_second_run_does_nothing(at: Checkout) -> None:
    first = apply(Wanted(at))
    marker = bench(at) / ".git" / "sm12x.json"
    before = marker.stat().st_mtime_ns
    second = apply(Wanted(at))
    assert not second.changed
    assert second.tip == first.tip
    assert marker.stat().st_mtime_ns == before


def test_prefix_and_back(at: Checkout, small: Small) -> None:
    assert apply(Wanted(at, until="0002")).patches == 2
    text = (bench(at) / "vllm/config/kernel.py").read_text(encoding="utf-8")
    assert "sm12x" in text
    assert "def check" not in text
    assert apply(Wanted(at, until="0")).tree == small.lock.tree
    assert apply(Wanted(at)).tree == small.lock.patched_tree
    assert git(bench(at), "status", "--porcelain") == ""
    with pytest.raises(Unusable, match="no patch has the number 0009"):
        apply(Wanted(at, until="0009"))


def test_preimage_is_checked(at: Checkout, small: Small) -> None:
    path = small.patches / small.names[1]
    data = path.read_bytes()
    blob = next(
        line
        for line in data.splitlines()
        if line.startswith(b"index ") and b" 100" in line
    ).split()[1][:40]
    path.write_bytes(data.replace(blob, b"1" * 40))
    said = refusal(at)
    assert f"patches/{path.name}:" in said
    assert "blob " + "1" * 40 in said
    assert not bench(at).exists()


def test_result_is_checked(at: Checkout, small: Small) -> None:
    path = small.patches / small.names[0]
    path.write_bytes(path.read_bytes().replace(b'+    "sm12x"', b'+    "sm13x"'))
    assert "the result is another blob" in refusal(at)


def test_tree_is_checked(at: Checkout, small: Small) -> None:
    series = small.patches / "series"
    kept = series.read_text(encoding="utf-8").splitlines()[:2]
    series.write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert "after 2 patches the tree is not the one in upstream.lock" in refusal(at)
    # The pinned tree is compared also where the commits stand already.
    assert apply(Wanted(at, until="2")).patches == 2


def test_base_tree_is_checked(at: Checkout) -> None:
    lockfile.update(at.lock, {"vllm.sdist.tree": "2" * 40})
    assert "another tree than the pinned one" in refusal(at)


def test_crlf_patch(at: Checkout, small: Small) -> None:
    path = small.patches / small.names[0]
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert "CRLF" in refusal(at)


def test_altered_archive(at: Checkout, small: Small) -> None:
    data = bytearray(small.sdist.read_bytes())
    data[len(data) // 2] ^= 1
    small.sdist.write_bytes(bytes(data))
    said = refusal(at)
    assert small.lock.sdist.sha256 in said
    assert not bench(at).exists()
