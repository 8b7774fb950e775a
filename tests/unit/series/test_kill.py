# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every step that changes the disk, then a normal run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.checkout import Checkout
from scripts.series.apply import Wanted, apply
from scripts.series.export import export
from tests.unit.small import Small, git, message

# Dies before the n-th call that changes something: a git command, a rename, an
# unlink. What git leaves when it is killed itself is made by hand further down.
VICTIM = """
import os, signal, sys
from pathlib import Path
from scripts.checkout import Checkout
from scripts.base.git import Git
from scripts.series.apply import Wanted, apply
from scripts.series.export import export

left = int(sys.argv[2])

def deadly(real):
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return call

Git.run = deadly(Git.run)
Path.rename = deadly(Path.rename)
Path.replace = deadly(Path.replace)
Path.unlink = deadly(Path.unlink)
at = Checkout(Path(sys.argv[3]))
apply(Wanted(at)) if sys.argv[1] == "apply" else export(at)
"""


def run(verb: str, steps: int, root: Path) -> int:
    return subprocess.run(
        [sys.executable, "-c", VICTIM, verb, str(steps), str(root)],
        cwd=ROOT,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ).returncode


@pytest.fixture
def at(small: Small, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    return Checkout(small.root)


def stands(at: Checkout, tree: str) -> None:
    bench = at.build / "vllm"
    assert git(bench, "rev-parse", "HEAD^{tree}") == tree
    assert git(bench, "status", "--porcelain") == ""
    assert not apply(Wanted(at)).changed


@pytest.mark.slow
def test_first_apply(at: Checkout, small: Small) -> None:
    for steps in range(1, 60):
        code = run("apply", steps, small.root)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert steps > 3, "nothing was killed"
    stands(at, small.lock.patched_tree)


@pytest.mark.slow
def test_apply_after_a_change(at: Checkout, small: Small) -> None:
    for steps in range(1, 60):
        apply(Wanted(at, until="0001"))
        code = run("apply", steps, small.root)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        apply(Wanted(at))
        stands(at, small.lock.patched_tree)
    assert code == 0
    assert steps > 5, "nothing was killed"


@pytest.mark.slow
def test_export(at: Checkout, small: Small) -> None:
    apply(Wanted(at))
    bench = at.build / "vllm"
    killed = 0
    for steps in range(1, 80):
        # One patch goes and one comes each time, so that files are swapped.
        git(bench, "reset", "-q", "--hard", "HEAD^")
        (bench / "README.md").write_text(f"round {steps}\n", encoding="utf-8")
        text = message(f"docs: round {steps}").encode()
        git(bench, "commit", "-q", "-a", "-F-", stdin=text)
        tree = git(bench, "rev-parse", "HEAD^{tree}")
        code = run("export", steps, small.root)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        done = export(at)
        assert done.tree == tree == small.lock.patched_tree
        assert small.names == [p.name for p in done.patches]
        assert sorted(p.name for p in at.patches.glob("*.patch")) == small.names
        stands(at, tree)
    assert code == 0
    assert killed > 10


def cut_off_in_the_move(at: Checkout, root: Path) -> str:
    """Kill an apply between two prefixes; the commit that it was going to."""
    apply(Wanted(at, until="0001"))
    for steps in range(1, 60):
        assert run("apply", steps, root) == -signal.SIGKILL
        text = (at.build / "vllm/.git/sm12x.json").read_text(encoding="utf-8")
        state = json.loads(text)
        if state["moving_from"] is not None:
            return str(state["tip"])
    raise AssertionError("the move was never reached")


def test_edits_after_a_kill_are_kept(
    at: Checkout, small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    """The move was cut off, and a person edited a file before the next run."""
    bench = at.build / "vllm"
    cut_off_in_the_move(at, small.root)
    (bench / "setup.py").write_text("mine\n", encoding="utf-8")
    with pytest.raises(Exception, match="files were edited since") as caught:
        apply(Wanted(at))
    assert "setup.py" in str(caught.value)
    assert (bench / "setup.py").read_text(encoding="utf-8") == "mine\n"
    apply(Wanted(at, force=True))
    stands(at, small.lock.patched_tree)
    (ref,) = git(
        bench, "for-each-ref", "--format=%(refname)", "refs/sm12x/backup"
    ).splitlines()
    assert git(bench, "show", f"{ref}:setup.py") == "mine"
    back = f"to have it back: git -C {os.path.relpath(bench)} checkout --detach {ref}"
    assert back in capsys.readouterr().err


def test_git_was_killed_in_the_middle(at: Checkout, small: Small) -> None:
    """A file cut short, a file not there yet, and the lock of git's index."""
    bench = at.build / "vllm"
    target = cut_off_in_the_move(at, small.root)
    path = "vllm/utils/flashinfer.py"
    whole = git(bench, "show", f"{target}:{path}").encode()
    (bench / path).write_bytes(whole[: len(whole) // 2])
    (bench / "vllm/config/kernel.py").unlink()
    (bench / ".git/index.lock").touch()
    apply(Wanted(at))
    stands(at, small.lock.patched_tree)
    assert git(bench, "for-each-ref", "refs/sm12x/backup") == ""
