# SPDX-License-Identifier: Apache-2.0
"""CONTRIBUTING.md's sessions, run as they stand on the hand-made project."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.series import folder
from scripts.upstream import lock
from tests.unit.documents.sessions import clone, program, sessions, typed
from tests.unit.port.test_run import REWRITTEN, add_probe_of_our_own
from tests.unit.small import Small, git
from tests.unit.small_files import pack, upstream
from tests.unit.small_wheel import BUILT, add_wheel

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SESSIONS = sessions(GUIDE)
LINE = '    return importlib.util.find_spec("flashinfer_sm12x") is not None\n'
APPLIED = """\
from pathlib import Path

def test_the_series_is_applied():
    text = Path("build/vllm/vllm/config/kernel.py").read_text()
    assert '"sm12x"' in text and "strict: bool" in text
"""


@pytest.fixture
def root(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as a maintainer has cloned it."""
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    add_wheel(small)
    return clone(small, tmp_path / "a clone")


def editor(root: Path, body: str) -> str:
    """A program that does to the file `$1` what a person would."""
    return f'"{program(root / ".venv/editor", body)}"'


def subjects(root: Path) -> list[str]:
    return [patch.subject for patch in folder.load(root / "patches")]


def test_there_is_one_for_each_task() -> None:
    assert list(SESSIONS) == ["edit", "split", "drop", "port", "release"]


def test_edit(root: Path) -> None:
    before = subjects(root)
    assert "# change the docstring" in SESSIONS["edit"]
    change = editor(root, 'sed -i "s/Which kernels run/Which kernels may run/" "$1"')
    typed(SESSIONS["edit"].replace("$EDITOR", change), root)
    assert subjects(root) == before
    first = (root / "patches" / folder.names(root / "patches")[0]).read_text("utf-8")
    assert '+    """Which kernels may run."""\n' in first
    assert git(root, "status", "--porcelain").count("patches/000") == 2


def test_split(root: Path) -> None:
    assert "# mark patch 2 edit" in SESSIONS["split"]
    assert "# give it a subject and a Test of its own" in SESSIONS["split"]
    # The first message that is asked for gets them; the second stays.
    asked = root / ".venv/asked"
    words = editor(
        root,
        f'[ -e "{asked}" ] && exit; touch "{asked}"\n'
        'sed -i "1s/.*/tests: a package for utils/; '
        's,^Test: .*,Test: tests/config/test_kernel.py::test_names," "$1"',
    )
    typed(
        SESSIONS["split"],
        root,
        GIT_SEQUENCE_EDITOR="sed -i '2s/^pick/edit/'",
        GIT_EDITOR=words,
    )
    assert subjects(root) == [
        "config: add the sm12x backend name",
        "tests: a package for utils",
        "utils: probe for the sm12x kernels",
        "config: refuse sm12x where its kernels are missing",
    ]
    paths = [[c.path for c in p.files] for p in folder.load(root / "patches")]
    assert paths[1] == ["tests/utils/__init__.py"]
    assert "tests/utils/test_probe.py" in paths[2]


def test_drop(root: Path) -> None:
    before = subjects(root)
    assert "# delete patch 3" in SESSIONS["drop"]
    typed(SESSIONS["drop"], root, GIT_SEQUENCE_EDITOR="sed -i '3d'")
    assert subjects(root) == before[:2]
    assert len(list((root / "patches").glob("*.patch"))) == 2
    assert lock.load(root / "upstream.lock").patched_tree


def settled(root: Path) -> str:
    """An editor that puts one line in place of what is between the markers."""
    body = f"""exec "{sys.executable}" - "$1" <<'END'
import re, sys
from pathlib import Path
path = Path(sys.argv[1])
text, n = re.subn(r"<{{7}}.*>{{7}}[^\\n]*\\n", {LINE!r}, path.read_text(), flags=re.S)
assert n == 1
path.write_text(text)
END"""
    return editor(root, body)


@pytest.mark.slow
def test_port(small: Small, tmp_path: Path, root: Path) -> None:
    """The proof is real too: apply, check, and the project's own tests there."""
    add_probe_of_our_own(small)
    root = clone(small, tmp_path / "with four")
    test = root / "tests/on_cpu/test_applied.py"
    test.parent.mkdir(parents=True)
    test.write_text(APPLIED, encoding="utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "a test")
    offer(small, "1.3.0", REWRITTEN)
    said = typed(SESSIONS["port"].replace("$EDITOR", settled(root)), root)
    assert "What the patch is for" in said
    assert "1 passed" in said
    pin = lock.load(root / "upstream.lock")
    assert (pin.version, pin.release_version) == ("1.3.0", "1.3.0+sm12x.1")
    assert pin.number == f"0.dev{pin.patched_tree[:10]}"
    last = folder.load(root / "patches")[-1]
    assert last.subject == "utils: look for the fork's FlashInfer"
    (change,) = last.files
    added = [x for hunk in change.hunks for x in hunk.lines if x.startswith(b"+")]
    assert added == [b"+" + LINE.encode()]
    (record,) = (root / "patches/resolutions").iterdir()
    assert "ours still has to" in record.read_text(encoding="utf-8")
    assert git(root, "status", "--porcelain") == ""


def offer(small: Small, version: str, edits: Mapping[str, tuple[str, str]]) -> None:
    """Another release of the hand-made upstream, whole enough to be pinned."""
    files = upstream()
    for path, (old, new) in edits.items():
        files[path] = files[path].replace(old.encode(), new.encode())
    said = files["vllm/_version.py"].replace(b"'1.2.3'", f"'{version}'".encode())
    files["vllm/_version.py"] = said
    files["requirements/cuda.txt"] = (
        b"torch==2.14.0\nflashinfer-python==0.7.2.post1\nnvidia-cutlass-dsl==4.8.0\n"
    )
    made = small.root / "made.tar.gz"
    pack(files, made)
    made.rename(small.upstream_dir / f"vllm-{version}.tar.gz")
    for arch in ("x86_64", "aarch64"):
        name = f"vllm-{version}-cp38-abi3-manylinux_2_28_{arch}.whl"
        (small.upstream_dir / name).write_bytes(arch.encode())


@pytest.mark.slow
def test_release(root: Path) -> None:
    Small(root).unrelease()
    git(root, "commit", "-q", "-a", "--amend", "--no-edit")
    asked = root / ".venv/asked"
    read = editor(root, f'cp "$1" "{asked}"')
    said = typed(SESSIONS["release"].replace("$EDITOR", read), root)
    assert "## 1.2.3+sm12x.1 - 20" in asked.read_text(encoding="utf-8")
    assert (root / "dist" / BUILT).is_file()
    assert git(root, "tag") == "v1.2.3+sm12x.1"
    assert "same bytes: vllm-1.2.3+sm12x.1.tar.gz, sha256 " in said
    assert "1.2.3+sm12x.2; commit it" in typed("make release NEXT=1", root)
    assert lock.load(root / "upstream.lock").release == 2
