# SPDX-License-Identifier: Apache-2.0
"""docs/packagers.md: its sessions are run as they stand, its names are real."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.cli import app
from scripts.distro import conda, merge, nix
from scripts.distro.limits import Kind
from scripts.series.trailers import Key
from scripts.upstream import lock
from tests.unit.distro.tools import makepkg, need, quilt, run, tree_of
from tests.unit.small import Small
from tests.unit.small_files import TOP

PAGE = (ROOT / "docs/packagers.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SESSIONS: dict[str, str] = dict(
    re.findall(r"^<!-- session: (\w+) -->\n```sh\n(.*?)^```", PAGE, re.M | re.S)
)
TOOLS = {
    "debian": ("dpkg-source", "quilt"),
    "rpm": ("rpmbuild",),
    "arch": ("makepkg",),
    "nix": ("nix-instantiate",),
    "merge": (),
    "own": (),
}


def clone(root: Path, lock_path: Path, patches: Path) -> Path:
    """A checkout with these tools, and another lock and series if need be."""
    root.mkdir()
    shutil.copy2(ROOT / "Makefile", root / "Makefile")
    shutil.copytree(ROOT / "requirements", root / "requirements")
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=left_out)
    shutil.copytree(patches, root / "patches")
    shutil.copy2(lock_path, root / "upstream.lock")
    # make looks whether these are there and newer than the requirements.
    (root / ".venv/bin").mkdir(parents=True)
    python = root / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (root / ".venv/.tools").touch()
    return root


def session(name: str, root: Path, **env: str) -> str:
    """Run the session `name` in the checkout `root`; what it printed."""
    need(*TOOLS[name])
    return run("sh", "-euc", SESSIONS[name], cwd=root, **env)


@pytest.fixture
def checkout(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of the hand-made series, without its empty file."""
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    small.drop()
    small.drop()
    small.export()
    return clone(tmp_path / "clone", small.lock_path, small.patches)


def check_debian(root: Path) -> None:
    pin = lock.load(root / "upstream.lock")
    at = root / "build/export/debian/patched"
    assert tree_of(at, ("debian", ".pc")) == pin.patched_tree
    assert quilt(at, "pop") == pin.tree


def check_rpm(root: Path) -> None:
    pin = lock.load(root / "upstream.lock")
    at = root / f"build/export/rpm/BUILD/vllm-{pin.version}"
    assert tree_of(at) == pin.patched_tree


def test_debian(checkout: Path, small: Small) -> None:
    said = session("debian", checkout)
    check_debian(checkout)
    assert f"tree {small.lock.patched_tree} (the lock's)" in said
    control = (checkout / "build/export/debian/debian/control").read_text("utf-8")
    assert "\nMaintainer: Ada Packager <ada@example.org>\n" in control


def test_rpm(checkout: Path) -> None:
    session("rpm", checkout)
    check_rpm(checkout)


def test_arch(checkout: Path, small: Small) -> None:
    session("arch", checkout, **makepkg(checkout))
    at = checkout / "build/export/arch"
    assert tree_of(at / "src" / TOP) == small.lock.patched_tree
    info = (at / ".SRCINFO").read_text(encoding="utf-8")
    assert f"\tsha256sums = {small.lock.sdist.sha256}\n" in info
    assert f"\tsource = {small.names[0]}\n" in info


def test_nix(checkout: Path, small: Small, tmp_path: Path) -> None:
    state = {"NIX_STATE_DIR": str(tmp_path / "nix"), "HOME": str(tmp_path)}
    said = session("nix", checkout, **state)
    src = json.loads(said.splitlines()[-1])
    assert src["hash"] == nix.sri(small.lock.sdist.sha256)
    assert src["urls"][0].endswith(f"/{small.sdist.name}")


def test_merge(checkout: Path, tmp_path: Path, small: Small) -> None:
    yours = tmp_path / "yours"
    yours.mkdir()
    (yours / "series").write_text("# none yet", encoding="utf-8")
    said = session("merge", checkout, YOURS=str(yours))
    assert f"{merge.BEGIN}\nsm12x/{small.names[0]}\n{merge.END}\n# none yet" in said


def test_own(checkout: Path, small: Small) -> None:
    for folder, path in (("fixes", "README.md"), ("branding", "docs/backends.md")):
        (checkout / folder).mkdir()
        first = (small.repo / path).read_text(encoding="utf-8").splitlines()[0]
        (checkout / folder / "series").write_text(f"{folder}.patch\n", "utf-8")
        (checkout / folder / f"{folder}.patch").write_text(
            f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{first}\n+# Ours\n",
            encoding="utf-8",
        )
        if path == "docs/backends.md":  # its hunk needs what follows
            text = (checkout / folder / f"{folder}.patch").read_text("utf-8")
            text = text.replace("@@ -1 +1 @@", "@@ -1,3 +1,3 @@") + " \n - cutlass\n"
            (checkout / folder / f"{folder}.patch").write_text(text, "utf-8")
    said = session("own", checkout)
    assert "build/export/conda: 3 patches, 2 of them yours\n" in said
    recipe = (checkout / "build/export/conda/recipe.yaml").read_text("utf-8")
    rows = re.findall(r"^      - (\S+\.patch)$", recipe, re.M)
    assert rows == ["fixes.patch", small.names[0], "branding.patch"]


@pytest.mark.slow
@pytest.mark.upstream
@pytest.mark.parametrize("name", ["debian", "rpm"])
def test_on_the_real_upstream(name: str, tmp_path: Path) -> None:
    """The tree that the distribution's tool makes is the lock's."""
    root = clone(tmp_path / "clone", lock.PATH, ROOT / "patches")
    session(name, root)
    check = {"debian": check_debian, "rpm": check_rpm}
    check[name](root)
    shutil.rmtree(root)


def test_every_session_is_run() -> None:
    assert set(SESSIONS) == set(TOOLS)


def test_names_on_the_page_are_real() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
    targets = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", PAGE, re.M))
    assert {f"export-{f}" for f in ("debian", "rpm", "nix", "arch", "conda")} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.M), target
    # A port does not write this page.
    assert lock.load().version not in PAGE
    assert f"`schema = {lock.SCHEMA}`" in PAGE
    for key in Key:
        assert f"`{key.value}`" in PAGE


def test_every_limit_has_its_row() -> None:
    table = PAGE.partition("| change | lost by |\n")[2].partition("\n\n")[0]
    assert len(table.splitlines()) - 1 == len(Kind)
    for tool, cannot in (("rattler-build", conda.CANNOT), ("dpkg-source", ())):
        assert table.count(tool) == (len(cannot) or 1)


def test_variables_on_the_page_are_read_somewhere() -> None:
    row = next(x for x in PAGE.splitlines() if x.startswith("| environment |"))
    code = "".join(
        p.read_text(encoding="utf-8")
        for folder in ("scripts", "patches")
        for p in (ROOT / folder).rglob("*")
        if p.suffix in (".py", ".patch")
    )
    names = re.findall(r"`([A-Z][A-Z0-9_]+)`", row)
    assert len(names) > 5
    for name in names:
        assert name in code, name


def test_verbs_are_targets() -> None:
    verbs = {c.name for c in app.registered_commands}
    phony = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.M)
    assert verbs <= {target for line in phony for target in line.split()}
