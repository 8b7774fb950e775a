# SPDX-License-Identifier: Apache-2.0
"""A distribution's patches before, after and around ours, and ours out again."""

from __future__ import annotations

import difflib
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.base.object_ids import blob_id
from scripts.checkout import Checkout
from scripts.distro import foreign
from scripts.distro.bundle import gather
from scripts.distro.formats import Format
from scripts.distro.merge import merge, unmerge
from scripts.upstream.lock import update
from tests.unit.distro.tools import TOOLS, made, need, quilt, run, tree_of
from tests.unit.small import Small, git
from tests.unit.small_files import TOP

KERNEL = "vllm/config/kernel.py"
LISTS = ("debian/patches/series", "sm12x.inc", "sm12x.nix", "PKGBUILD", "recipe.yaml")


@pytest.fixture
def plain(small: Small, monkeypatch: pytest.MonkeyPatch) -> Small:
    """The hand-made series without its empty file, which Debian refuses."""
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    git(small.repo, "rm", "-q", "tests/utils/__init__.py")
    git(small.repo, "commit", "-q", "--fixup=HEAD^")
    git(small.repo, "rebase", "-q", "-i", "--autosquash", "base")
    small.export()
    return small


def diff(
    path: str, before: bytes, after: bytes, tops: tuple[str, str] = ("a", "b")
) -> str:
    """A plain diff, as `diff -u` writes it: no mail, no blob ids."""
    rows = difflib.unified_diff(
        before.decode().splitlines(keepends=True),
        after.decode().splitlines(keepends=True),
        f"{tops[0]}/{path}",
        f"{tops[1]}/{path}",
    )
    return "".join(rows)


def upstream(small: Small, path: str) -> bytes:
    with tarfile.open(small.sdist) as tar:
        member = tar.extractfile(f"{TOP}/{path}")
        assert member is not None
        return member.read()


def patched(small: Small, path: str) -> bytes:
    return (small.repo / path).read_bytes()


def folder(path: Path, patches: Mapping[str, str], series: str | None = None) -> Path:
    """A quilt folder; `series` names its patches unless it is given."""
    path.mkdir(parents=True)
    for name, text in patches.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    text = "".join(f"{n}\n" for n in patches) if series is None else series
    (path / "series").write_text(text, encoding="utf-8")
    return path


def readme(small: Small) -> str:
    """A patch of theirs that no file of ours meets."""
    old = upstream(small, "README.md")
    tops = (f"{TOP}.orig", TOP)
    return "Theirs.\n\n" + diff("README.md", old, old + b"\nPackaged.\n", tops)


def tail(small: Small) -> str:
    """A patch of theirs on what ours made of a file."""
    old = patched(small, KERNEL)
    return diff(KERNEL, old, old + b"\n\n# Packaged.\n")


def both(small: Small, tmp_path: Path) -> tuple[Path, Path, str]:
    """Patches before and after, and the tree that git says they make."""
    before = folder(tmp_path / "before", {"fixes/readme.patch": readme(small)})
    after = folder(tmp_path / "after", {"tail.diff": tail(small)})
    for path, more in (("README.md", b"\nPackaged.\n"), (KERNEL, b"\n\n# Packaged.\n")):
        at = small.repo / path
        at.write_bytes(at.read_bytes() + more)
    git(small.repo, "add", "-A")
    return before, after, git(small.repo, "write-tree")


@pytest.mark.parametrize("form", Format, ids=lambda f: f.value)
def test_before_and_after(plain: Small, form: Format, tmp_path: Path) -> None:
    before, after, tree = both(plain, tmp_path)
    out = made(plain, form, tmp_path / "out", before=before, after=after)
    text = "".join(
        (out / name).read_text(encoding="utf-8")
        for name in LISTS
        if (out / name).exists()
    )
    ours = [text.index(name) for name in plain.names]
    order = [text.index("fixes-readme.patch"), *ours, text.index("tail.diff")]
    assert order == sorted(order)
    assert TOOLS[form](out, TOP) == tree


def test_names_that_rattler_build_passes_over(plain: Small, tmp_path: Path) -> None:
    """It says nothing and applies nothing; git, patch and quilt take them."""
    old = upstream(plain, "README.md")
    text = diff("README.md", old, old + b"\nPackaged.\n", (TOP, "b"))
    given = folder(tmp_path / "after", {"readme.patch": text})
    made(plain, Format.ARCH, tmp_path / "arch", after=given)
    with pytest.raises(Finding, match="passes over this patch") as caught:
        made(plain, Format.CONDA, tmp_path / "conda", after=given)
    assert caught.value.found == f"{TOP}/ and b/"


def test_the_tree_is_what_all_of_them_make(plain: Small, tmp_path: Path) -> None:
    before, after, tree = both(plain, tmp_path)
    at = Checkout(plain.root)
    assert gather(at, foreign.load(before), foreign.load(after)).tree == tree
    assert gather(at).tree == plain.lock.patched_tree


