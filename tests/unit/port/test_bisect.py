# SPDX-License-Identifier: Apache-2.0
"""The commit that broke a patch, found in a slim mirror of a real history.

No git host is at hand, so the history is built from the released archives: from
the pin back to older releases. First one commit for each file that the series
touches, then one for each folder of what is left of upstream's Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.checkout import Checkout
from scripts.port.bisect import Trials
from scripts.port.mirror import imported, mirror
from scripts.port.names.trees import Trees
from scripts.port.released import sdist
from scripts.port.report.states import State
from scripts.port.run import Wanted, port
from scripts.port.target import Target, python_or, tree
from scripts.series import folder
from scripts.series.base_commit import touched
from scripts.series.resolutions import Records
from scripts.upstream import lock as lockfile
from scripts.upstream import sdist_contents
from tests.unit.small import git

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(1800)]

RELEASES = ("0.33.0", "0.32.0", "0.31.0")
UNRELATED = "README.md"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone; each release has a tag, and differs from the pin's by single files."""
    repo = tmp_path_factory.mktemp("history") / "vllm"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    lock = lockfile.load()
    paths = touched(folder.load()) | {UNRELATED, "vllm/platforms/__init__.py"}
    want = python_or(paths)
    before: dict[str, Entry] = {}
    for name in RELEASES:
        version = Version(name)
        target = Target(name, version, sdist(lock, version))
        files = dict(tree(target, want).files)
        changed = [p for p in {**before, **files} if files.get(p) != before.get(p)]
        for what, group in _commits(changed, paths) if before else [("all", changed)]:
            for path in group:
                at = repo / path
                if path in files:
                    at.parent.mkdir(parents=True, exist_ok=True)
                    at.write_bytes(files[path].data)
                else:
                    at.unlink()
            listed = "".join(f"{path}\0" for path in group).encode()
            options = ("-A", "-f", "--pathspec-file-nul", "--pathspec-from-file=-")
            git(repo, "add", *options, stdin=listed)
            git(repo, "commit", "-q", "-m", f"{name}: {what}")
        git(repo, "tag", f"v{name}")
        before = files
    return repo


def _commits(changed: list[str], paths: set[str]) -> Iterator[tuple[str, list[str]]]:
    """What each commit is called, and its files."""
    folders: dict[str, list[str]] = {}
    for path in sorted(changed):
        if path in paths:
            yield path, [path]
        else:
            folders.setdefault("/".join(path.split("/")[:-1][:2]), []).append(path)
    yield from folders.items()


def test_mirror_keeps_history_of_its_paths_alone(history: Path, tmp_path: Path) -> None:
    paths = touched(folder.load()) | {"vllm/platforms/__init__.py"}
    slim = mirror(history, paths, tmp_path)
    kept = slim.git.text("ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert set(kept) <= paths and UNRELATED not in kept
    log = slim.git.text("log", "--format=%s").splitlines()
    original = git(history, "log", "--format=%s").splitlines()
    kept_of = {*paths, "all"}
    assert log == [s for s in original if s.partition(": ")[2] in kept_of]
    assert len(log) < len(original)
    made = (slim.path / "sm12x-done").stat().st_mtime_ns
    again = mirror(history, paths, tmp_path)
    assert (again.path / "sm12x-done").stat().st_mtime_ns == made


def test_each_culprit_is_the_commit_of_its_file(history: Path, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    root.mkdir()
    at = Checkout()
    (root / "upstream.lock").write_bytes(at.lock.read_bytes())
    (root / "patches").symlink_to(at.patches)
    done = port(Checkout(root), Wanted("0.31.0", history, dry_run=True))
    lost = {(p.name, f.path) for p, f in done.open_files}
    assert lost and {(c.patch, c.path) for c in done.culprits} == lost
    used = {(p.name, f.path) for p, f in done.open_files if f.state is State.BROKEN}
    assert used and used < lost
    for culprit in done.culprits:
        release, path = culprit.subject.split(": ")
        assert release in RELEASES[1:]
        assert git(history, "log", "-1", "--format=%s", culprit.commit) == (
            culprit.subject
        )
        if (culprit.patch, culprit.path) not in used:
            assert path == culprit.path
    # What a file uses is broken by another file's commit, or by its own: at the
    # parent all that it uses is there, at the commit it is not.
    trials = Trials(Git(history), folder.load(), _trees(), Records())
    culprit = next(c for c in done.culprits if (c.patch, c.path) in used)
    assert trials.carried(f"{culprit.commit}^", culprit.patch, culprit.path)
    assert not trials.carried(culprit.commit, culprit.patch, culprit.path)
    gone = {c.subject for c in done.culprits if "test_flashinfer_utils" in c.path}
    assert gone == {"0.31.0: tests/utils_/test_flashinfer_utils.py"}


def _trees() -> Trees:
    lock = lockfile.load()
    base = sdist_contents.read(lock.sdist, python_or(touched(folder.load())))
    return Trees(base, base)


def test_imported_names_modules() -> None:
    entry = Entry(0o100644, b"from vllm.a import b\nimport torch\nfrom . import c\n")
    assert imported({"vllm/x.py": entry}) == {
        "vllm/__init__.py",
        "vllm/a.py",
        "vllm/a/__init__.py",
        "vllm/a/b.py",
        "vllm/a/b/__init__.py",
    }
    assert imported({"x.txt": entry, "vllm/y.py": None}) == set()
