# SPDX-License-Identifier: Apache-2.0
"""`make apply` never overwrites work that is not exported."""

from __future__ import annotations

import subprocess

import pytest

from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.series.apply import Wanted, apply
from tests.unit.series.applying import bench, refusal
from tests.unit.small import Small, git


@pytest.fixture
def at(small: Small, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    return Checkout(small.root)


def edit(at: Checkout, path: str = "vllm/config/kernel.py") -> None:
    file = bench(at) / path
    file.write_text(file.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")


def commit(at: Checkout, subject: str) -> str:
    edit(at)
    git(bench(at), "commit", "-q", "-a", "-m", subject)
    return git(bench(at), "rev-parse", "HEAD")


def test_uncommitted_work_stops_it(at: Checkout) -> None:
    apply(Wanted(at))
    edit(at)
    (bench(at) / "vllm/new.py").write_text("", encoding="utf-8")
    said = refusal(at)
    assert "not committed: vllm/config/kernel.py" in said
    assert "not committed: vllm/new.py" in said
    assert "make export" in said
    assert "# mine" in (bench(at) / "vllm/config/kernel.py").read_text(encoding="utf-8")


def test_unexported_commits_stop_it(at: Checkout) -> None:
    apply(Wanted(at))
    commit(at, "my work")
    assert "my work" in refusal(at)


@pytest.mark.parametrize("how", ["detached", "other branch", "dropped", "staged"])
def test_other_work_stops_it(at: Checkout, how: str) -> None:
    apply(Wanted(at))
    if how == "detached":
        git(bench(at), "checkout", "-q", "--detach")
        commit(at, "on no branch")
    elif how == "other branch":
        git(bench(at), "checkout", "-q", "-b", "try")
        commit(at, "on another branch")
    elif how == "dropped":
        git(bench(at), "reset", "-q", "--hard", "HEAD^")
    else:
        edit(at)
        git(bench(at), "add", "-A")
        git(bench(at), "restore", "vllm/config/kernel.py")
    words = {"dropped": "was set back", "staged": "not committed"}
    assert words.get(how, "not exported") in refusal(at)


def test_unfinished_rebase_stops_it(at: Checkout) -> None:
    apply(Wanted(at))
    done = subprocess.run(
        [
            "git",
            "-c",
            "sequence.editor=sed -i s/pick/edit/",
            "rebase",
            "-q",
            "-i",
            "HEAD~2",
        ],
        cwd=bench(at),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert "unfinished: git rebase" in refusal(at)
    forced = apply(Wanted(at, force=True))
    assert forced.changed
    assert not (bench(at) / ".git/rebase-merge").exists()
    assert not apply(Wanted(at)).changed


def test_force_keeps_a_backup(at: Checkout) -> None:
    first = apply(Wanted(at))
    mine = commit(at, "my work")
    edit(at, "README.md")
    (bench(at) / "notes.txt").write_text("notes", encoding="utf-8")
    done = apply(Wanted(at, force=True))
    assert done.backup is not None
    assert done.tip == first.tip
    assert git(bench(at), "status", "--porcelain") == ""
    assert git(bench(at), "show", f"{done.backup}:notes.txt") == "notes"
    assert "# mine" in git(bench(at), "show", f"{done.backup}:README.md")
    assert mine in git(bench(at), "rev-list", done.backup).splitlines()
    assert not apply(Wanted(at)).changed


def test_ignored_files_are_left_alone(at: Checkout) -> None:
    apply(Wanted(at))
    (bench(at) / ".git/info/exclude").write_text("*.o\n", encoding="utf-8")
    (bench(at) / "x.o").write_bytes(b"compiled")
    apply(Wanted(at, until="0001"))
    assert (bench(at) / "x.o").read_bytes() == b"compiled"


def test_foreign_folder_is_not_touched(at: Checkout) -> None:
    bench(at).mkdir(parents=True)
    (bench(at) / "precious").write_text("x", encoding="utf-8")
    with pytest.raises(Unusable, match="was not made by make apply"):
        apply(Wanted(at))
    assert (bench(at) / "precious").exists()


def test_force_clears_nothing_for_a_series_that_does_not_hold(
    at: Checkout, small: Small
) -> None:
    apply(Wanted(at))
    mine = commit(at, "my work")
    path = small.patches / small.names[0]
    path.write_bytes(path.read_bytes().replace(b'+    "sm12x"', b'+    "sm13x"'))
    assert "the result is another blob" in refusal(at, force=True)
    assert git(bench(at), "rev-parse", "HEAD") == mine
    assert git(bench(at), "for-each-ref", "refs/sm12x/backup") == ""
