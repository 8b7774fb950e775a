# SPDX-License-Identifier: Apache-2.0
"""The patched source archive: the same bytes, the right tree, its own version."""

from __future__ import annotations

import gzip
import os
import subprocess
import tarfile
import time
from dataclasses import replace
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest
from packaging.utils import parse_sdist_filename

from scripts.base.errors import Finding, Unusable
from scripts.base.files import digest
from scripts.series import folder
from scripts.upstream import fetch
from scripts.upstream import lock as lock_file
from scripts.upstream.lock import Lock
from scripts.upstream.sdist import members
from scripts.wheel import patched_sdist
from tests.unit.small import Small, git, message
from tests.unit.small_files import VERSION, pack, upstream

LOCAL = f"{VERSION}+sm12x.1"


def made(small: Small, out: Path) -> Path:
    return patched_sdist.build(small.lock, folder.load(small.patches), small.sdist, out)


def files(path: Path) -> dict[str, bytes]:
    return {m.path: m.data for m in members(path)}


def repack(small: Small, extra: dict[str, bytes]) -> None:
    """Another archive, by size and digest the one that the lock pins."""
    pack(upstream() | extra, small.sdist)
    values = {
        "vllm.sdist.size": small.sdist.stat().st_size,
        "vllm.sdist.sha256": digest(small.sdist),
    }
    lock_file.update(small.lock_path, values)


def repin(small: Small, extra: dict[str, bytes]) -> None:
    """Add files to the hand-made upstream, below the series."""
    repack(small, extra)
    tree = small.root / "tree"
    patched_sdist.unpack(small.sdist, tree)
    git(tree, "init", "-q")
    git(tree, "add", "-A", "-f")
    before = git(tree, "write-tree")
    for name in small.names:
        git(tree, "apply", "--index", str(small.patches / name))
    values = {
        "vllm.sdist.tree": before,
        "series.patched-tree": git(tree, "write-tree"),
    }
    lock_file.update(small.lock_path, values)


def test_name_is_normal(small: Small, tmp_path: Path) -> None:
    path = made(small, tmp_path)
    assert path == tmp_path / f"vllm-{LOCAL}.tar.gz"
    name, version = parse_sdist_filename(path.name)
    assert (name, str(version)) == ("vllm", LOCAL)


def test_version_that_is_not_normal_is_refused(small: Small, tmp_path: Path) -> None:
    lock = replace(small.lock, version="1.2.03")
    with pytest.raises(Finding, match="normal form"):
        patched_sdist.build(lock, [], small.sdist, tmp_path)


