# SPDX-License-Identifier: Apache-2.0
"""The corpus by the usual tools, beside ours, all in one run."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.port.corpus import CORPUS
from tests.port.judge import PEERS, Verdict, ours, peer, repository, verdict
from tests.scripts.small import git

pytestmark = pytest.mark.slow


def table(counts: dict[str, Counter[Verdict]], missing: list[str]) -> str:
    """One row a tool."""
    rows = [f"{len(CORPUS)} upstream changes, made by hand; right, refused, wrong:"]
    for name, found in counts.items():
        cells = "  ".join(f"{found[v]:>3} {v.value}" for v in Verdict)
        rows.append(f"  {name:<16} {cells}")
    rows += [f"  {name:<16} not installed, not run" for name in missing]
    return "\n".join(rows)


def test_no_tool_does_better(tmp_path: Path, record_property: object) -> None:
    counts: dict[str, Counter[Verdict]] = {"make port": Counter()}
    missing = []
    for number, case in enumerate(CORPUS):
        home = tmp_path / str(number)
        home.mkdir()
        mail = repository(case, home / "repo")
        counts["make port"][verdict(case, ours(case, mail))] += 1
        for name in PEERS:
            copy = Path(shutil.copytree(home / "repo", home / name, symlinks=True))
            git(copy, "checkout", "-q", "upstream")
            answer = peer(name, case, copy, mail)
            if answer is None:
                missing.append(name)
                continue
            found = counts.setdefault(name, Counter())
            found[verdict(case, answer)] += 1
        shutil.rmtree(home)
    record_property("table", table(counts, sorted(set(missing))))  # type: ignore[operator]
    mine = counts.pop("make port")
    assert mine[Verdict.WRONG] == 0
    assert counts
    for name, found in counts.items():
        assert mine[Verdict.RIGHT] > found[Verdict.RIGHT], name
        # The corpus is no straw man: each tool gets much of it right.
        assert found[Verdict.RIGHT] > len(CORPUS) // 4, name
