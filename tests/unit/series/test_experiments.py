# SPDX-License-Identifier: Apache-2.0
"""Clean application is not proof, and the reverse check lies.

The two experiments of the field: the usual tools edit the twin of the function
that a patch means, and say that all is well. Ours has to stop.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.base.object_ids import Entry
from scripts.series.mailbox import parse
from scripts.series.replay import replay
from tests.unit.series.twins import gate
from tests.unit.small import FORMAT, git, message

REWRITTEN = """\
def sm120_gate(capability):
    return capability in SUPPORTED


"""
PADDING = "".join(f"CONSTANT_{i} = {i}\n" for i in range(12)) + "\n\n"
BASE = PADDING + gate(120) + PADDING + gate(90)
FIXED = BASE.replace("minor == 0", "minor in (0, 1)", 1)
NEW_UPSTREAM = PADDING + REWRITTEN + PADDING + gate(90)
TWIN_EDITED = NEW_UPSTREAM.replace("minor == 0", "minor in (0, 1)")


def repository(path: Path, content: str) -> Path:
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "gate.py").write_text(content, encoding="utf-8")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "base")
    return path


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    """The patch that widens `sm120_gate`, made where it was right."""
    repo = repository(tmp_path / "author", BASE)
    (repo / "gate.py").write_text(FIXED, encoding="utf-8")
    git(repo, "commit", "-q", "-a", "-F-", stdin=message("gate: SM121 too").encode())
    name = git(repo, "format-patch", *FORMAT, "-o", str(tmp_path), "-1")
    return Path(name)


def run(repo: Path, *args: str) -> int:
    env = {"GIT_CONFIG_GLOBAL": "/dev/null", "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    env |= {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org"}
    return subprocess.run(args, cwd=repo, env=env, capture_output=True).returncode


@pytest.mark.parametrize(
    "tool",
    [
        ["git", "apply", "{patch}"],
        ["git", "am", "-3", "{patch}"],
        ["patch", "-p1", "-F0", "--batch", "-i", "{patch}"],
    ],
    ids=lambda tool: " ".join(tool[:-1]),
)
def test_usual_tools_edit_the_twin(
    tool: list[str], patch: Path, tmp_path: Path
) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    repo = repository(tmp_path / "new", NEW_UPSTREAM)
    assert run(repo, *(part.format(patch=patch) for part in tool)) == 0
    assert (repo / "gate.py").read_text(encoding="utf-8") == TWIN_EDITED


def test_ours_stops_before_the_twin(patch: Path) -> None:
    series = [parse(patch.name, patch.read_bytes())]
    tree = {"gate.py": Entry(0o100644, NEW_UPSTREAM.encode())}
    with pytest.raises(Finding) as caught:
        replay(series, tree.get)
    assert "another blob than the patch was made on" in caught.value.what
    assert (caught.value.where or "").endswith("(gate.py)")
    assert caught.value.expected != caught.value.found


def test_reverse_check_says_already_applied(patch: Path, tmp_path: Path) -> None:
    repo = repository(tmp_path / "new", TWIN_EDITED)
    assert run(repo, "git", "apply", "--reverse", "--check", str(patch)) == 0
    # Upstream fixed only the twin; our function is not fixed, so we say no.
    tree = {"gate.py": Entry(0o100644, TWIN_EDITED.encode())}
    with pytest.raises(Finding, match="another blob"):
        replay([parse(patch.name, patch.read_bytes())], tree.get)


def test_ours_applies_where_it_was_made(patch: Path) -> None:
    tree = {"gate.py": Entry(0o100644, BASE.encode())}
    (step,) = replay([parse(patch.name, patch.read_bytes())], tree.get)
    assert step.changes == {"gate.py": Entry(0o100644, FIXED.encode())}