def test_same_bytes_at_two_times_in_two_folders(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made(small, tmp_path / "one").read_bytes()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setattr(time, "time", lambda: 4e9)
    old = os.umask(0o077)
    try:
        assert made(small, tmp_path / "an other").read_bytes() == one
    finally:
        os.umask(old)
    assert one[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time


def test_members_have_no_owner_and_one_date(small: Small, tmp_path: Path) -> None:
    with tarfile.open(made(small, tmp_path)) as tar:
        infos = tar.getmembers()
    assert {m.mtime for m in infos} == {small.lock.epoch}
    assert {(m.uid, m.gid, m.uname, m.gname) for m in infos} == {(0, 0, "", "")}
    modes = {m.name.partition("/")[2]: m.mode for m in infos}
    assert modes.pop("tools/build.sh") == 0o755
    assert set(modes.values()) == {0o644}


def test_new_files_stand_in_sorted_places(small: Small, tmp_path: Path) -> None:
    before = list(files(small.sdist))
    names = list(files(made(small, tmp_path)))
    new = ["NOTICE.sm12x", "tests/utils/__init__.py", "tests/utils/test_probe.py"]
    assert [n for n in names if n not in new] == before
    at = [names.index(n) for n in new]
    assert names[at[0] - 1] == "MANIFEST.in"
    assert names[at[1] - 1 : at[2]] == ["tests/config/test_kernel.py", new[1]]


def test_content_is_the_patched_tree(small: Small, tmp_path: Path) -> None:
    small.commit(message("docs: drop a page"), {"docs/backends.md": None})
    small.export()
    got = files(made(small, tmp_path))
    listed = git(small.repo, "ls-tree", "-r", "--name-only", "HEAD").split()
    assert set(got) == {*listed, "NOTICE.sm12x"}
    differ = {n for n in listed if (small.repo / n).read_bytes() != got[n]}
    assert differ == {"PKG-INFO", "vllm.egg-info/PKG-INFO", "vllm/_version.py"}


def test_version_is_in_every_place(small: Small, tmp_path: Path) -> None:
    got = files(made(small, tmp_path))
    for name in ("PKG-INFO", "vllm.egg-info/PKG-INFO"):
        info = BytesHeaderParser().parsebytes(got[name])
        assert info["Version"] == LOCAL
        assert info.get_all("License-File") == ["LICENSE", "NOTICE.sm12x"]
    scope: dict[str, object] = {}
    exec(got["vllm/_version.py"], scope)
    assert scope["__version__"] == LOCAL
    assert scope["version_tuple"] == (1, 2, 3, "sm12x.1")
    assert scope["commit_id"] == "g0123456ab"


def test_lists_of_files_and_licences_follow(small: Small, tmp_path: Path) -> None:
    project = upstream()["pyproject.toml"].replace(
        b'license = "Apache-2.0"\n',
        b'license = "Apache-2.0"\nlicense-files = ["LICENSE"]\n',
    )
    names = "".join(f"{n}\n" for n in sorted(upstream())).encode()
    repin(small, {"pyproject.toml": project, "vllm.egg-info/SOURCES.txt": names})
    got = files(made(small, tmp_path))
    assert b'license-files = ["LICENSE", "NOTICE.sm12x"]\n' in got["pyproject.toml"]
    listed = got["vllm.egg-info/SOURCES.txt"].decode().split()
    assert listed == sorted({*listed})
    assert set(got) - set(listed) == {"vllm.egg-info/SOURCES.txt"}
    assert set(listed) <= set(got)


def test_notice_names_patches_and_files(small: Small, tmp_path: Path) -> None:
    text = files(made(small, tmp_path))["NOTICE.sm12x"].decode()
    for patch in folder.load(small.patches):
        assert patch.name in text and patch.sha256 in text
    assert "vllm/config/kernel.py (changed or added by 0001, 0003)" in text


def test_other_result_is_refused(small: Small, tmp_path: Path) -> None:
    lock_file.update(small.lock_path, {"series.patched-tree": "0" * 40})
    with pytest.raises(Finding, match="the tree after the series"):
        made(small, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_upstream_is_refused(small: Small, tmp_path: Path) -> None:
    repack(small, {"extra.txt": b""})
    with pytest.raises(Finding, match="upstream's tree"):
        made(small, tmp_path)
    pack(upstream(), small.sdist)
    with pytest.raises(Finding, match=r"not the file that upstream.lock pins"):
        made(small, tmp_path)


def test_links_are_refused(small: Small, tmp_path: Path) -> None:
    (small.repo / "link").symlink_to("README.md")
    git(small.repo, "add", "-A")
    git(small.repo, "commit", "-q", "-F-", stdin=message("add a link").encode())
    small.export()
    with pytest.raises(Finding, match="regular files only"):
        made(small, tmp_path)
    assert list(tmp_path.glob("*.tar.gz*")) == []


def test_folder_that_cannot_be_written(small: Small, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(Unusable, match="cannot write"):
        made(small, tmp_path / "out")


def test_unpack_gives_files_and_modes(small: Small, tmp_path: Path) -> None:
    path = made(small, tmp_path)
    patched_sdist.unpack(path, tmp_path / "tree")
    for member in members(path):
        file = tmp_path / "tree" / member.path
        assert file.read_bytes() == member.data
        assert bool(file.stat().st_mode & 0o100) == (member.mode == 0o100755)


@pytest.mark.upstream
def test_real_archive(tmp_path: Path) -> None:
    lock: Lock = lock_file.load()
    sdist = fetch.obtain(lock.sdist)
    path = patched_sdist.build(lock, folder.load(), sdist, tmp_path)
    before, after = (
        {m.path: (m.mode, m.data) for m in members(p)} for p in (sdist, path)
    )
    touched = {c.path for p in folder.load() for c in p.files}
    written = {"PKG-INFO", "pyproject.toml", "vllm/_version.py", "NOTICE.sm12x"}
    written |= {
        f"vllm.egg-info/{n}" for n in ("PKG-INFO", "SOURCES.txt", "requires.txt")
    }
    differ = {n for n in {*before, *after} if before.get(n) != after.get(n)}
    assert differ == touched | written
    listed = after["vllm.egg-info/SOURCES.txt"][1].decode().splitlines()
    # Upstream's list leaves out what is not in its git.
    assert set(after) - set(listed) <= set(before) - touched
    # GNU tar and gzip agree on what it is.
    assert subprocess.run(["gzip", "-t", path], check=False).returncode == 0
    with gzip.open(path) as f:
        assert f.read(262)[257:262] == b"ustar"
