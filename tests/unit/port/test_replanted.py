# SPDX-License-Identifier: Apache-2.0
"""Upstream's own edits in the way of ours: right or refused, and never wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from scripts.port.released import sdist
from scripts.port.report.states import State
from scripts.port.target import Target, tree
from scripts.upstream import lock as lockfile
from tests.unit.port.judge import Verdict, by_port, peer, repository, verdict
from tests.unit.port.replanted import REPLANTED, TWINS, Replant
from tests.unit.small import git

pytestmark = [pytest.mark.upstream, pytest.mark.slow]

Texts = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def texts() -> Texts:
    """The files of the entries, by release and path, from the archives."""
    lock = lockfile.load()
    paths = {entry.path for entry in REPLANTED}
    found: Texts = {}
    for name in {e.older for e in REPLANTED} | {e.newer for e in REPLANTED}:
        version = Version(name)
        target = Target(name, version, sdist(lock, version))
        files = tree(target, paths.__contains__).files
        found[name] = {path: e.data.decode("utf-8") for path, e in files.items()}
    return found


def test_there_are_enough_of_both_kinds() -> None:
    assert len({entry.name for entry in REPLANTED}) == len(REPLANTED) >= 10
    assert sum(entry.right is None for entry in REPLANTED) >= 5
    assert len({entry.path for entry in REPLANTED}) >= 8


@pytest.mark.parametrize("entry", REPLANTED, ids=lambda entry: entry.name)
def test_right_or_refused(entry: Replant, texts: Texts, tmp_path: Path) -> None:
    case = entry.case(texts)
    answer = by_port(case, repository(case, tmp_path / "repo"))
    found = verdict(case, answer)
    assert found is not Verdict.WRONG, (answer.state, answer.why)
    wanted = Verdict.REFUSED if entry.refused else Verdict.RIGHT
    assert found is wanted, (answer.state, answer.why)
    if entry.dropped:
        assert answer.state is State.PROBABLY_ABSORBED


@pytest.mark.parametrize("tool", ["git am -3", "quilt push"])
def test_usual_tools_edit_a_real_twin(tool: str, texts: Texts, tmp_path: Path) -> None:
    """A class like ours comes above it, and they change that one without a word."""
    (entry,) = [e for e in REPLANTED if e.upstream == TWINS]
    case = entry.case(texts)
    repo = tmp_path / "repo"
    mail = repository(case, repo)
    git(repo, "checkout", "-q", "upstream")
    answer = peer(tool, case, repo, mail)
    if answer is None:
        pytest.skip(f"{tool.split()[0]} is not installed")
    assert verdict(case, answer) is Verdict.WRONG
