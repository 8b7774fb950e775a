# SPDX-License-Identifier: Apache-2.0
"""The runner of findings/, on tiny scripts without a network; the real ones' form."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.evidence import findings
from scripts.evidence.findings import FIELDS, State
from tests.unit.cli.test_cli import verb

SCRIPTS = findings.load()
HEADER = "#!/usr/bin/env bash\n# Finding: it does {name}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three scripts that end in each of the three ways."""
    for name, body in {
        "holds": "echo seen; exit 0",
        "moved": "echo this is new; exit 1",
        "stuck": "echo no such package >&2; exit 2",
    }.items():
        path = tmp_path / f"{name}.sh"
        path.write_text(HEADER.format(name=name) + body + "\n", encoding="utf-8")
    return tmp_path


def test_each_end_has_its_state(folder: Path) -> None:
    results = list(findings.run(findings.load(folder)))
    assert [(r.script.name, r.state) for r in results] == [
        ("holds", State.STATED),
        ("moved", State.OTHER),
        ("stuck", State.NOT_RUN),
    ]
    lines = [re.sub(r" {2,}", "  ", x) for x in findings.table(results).splitlines()]
    assert lines == [
        "  time  name  finding",
        "as stated  0 s  holds  it does holds",
        "not as stated  0 s  moved  it does moved",
        "not run  0 s  stuck  it does stuck",
        "",
        "moved, not as stated:",
        "  this is new",
        "",
        "stuck, not run:",
        "  no such package",
    ]


def test_what_a_script_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This interpreter, and nothing of this checkout on its path."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    path = tmp_path / "asks.sh"
    path.write_text('echo "$PYTHON ${PYTHONPATH-none} $LC_ALL"\n', encoding="utf-8")
    (done,) = findings.run(findings.load(tmp_path))
    assert done.said == f"{sys.executable} none C.UTF-8\n"


def test_one_that_hangs_is_ended_and_clears_its_folder(tmp_path: Path) -> None:
    path, place = tmp_path / "hangs.sh", tmp_path / "its"
    path.write_text(
        f"mkdir {place}; trap 'rm -r {place}' EXIT; sleep 60\n", encoding="utf-8"
    )
    (done,) = findings.run(findings.load(tmp_path), limit=0.3)
    assert done.state is State.NOT_RUN
    assert done.seconds < 30 and "not done after 0 s" in done.said
    assert not place.exists()


def test_off_the_network_it_says_so_and_runs_nothing() -> None:
    done = verb(sys.executable, "findings", SM12X_OFFLINE="1")
    assert done.returncode == 2 and done.stdout == ""
    assert "findings want the network" in done.stderr and "1 of" not in done.stderr
    nowhere = {"UPSTREAM_INDEX_URL": "file:///nonexistent", "SM12X_OFFLINE": ""}
    done = verb(sys.executable, "findings", **nowhere, PIP_NO_INDEX="")
    assert done.returncode == 2 and done.stdout == ""
    assert "error: off the network" in done.stderr


def test_a_name_that_is_none_lists_those_there_are() -> None:
    with pytest.raises(Unusable) as caught:
        findings.chosen(SCRIPTS, "no-such")
    assert caught.value.expected == ", ".join(s.name for s in SCRIPTS)
    one = SCRIPTS[0]
    assert findings.chosen(SCRIPTS, one.name) == [one]
    assert findings.chosen(SCRIPTS, one.path.name) == [one]
    assert findings.chosen(SCRIPTS, None) == SCRIPTS


def test_the_readme_has_each_script_once() -> None:
    text = (findings.FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[([\w-]+)\]\(([\w.-]+)\) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(s.name, s.path.name, s.header["Finding"]) for s in SCRIPTS]
    assert len(rows) >= 12


def test_they_stay_out_of_ci() -> None:
    for path in (ROOT / ".ci/run", *ROOT.glob(".github/workflows/*.yml")):
        assert "make findings" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.name)
def test_a_script_has_its_form(script: findings.Script) -> None:
    assert tuple(script.header) == FIELDS
    assert all(script.header.values())
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", script.header["Date"])
    assert "\n" not in script.header["Finding"]
    text = script.path.read_text(encoding="utf-8")
    # In a substitution too, where bash forgets -e otherwise.
    head, _, code = text.partition("set -euo pipefail && shopt -s inherit_errexit\n")
    assert re.search(r"^# > \S", head, re.MULTILINE), "no output is stated"
    # The output is stated once, a folder of its own is made and goes, and what
    # was seen is held against what is stated at the very end.
    assert code.startswith(
        "stated=$(sed -n 's/^# > //p' \"$0\") dir=$(mktemp -d)\n"
        'trap \'rm -rf "$dir"\' EXIT && cd "$dir"\n'
    )
    assert code.endswith('echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2\n')
    assert "exit 2" in code, "what cannot be installed is no finding"
    for words in re.findall(r"pip (?:install|download)((?:\\\n|[^\n;&>])*)", code):
        loose = [x for x in words.split() if re.fullmatch(r"[a-z][\w-]+", x)]
        assert not loose, "not pinned"
    assert "://" not in text and "/work/" not in text
    assert not re.search(r"\b(?:from|import) (?:scripts|ci|tests)\b", code)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.name)
def test_the_check_of_a_script_can_fail(
    script: findings.Script, tmp_path: Path
) -> None:
    """Its own header and last line, around something else that was seen."""
    text = script.path.read_text(encoding="utf-8")
    stated = re.findall(r"^# > (.*)$", text, re.MULTILINE)
    before, begins, _ = text.partition('cd "$dir"\n')
    last = text.splitlines()[-1]
    for number in range(len(stated) + 1):
        seen = [f"{row}!" if n == number else row for n, row in enumerate(stated)]
        path = tmp_path / "changed.sh"
        what = shlex.quote("\n".join(seen))
        path.write_text(f"{before}{begins}seen={what}\n{last}\n", encoding="utf-8")
        done = subprocess.run(["bash", path], capture_output=True, check=False)
        assert done.returncode == (0 if number == len(stated) else 1), seen


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.name)
def test_no_script_prints_what_it_states_without_a_look(
    script: findings.Script,
) -> None:
    text = script.path.read_text(encoding="utf-8")
    code = text.partition("set -euo pipefail")[2]
    fixed = [
        row for row in re.findall(r"^# > (.*)$", text, re.MULTILINE) if row in code
    ]
    assert fixed == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.name)
def test_tools_of_the_system_are_pinned_and_fetched(script: findings.Script) -> None:
    """Those whose behaviour a distribution changes; by apt-get, into its folder."""
    text = script.path.read_text(encoding="utf-8")
    code = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    fetched = " ".join(re.findall(r"apt-get download -q((?:\\\n|[^\n;&>])*)", code))
    packages = {"dpkg-source": "dpkg-dev"}
    for tool in ("git", "patch", "quilt", "dpkg-source"):
        used = re.search(rf"(?:^|[(;&|\"] ?|then |try ){tool} -{{0,2}}\w", code, re.M)
        if used:
            assert f" {packages.get(tool, tool)}=" in fetched, tool
    assert all("=" in word for word in fetched.replace("\\", "").split())


def test_shellcheck_passes() -> None:
    tool = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [tool, *(s.path for s in SCRIPTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
