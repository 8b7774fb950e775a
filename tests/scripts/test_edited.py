# SPDX-License-Identifier: Apache-2.0
"""A series that was edited by hand never goes out under the release's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import lock as lock_file
from scripts.checkout import Checkout
from scripts.downstream.formats import Format, Wanted, export
from scripts.errors import Finding
from tests.scripts.clone_help import clone
from tests.scripts.inplace_help import python_of, site_of, snapshot
from tests.scripts.overlay_help import make
from tests.scripts.small import Small, message
from tests.scripts.small_wheel import BUILT


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
    wanted = Wanted(Format.RPM, before=theirs, out=tmp_path / "out")
    with pytest.raises(Finding, match="tree after the series is not the one"):
        export(Checkout(edited.root), wanted)
    assert not (tmp_path / "out").exists()
