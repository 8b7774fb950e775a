# SPDX-License-Identifier: Apache-2.0
"""`make apply` on a small upstream with real git."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import ROOT
from scripts import lock as lockfile
from scripts.checkout import Checkout
from scripts.errors import Finding, Unusable
from scripts.files import one_run
from scripts.series.apply import Applied, Wanted, apply
from scripts.upstream import Source
from tests.scripts.small import Small, git


@pytest.fixture
def at(small: Small, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    return Checkout(small.root)


def bench(at: Checkout) -> Path:
    return at.build / "vllm"


def refusal(at: Checkout, **wanted: object) -> str:
    with pytest.raises(Finding) as caught:
        apply(Wanted(at, **wanted))  # type: ignore[arg-type]
    return str(caught.value)


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


def test_two_runs_at_once(at: Checkout) -> None:
    with one_run(at.run_lock, "make export"), pytest.raises(Unusable) as caught:
        apply(Wanted(at))
    assert "make export, process" in (caught.value.found or "")
    assert apply(Wanted(at)).changed


def test_read_only_checkout(at: Checkout) -> None:
    at.build.write_text("a file where a folder has to go", encoding="utf-8")
    with pytest.raises(Unusable, match="cannot lock"):
        apply(Wanted(at))


def test_full_disk_then_a_normal_run(at: Checkout, small: Small) -> None:
    at.build.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(at.build)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    try:
        with pytest.raises(Unusable) as caught:
            apply(Wanted(at))
        assert "No space left" in (caught.value.found or caught.value.what)
        assert not bench(at).exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(at.build)], check=True)
        assert apply(Wanted(at)).tree == small.lock.patched_tree
    finally:
        subprocess.run(["umount", str(at.build)], check=True)


def test_altered_archive(at: Checkout, small: Small) -> None:
    data = bytearray(small.sdist.read_bytes())
    data[len(data) // 2] ^= 1
    small.sdist.write_bytes(bytes(data))
    said = refusal(at)
    assert small.lock.sdist.sha256 in said
    assert not bench(at).exists()


def test_non_utf8_locale_and_a_path_with_spaces(small: Small, tmp_path: Path) -> None:
    # The checkout is the package's parent, so a copy is a checkout of its own.
    root = tmp_path / "a b" / "c"
    root.mkdir(parents=True)
    (root / "scripts").symlink_to(ROOT / "scripts")
    code = (
        "from pathlib import Path\n"
        "from scripts.checkout import Checkout\n"
        "from scripts.series.apply import Wanted, apply\n"
        f"print(apply(Wanted(Checkout(Path({str(root)!r})))).tree)\n"
    )
    (root / "upstream.lock").write_bytes(small.lock_path.read_bytes())
    small.edit(
        "\u00dcberschrift\n\nB\u00f6dy.\n", "README.md", "# vLLM", "# vLLM \u2603"
    )
    small.export()
    (root / "upstream.lock").write_bytes(small.lock_path.read_bytes())
    (root / "patches").symlink_to(small.patches)
    env = os.environ | {
        "UPSTREAM_DIR": str(small.upstream_dir),
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == small.lock.patched_tree


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
