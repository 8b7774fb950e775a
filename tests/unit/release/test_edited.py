# SPDX-License-Identifier: Apache-2.0
"""A series that was edited by hand never goes out under the release's name."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.distro import limits
from scripts.distro.formats import Format, export
from scripts.distro.formats import Wanted as Asked
from scripts.series import folder
from scripts.series.apply import Wanted, apply
from scripts.series.export import export as export_commits
from scripts.upstream import lock as lock_file
from scripts.wheel import patched_sdist
from scripts.wheel.verify import verify
from tests.unit.small import Small, git, message
from tests.unit.small_clone import clone
from tests.unit.small_installed import python_of, site_of, snapshot
from tests.unit.small_wheel import BUILT, NAME
from tests.unit.wheel.small_overlay import make


@pytest.fixture
def edited(small: Small) -> Small:
    """A fourth patch that holds in every way, and that the lock knows nothing of."""
    known = small.lock.patched_tree
    text = (small.repo / "vllm/config/kernel.py").read_text(encoding="utf-8")
    small.commit(message("config: more"), {"vllm/config/kernel.py": text + "\nX = 1\n"})
    small.export()
    lock_file.update(small.lock_path, {"series.patched-tree": known})
    return small


def test_wheel_is_refused(edited: Small, base: Path, tmp_path: Path) -> None:
    with pytest.raises(Finding, match="tree after the series is not the one") as e:
        make(edited, tmp_path / "out")
    assert e.value.expected == edited.lock.patched_tree
    assert "make export" in str(e.value.next)
    assert not list((tmp_path / "out").glob("*.whl"))
    # As it stands in the lock, it is built under the release's name.
    edited.drop()
    edited.export()
    assert make(edited, tmp_path / "out").name == BUILT


@pytest.fixture
def exported(small: Small, base: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """Release 1, and a commit more that `make export` wrote: check is content."""
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    at = Checkout(small.root)
    apply(Wanted(at))
    path = at.build / "vllm/vllm/config/kernel.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nX = 1\n", encoding="utf-8")
    text = message("config: more").encode("utf-8")
    git(path.parent, "commit", "-q", "-a", "-F-", stdin=text)
    export_commits(at)
    return small


def test_what_export_wrote_has_a_version_of_its_own(
    exported: Small, tmp_path: Path
) -> None:
    lock = exported.lock
    assert lock.released_tree != lock.patched_tree
    own = f"1.2.3+sm12x.1.dev{lock.patched_tree[:10]}"
    wheel = make(exported, tmp_path / "out")
    assert wheel.name == BUILT.replace("1.2.3+sm12x.1", own)
    with zipfile.ZipFile(wheel) as z:
        said = z.read(f"vllm-{own}.dist-info/METADATA").decode().splitlines()
        assert own in z.read("vllm/_version.py").decode()
    assert f"Version: {own}" in said
    assert patched_sdist.name(lock) == f"vllm-{own}.tar.gz"
    base = exported.upstream_dir / NAME
    patches = folder.load(exported.patches)
    assert verify(wheel, lock, patches, base, exported.sdist).ok


def test_the_release_comes_back_with_its_tree(exported: Small, tmp_path: Path) -> None:
    bench = exported.root / "build/vllm"
    git(bench, "reset", "-q", "--hard", "HEAD^")
    export_commits(Checkout(exported.root))
    assert make(exported, tmp_path / "out").name == BUILT


@pytest.mark.parametrize(
    ("form", "file", "named", "not_named"),
    [
        (Format.DEBIAN, "debian/changelog", "1.2.3-0sm12x{dev}", "0sm12x1)"),
        (Format.RPM, "vllm.spec", "0.sm12x{dev}%", "0.sm12x1%"),
        (Format.NIX, "sm12x.nix", "+sm12x.{dev}", "+sm12x.1;"),
        (Format.ARCH, "PKGBUILD", "pkgrel=1.1\n", "pkgrel=1\n"),
        (Format.CONDA, "recipe.yaml", 'string: "dev', "number: 2"),
    ],
    ids=str,
)
def test_exports_are_not_named_as_the_release(
    exported: Small,
    form: Format,
    file: str,
    named: str,
    not_named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An empty file of the small series, which some tools lose, is not the matter.
    monkeypatch.setattr(limits, "require", lambda *_: None)
    export(Checkout(exported.root), Asked(form, out=tmp_path))
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert named.format(dev=f"1.dev{exported.lock.patched_tree[:10]}") in text
    assert not_named not in text


def test_order_of_versions(small: Small) -> None:
    """Before the first release, it, what follows it, and the next."""
    tree, lock = "5" * 40, small.lock
    following = replace(lock, release=2)
    versions = [
        replace(lock, released_tree=None),
        lock,
        replace(lock, patched_tree=tree),
        replace(following, released_tree=lock.patched_tree),
    ]
    found = [Version(each.local_version) for each in versions]
    assert found == sorted(set(found))
    # Between NEXT=1 and the release nothing is named after either.
    waiting = replace(following, released_tree=None)
    assert found[1] < Version(waiting.local_version) < found[3]
    for each in (*versions, waiting):
        assert str(Version(each.local_version)) == each.local_version


def test_installed_vllm_is_left_alone(
    edited: Small, venv: Path, tmp_path: Path
) -> None:
    before = snapshot(site_of(venv))
    at = clone(edited, tmp_path / "clone")
    done = at.verb("patch-installed", "--python", python_of(venv))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the tree after the series is not the one in the lock" in done.stderr
    assert snapshot(site_of(venv)) == before


def test_export_is_refused_behind_other_patches_too(
    edited: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(edited.upstream_dir))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    one = theirs / "a.patch"
    one.write_text(
        "--- /dev/null\n+++ b/packaged\n@@ -0,0 +1 @@\n+yes\n", encoding="utf-8"
    )
    (theirs / "series").write_text("a.patch\n", encoding="utf-8")
    wanted = Asked(Format.RPM, before=theirs, out=tmp_path / "out")
    with pytest.raises(Finding, match="tree after the series is not the one"):
        export(Checkout(edited.root), wanted)
    assert not (tmp_path / "out").exists()
