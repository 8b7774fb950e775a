# SPDX-License-Identifier: Apache-2.0
"""`make apply` beside another run, without room or rights, in any locale."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.base.files import one_run
from scripts.checkout import Checkout
from scripts.series.apply import Wanted, apply
from tests.unit.series.applying import bench
from tests.unit.small import Small


@pytest.fixture
def at(small: Small, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    return Checkout(small.root)


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
        said = caught.value.found or caught.value.what
        # git's checkout has words of its own for it.
        assert "No space left" in said or "Out of diskspace" in said
        assert not bench(at).exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(at.build)], check=True)
        assert apply(Wanted(at)).tree == small.lock.patched_tree
    finally:
        subprocess.run(["umount", str(at.build)], check=True)


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
