# SPDX-License-Identifier: Apache-2.0
"""`make export`: what a maintainer does with git comes out as patches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.checkout import Checkout
from scripts.series.adopt import Change
from scripts.series.apply import Wanted, apply
from scripts.series.export import export
from scripts.series.origin import Source
from scripts.upstream import lock as lockfile
from tests.unit.small import Small, git, message


@pytest.fixture
def at(small: Small, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    apply(Wanted(Checkout(small.root)))
    return Checkout(small.root)


def bench(at: Checkout) -> Path:
    return at.build / "vllm"


def folder(at: Checkout) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in at.patches.glob("*.patch")}


def rebase(at: Checkout, todo: str, *, stops: bool = False) -> None:
    """An ordinary `git rebase -i` whose list is edited by the sed script `todo`."""
    settings = {
        "sequence.editor": f"sed -i -e '{todo}'",
        "core.editor": "true",
        "user.name": "M",
        "user.email": "m@example.org",
    }
    options = [x for k, v in settings.items() for x in ("-c", f"{k}={v}")]
    done = subprocess.run(
        ["git", *options, "rebase", "-q", "-i", "refs/sm12x/base"],
        cwd=bench(at),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert (bench(at) / ".git/rebase-merge").exists() == stops


def test_round_trip_is_the_identity(at: Checkout) -> None:
    before = folder(at)
    lock = at.lock.read_bytes()
    assert export(at).changes == {}
    assert folder(at) == before
    assert at.lock.read_bytes() == lock


def test_reorder(at: Checkout, small: Small) -> None:
    tree = small.lock.patched_tree
    rebase(at, "1{h;d};2{G}")
    done = export(at)
    assert [p.subject for p in done.patches] == [
        "utils: probe for the sm12x kernels",
        "config: add the sm12x backend name",
        "config: refuse sm12x where its kernels are missing",
    ]
    assert sorted(folder(at)) == [p.name for p in done.patches]
    assert done.tree == tree
    assert not apply(Wanted(at)).changed


def test_drop(at: Checkout, small: Small) -> None:
    gone = small.names[1]
    rebase(at, "2d")
    done = export(at)
    assert done.changes[gone] is Change.REMOVED
    assert small.names == sorted(folder(at)) == [p.name for p in done.patches]
    assert len(small.names) == 2
    assert small.lock.patched_tree == done.tree
    assert not (bench(at) / "tests/utils/test_probe.py").exists()
    assert not apply(Wanted(at)).changed


def test_insert(at: Checkout, small: Small) -> None:
    rebase(at, "1s/^pick/edit/", stops=True)
    (bench(at) / "vllm/config/more.py").write_text("X = 1\n", encoding="utf-8")
    git(bench(at), "add", "-A")
    git(bench(at), "commit", "-q", "-F-", stdin=message("config: more").encode())
    git(bench(at), "rebase", "--continue")
    done = export(at)
    assert [p.number for p in done.patches] == ["0001", "0002", "0003", "0004"]
    assert done.patches[1].name == "0002-config-more.patch"
    assert done.changes[done.patches[1].name] is Change.ADDED
    assert apply(Wanted(at, until="2")).patches == 2
    assert (bench(at) / "vllm/config/more.py").exists()


def test_split(at: Checkout, small: Small) -> None:
    rebase(at, "2s/^pick/edit/", stops=True)
    git(bench(at), "reset", "-q", "HEAD^")
    git(bench(at), "add", "vllm/utils/flashinfer.py")
    git(bench(at), "commit", "-q", "-F-", stdin=message("utils: probe").encode())
    git(bench(at), "add", "-A")
    git(bench(at), "commit", "-q", "-F-", stdin=message("tests: probe").encode())
    git(bench(at), "rebase", "--continue")
    tree = small.lock.patched_tree
    done = export(at)
    assert [p.subject for p in done.patches][1:3] == ["utils: probe", "tests: probe"]
    assert done.tree == tree


def test_edit_changes_what_follows(at: Checkout, small: Small) -> None:
    rebase(at, "1s/^pick/edit/", stops=True)
    path = bench(at) / "vllm/config/kernel.py"
    path.write_text(
        path.read_text(encoding="utf-8").replace('    "sm12x"', '    "sm120"'),
        encoding="utf-8",
    )
    git(bench(at), "commit", "-q", "-a", "--amend", "--no-edit")
    git(bench(at), "rebase", "--continue")
    changes = export(at).changes
    # 0003 touches the same file, so that its preimage is another blob now.
    assert changes == {small.names[0]: Change.CHANGED, small.names[2]: Change.CHANGED}
    assert not apply(Wanted(at)).changed


def test_author_stays_and_ids_are_canonical(at: Checkout) -> None:
    tip = git(bench(at), "rev-parse", "HEAD")
    rebase(at, "1s/^pick/reword/;$!b")
    assert git(bench(at), "rev-parse", "HEAD") != tip  # another committer
    export(at)
    assert git(bench(at), "rev-parse", "HEAD") == tip
    assert git(bench(at), "symbolic-ref", "--short", "HEAD") == "sm12x"
    assert git(bench(at), "status", "--porcelain") == ""


def test_everything_dropped(at: Checkout, small: Small) -> None:
    git(bench(at), "reset", "-q", "--hard", "refs/sm12x/base")
    assert export(at).patches == []
    assert folder(at) == {}
    assert small.lock.patched_tree == small.lock.tree


def refusal(at: Checkout, **options: bool) -> str:
    before = folder(at)
    with pytest.raises(Finding) as caught:
        export(at, **options)
    assert folder(at) == before
    return str(caught.value)


def test_uncommitted_work_is_not_left_out_in_silence(at: Checkout) -> None:
    (bench(at) / "README.md").write_text("mine\n", encoding="utf-8")
    assert "README.md" in refusal(at)


def test_a_new_file_that_was_never_added_is_listed(at: Checkout) -> None:
    (bench(at) / "vllm/new.py").write_text("mine\n", encoding="utf-8")
    (bench(at) / "docs/backends.md").write_text("mine\n", encoding="utf-8")
    said = refusal(at)
    assert "vllm/new.py (never added)" in said
    assert "docs/backends.md\n" in said
    assert "git add" in said


def test_merge_is_refused(at: Checkout) -> None:
    git(bench(at), "checkout", "-q", "-b", "side", "HEAD^")
    (bench(at) / "side.txt").write_text("x\n", encoding="utf-8")
    git(bench(at), "add", "-A")
    git(bench(at), "commit", "-q", "-m", "side")
    git(bench(at), "checkout", "-q", "sm12x")
    git(bench(at), "merge", "-q", "--no-edit", "side")
    assert "a merge cannot be a patch" in refusal(at)


def test_empty_commit_is_refused(at: Checkout) -> None:
    git(bench(at), "commit", "-q", "--allow-empty", "-m", "nothing")
    assert "changes nothing" in refusal(at)


def test_other_history_is_refused(at: Checkout) -> None:
    git(bench(at), "checkout", "-q", "--orphan", "other")
    git(bench(at), "commit", "-q", "-m", "other")
    assert "do not stand on the base" in refusal(at)


def test_binary_is_refused(at: Checkout) -> None:
    (bench(at) / "x.bin").write_bytes(bytes(range(256)))
    git(bench(at), "add", "-A")
    git(bench(at), "commit", "-q", "-m", "binary")
    assert "binary files cannot be in the series" in refusal(at)


def test_message_that_looks_like_a_diff_is_refused(at: Checkout) -> None:
    (bench(at) / "README.md").write_text("mine\n", encoding="utf-8")
    git(
        bench(at), "commit", "-q", "-a", "-m", "x\n\ndiff --git a/README.md b/README.md"
    )
    said = refusal(at)
    assert "0004-x.patch:7" in said
    assert "git rebase -i" in said


def test_unfinished_rebase_is_refused(at: Checkout) -> None:
    rebase(at, "2s/^pick/edit/", stops=True)
    assert "rebase is under way" in refusal(at)


def test_prefix_is_refused(at: Checkout) -> None:
    apply(Wanted(at, until="0002"))
    assert "would drop the rest" in refusal(at)


def test_patches_that_changed_meanwhile_are_kept(at: Checkout, small: Small) -> None:
    path = small.patches / small.names[0]
    pulled = path.read_bytes().replace(b"Users choose", b"People choose")
    path.write_bytes(pulled)
    assert "exporting would undo that" in refusal(at)
    assert export(at, force=True).changes == {path.name: Change.CHANGED}
    assert path.read_bytes() != pulled


def test_nothing_applied(small: Small) -> None:
    with pytest.raises(Unusable, match="nothing to export"):
        export(Checkout(small.root))


def test_table_is_written(at: Checkout) -> None:
    export(at, table=lambda patches: f"{len(patches)} patches\n")
    assert (at.patches / "README.md").read_text(encoding="utf-8") == "3 patches\n"


def test_git_source_updates_both_trees(
    at: Checkout, small: Small, tmp_path: Path
) -> None:
    # A real tag has no PKG-INFO, so the two trees differ.
    git(small.repo, "checkout", "-q", "-b", "upstream", "base")
    git(small.repo, "rm", "-q", "PKG-INFO")
    git(small.repo, "commit", "-q", "-m", "as in git")
    git(small.repo, "tag", "v1.2.3")
    commit = git(small.repo, "rev-parse", "HEAD")
    lockfile.update(at.lock, {"vllm.commit": commit[:9]})
    apply(Wanted(at, Source.GIT, small.repo.as_uri()))
    rebase(at, "2d")
    done = export(at)
    lock = small.lock
    assert done.tree == lock.git.patched_tree
    assert lock.patched_tree != lock.git.patched_tree
    assert apply(Wanted(at)).tree == lock.patched_tree