def test_before_ours_in_a_file_of_ours_is_refused(plain: Small, tmp_path: Path) -> None:
    """It moves our hunk; patch(1) would apply ours with an offset."""
    old = upstream(plain, KERNEL)
    new = b"# Packaged.\n" + old
    before = folder(tmp_path / "before", {"head.patch": diff(KERNEL, old, new)})
    with pytest.raises(Finding, match="changes a file before ours") as caught:
        gather(Checkout(plain.root), foreign.load(before))
    e = caught.value
    assert e.where == (
        f"{before}/head.patch ({KERNEL})\npatches/{plain.names[0]}:14 ({KERNEL})"
    )
    assert e.expected == f"blob {blob_id(old)}, which ours was made on"
    assert e.found == f"blob {blob_id(new)}"
    # As it says: behind ours, refreshed there, the same change is taken.
    new = b"# Packaged.\n" + patched(plain, KERNEL)
    text = diff(KERNEL, patched(plain, KERNEL), new)
    after = folder(tmp_path / "after", {"head.patch": text})
    assert gather(Checkout(plain.root), (), foreign.load(after)).items[-1].changes


def test_a_file_of_ours_made_before_is_refused(plain: Small, tmp_path: Path) -> None:
    path = "tests/utils/test_probe.py"
    before = folder(tmp_path / "before", {"new.patch": diff(path, b"", b"x\n")})
    text = (before / "new.patch").read_text(encoding="utf-8")
    text = text.replace(f"--- a/{path}", "--- /dev/null")
    (before / "new.patch").write_text(text, encoding="utf-8")
    with pytest.raises(Finding, match="changes a file before ours") as caught:
        gather(Checkout(plain.root), foreign.load(before))
    assert caught.value.expected == "no file, which ours was made on"


