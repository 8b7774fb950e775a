# SPDX-License-Identifier: Apache-2.0
"""`next:` names the smallest safe step."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from ci.remote import Remote
from scripts.base import files
from scripts.base.errors import Finding, Unusable
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.series import folder
from scripts.series.apply import Wanted, apply
from scripts.series.mailbox import parse
from tests.unit.small import Small, git
from tests.unit.small_clone import clone


def test_one_missing_patch_is_brought_back_alone(small: Small) -> None:
    (small.patches / small.names[1]).unlink()
    with pytest.raises(Finding) as e:
        folder.load(small.patches)
    assert e.value.next == f"git checkout -- {small.patches / small.names[1]}"


def test_no_step_takes_back_the_whole_folder() -> None:
    root = Path(folder.__file__).parents[2]
    texts = [p.read_text(encoding="utf-8") for p in root.glob("scripts/**/*.py")]
    assert len(texts) > 100
    assert not [t for t in texts if 'git checkout -- patches"' in t]
    assert not [t for t in texts if "git checkout -- patches " in t]


def test_each_error_of_call_or_machine_has_a_next_step() -> None:
    root = Path(folder.__file__).parents[2]
    made = [
        (path, node)
        for top in ("scripts", "ci")
        for path in (root / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Unusable"
    ]
    assert len(made) > 80
    assert [
        f"{path.relative_to(root)}:{node.lineno}"
        for path, node in made
        if len(node.args) < 5 and "next" not in [k.arg for k in node.keywords]
    ] == []


def test_a_full_disk_says_what_may_go(tmp_path: Path) -> None:
    with pytest.raises(Unusable) as e, files.whole(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert "dist/" in str(e.value.next)
    assert "SM12X_CACHE" in str(e.value.next)
    assert "build/vllm" not in str(e.value.next)


def test_a_submodule_is_called_one(small: Small) -> None:
    data = (small.patches / small.names[0]).read_bytes()
    head, _, _ = data.partition(b"diff --git")
    ours = head + (
        b"diff --git a/sub b/sub\nnew file mode 160000\n"
        b"index " + b"0" * 40 + b".." + b"1" * 40 + b"\n--- /dev/null\n+++ b/sub\n"
        b"@@ -0,0 +1 @@\n+Subproject commit " + b"1" * 40 + b"\n"
    )
    with pytest.raises(Finding, match="a submodule cannot be in the series"):
        parse("0001-x.patch", ours)


def test_what_force_kept_comes_back_by_the_command_that_is_said(
    small: Small, tmp_path: Path
) -> None:
    at = clone(small, tmp_path / "a clone")
    assert at.verb("apply").returncode == 0
    mine = at.root / "build/vllm/README.md"
    mine.write_text("mine\n", encoding="utf-8")
    said = at.verb("apply", "--force").stdout
    assert mine.read_text(encoding="utf-8") != "mine\n"
    (row,) = [x for x in said.splitlines() if x.startswith("to have it back: ")]
    command = row.removeprefix("to have it back: ").split()
    subprocess.run(command, cwd=at.root, check=True, capture_output=True)
    assert mine.read_text(encoding="utf-8") == "mine\n"


def test_the_bot_says_how_to_log_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(self: Git, *args: str) -> str:
        raise Finding("git failed", found="fatal: could not read Username for 'x'")

    monkeypatch.setattr(Git, "text", unknown)
    with pytest.raises(Unusable, match="does not know who asks") as e:
        Remote("https://example.org/x", tmp_path / "copy").look("main")
    assert str(e.value.next).startswith("gh auth login")


def test_a_tree_that_was_edited_names_a_look_first(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    git(small.root, "init", "-q")
    path = small.patches / small.names[0]
    path.write_bytes(path.read_bytes().replace(b' "cutlass"', b' "cutlas"', 1))
    with pytest.raises(Finding) as e:
        apply(Wanted(Checkout(small.root)))
    assert str(e.value.next).startswith(f"git diff -- patches/{small.names[0]} ")
    assert (e.value.expected or "").strip() == '"cutlas",'
    assert (e.value.found or "").strip() == '"cutlass",'