@pytest.mark.parametrize(
    ("what", "match", "found"),
    [
        ("moved", "does not stand at the lines", "offset 1 line"),
        ("stale", "does not apply", "patch does not apply"),
        ("empty", "does not apply", "No valid patches"),
        ("missing", "cannot be read", "No such file"),
        ("binary", "binary patch", "logo.png"),
        ("reversed", "only patches that apply with -p1", "-R"),
        ("name", "cannot stand in every format", "a b.patch"),
        ("ours", "two patches have one name", "0001-"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_theirs(
    plain: Small, tmp_path: Path, what: str, match: str, found: str
) -> None:
    text, series, name = readme(plain), None, "theirs.patch"
    match what:
        case "moved":
            old = upstream(plain, KERNEL)
            new = old.replace(b'"marlin"', b'"machete"')
            text = diff(KERNEL, old, new).replace("@@ -7,7 +7,7", "@@ -6,7 +6,7")
            assert "@@ -6,7 +6,7" in text
        case "stale":
            text = text.replace("# vLLM", "# LLM")
        case "empty":
            text = "Nothing.\n"
        case "missing":
            series = "gone.patch\n"
        case "binary":
            (plain.repo / "logo.png").write_bytes(bytes(range(256)))
            plain.commit("logo", {})
            text = git(plain.repo, "diff", "--binary", "HEAD^", "HEAD")
            text += "\n\n"
        case "reversed":
            series = "theirs.patch -p1 -R\n"
        case "name":
            name, series = "a b.patch", "a b.patch\n"
        case "ours":
            name = plain.names[0]
    if what == "name":
        with pytest.raises(Finding, match=match):
            foreign.read(folder(tmp_path / "x", {name: text}), name)
        return
    given = folder(tmp_path / "theirs", {name: text}, series)
    with pytest.raises(Finding, match=match) as caught:
        gather(Checkout(plain.root), foreign.load(given))
    assert found in str(caught.value.found)
    assert str(given) in str(caught.value.where)


def test_their_folder_needs_a_series(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="need a series"):
        foreign.load(tmp_path)


def snapshot(path: Path) -> dict[str, tuple[int, bytes]]:
    return {
        p.relative_to(path).as_posix(): (p.stat().st_mode, p.read_bytes())
        for p in sorted(path.rglob("*"))
        if p.is_file()
    }


SERIES = [
    "fixes/readme.patch\ntail.patch\n",
    "fixes/readme.patch\ntail.patch",  # no newline at the end
    "# why\n\nfixes/readme.patch -p1 # first\n\n# then\ntail.patch\n# end\n",
]


@pytest.mark.parametrize("series", SERIES, ids=["plain", "no newline", "comments"])
def test_unmerge_gives_back_what_was_there(
    plain: Small, tmp_path: Path, series: str
) -> None:
    _, _, tree = both(plain, tmp_path)
    git(plain.repo, "reset", "-q", "--hard")
    given = {"fixes/readme.patch": readme(plain), "tail.patch": tail(plain)}
    at = folder(tmp_path / "debian/patches", given, series)
    (at / "series").chmod(0o664)
    before = snapshot(at)
    done = merge(Checkout(plain.root), at, "fixes/readme.patch")
    assert done.tree == tree
    names = foreign.entries((at / "series").read_text(encoding="utf-8"), "series")
    ours = [f"sm12x/{name}" for name in plain.names]
    assert names == ["fixes/readme.patch", *ours, "tail.patch"]
    with pytest.raises(Finding, match="already"):
        merge(Checkout(plain.root), at)
    assert not unmerge(at).theirs_kept
    assert snapshot(at) == before
    # Ahead of all of theirs, which is the default.
    merge(Checkout(plain.root), at)
    names = foreign.entries((at / "series").read_text(encoding="utf-8"), "series")
    assert names == [*ours, "fixes/readme.patch", "tail.patch"]
    unmerge(at)
    assert snapshot(at) == before
    assert sorted(p.name for p in at.iterdir()) == ["fixes", "series", "tail.patch"]


def test_a_folder_without_a_series(plain: Small, tmp_path: Path) -> None:
    at = tmp_path / "patches"
    with pytest.raises(Unusable, match="no such folder"):
        merge(Checkout(plain.root), at)
    at.mkdir()
    assert merge(Checkout(plain.root), at).tree == plain.lock.patched_tree
    unmerge(at)
    assert list(at.iterdir()) == []
    with pytest.raises(Unusable, match="no series of ours"):
        unmerge(at)


def test_a_series_that_is_a_link(plain: Small, tmp_path: Path) -> None:
    at = folder(tmp_path / "patches", {"a.patch": readme(plain)})
    (at / "series").rename(tmp_path / "series")
    (at / "series").symlink_to(tmp_path / "series")
    with pytest.raises(Unusable, match="is a link"):
        merge(Checkout(plain.root), at)
    assert not (at / "sm12x").exists()


def test_what_the_distribution_edited_since_stays(plain: Small, tmp_path: Path) -> None:
    at = folder(tmp_path / "patches", {"a.patch": readme(plain)})
    merge(Checkout(plain.root), at)
    with (at / "series").open("a", encoding="utf-8") as f:
        f.write("b.patch\n")
    assert unmerge(at).theirs_kept
    assert (at / "series").read_text(encoding="utf-8") == "a.patch\nb.patch\n"


def test_an_edit_of_ours_is_not_dropped(plain: Small, tmp_path: Path) -> None:
    at = folder(tmp_path / "patches", {"a.patch": readme(plain)})
    before = snapshot(at)
    merge(Checkout(plain.root), at)
    edited = at / "sm12x" / plain.names[1]
    edited.write_text("mine\n", encoding="utf-8")
    merged = snapshot(at)
    with pytest.raises(Finding, match="edited since") as caught:
        unmerge(at)
    assert caught.value.where == str(edited)
    assert snapshot(at) == merged
    unmerge(at, force=True)
    assert snapshot(at) == before


def test_marks_that_were_moved(plain: Small, tmp_path: Path) -> None:
    at = folder(tmp_path / "patches", {"a.patch": readme(plain)})
    merge(Checkout(plain.root), at)
    series = at / "series"
    lines = series.read_text(encoding="utf-8").splitlines(keepends=True)
    series.write_text("".join([*lines[:2], "b.patch\n", *lines[2:]]), encoding="utf-8")
    with pytest.raises(Finding, match="between our marks"):
        unmerge(at)
    series.write_text("".join(lines[1:]), encoding="utf-8")
    with pytest.raises(Finding, match="cannot be told"):
        unmerge(at)


def test_a_merge_that_was_cut_off(
    plain: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = folder(tmp_path / "patches", {"a.patch": readme(plain)})
    before = snapshot(at)
    from scripts.distro import merge as module

    real, left = module.write, [3]

    def write(path: Path, data: bytes, mode: int = 0o644) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        real(path, data, mode)

    monkeypatch.setattr(module, "write", write)
    with pytest.raises(KeyboardInterrupt):
        merge(Checkout(plain.root), at)
    assert (at / "sm12x").is_dir()
    monkeypatch.undo()
    unmerge(at)
    assert snapshot(at) == before


def test_no_merge_while_patches_are_applied(plain: Small, tmp_path: Path) -> None:
    at = folder(tmp_path / "debian/patches", {"a.patch": readme(plain)})
    (tmp_path / ".pc").mkdir()
    (tmp_path / ".pc/applied-patches").write_text("a.patch\n", encoding="utf-8")
    for verb in (lambda: merge(Checkout(plain.root), at), lambda: unmerge(at)):
        with pytest.raises(Finding, match="applied at this moment"):
            verb()


def test_quilt_reads_the_merged_folder(plain: Small, tmp_path: Path) -> None:
    need("quilt")
    root = tmp_path / TOP
    run("tar", "xf", plain.sdist, cwd=tmp_path)
    _, _, tree = both(plain, tmp_path)
    git(plain.repo, "reset", "-q", "--hard")
    given = {"readme.patch": readme(plain), "tail.patch": tail(plain)}
    at = folder(root / "debian/patches", given)
    merge(Checkout(plain.root), at, "readme.patch")
    assert quilt(root, "push") == tree
    assert quilt(root, "pop") == plain.lock.tree
    unmerge(at)
    assert tree_of(root, ("debian", ".pc")) == plain.lock.tree


def test_a_wrong_lock_is_found(plain: Small) -> None:
    update(plain.lock_path, {"series.patched-tree": "1" * 40})
    with pytest.raises(Finding, match="the tree after the series"):
        gather(Checkout(plain.root))
