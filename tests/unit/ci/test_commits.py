# SPDX-License-Identifier: Apache-2.0
"""Which commit a changed file goes into."""

from __future__ import annotations

from ci.commits import commit, groups
from scripts.base.git import Git
from scripts.port.report.states import FileResult, PatchResult, State
from scripts.port.report.summary import Summary
from scripts.series import folder
from tests.unit.small import Small, git

LINE = ("--format=", "--name-only", "--no-renames")


def test_absorbed_moved_resolved(small: Small) -> None:
    """Patch 1 has left the series, 2 moved, 3 was decided by a person."""
    root = small.root
    (root / ".gitignore").write_text("/build\n/upstream\n/author\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "before")
    old = folder.load(small.patches)
    states = (State.ABSORBED, State.MOVED, State.RESOLVED)
    results = tuple(
        PatchResult(p.name, p.subject, (FileResult("vllm/a.py", s, "a reason"),))
        for p, s in zip(old, states, strict=True)
    )
    git(small.repo, "rebase", "-q", "--onto", "base", "HEAD~2")
    small.export()
    (small.patches / "resolutions").mkdir()
    (small.patches / "resolutions/a.resolution").write_text("x")
    new = folder.load(small.patches)
    summary = Summary("vllm-1.2.3", "vllm-1.3.0", results)

    apart = groups(summary, old, new, "1.3.0")
    made = commit(Git(root), apart, "port: the pin\n\nWords.\n")

    assert made == [
        "port: the pin",
        "port: 0001 left the series, absorbed",
        "port: 0003 resolved from record",
        "port: decisions for vLLM 1.3.0",
    ]
    files = [
        set(git(root, "show", *LINE, c).splitlines())
        for c in ("HEAD~3", "HEAD~2", "HEAD~1", "HEAD")
    ]
    was, now = ([f"patches/{p.name}" for p in series] for series in (old, new))
    # The moved one has another number, so it is another file.
    assert files[0] == {"patches/series", "upstream.lock", was[1], now[0]}
    assert files[1:] == [
        {was[0]},
        {was[2], now[1]},
        {"patches/resolutions/a.resolution"},
    ]
    assert git(root, "status", "--porcelain") == ""
    why = git(root, "log", "-1", "--format=%b", "HEAD~2")
    assert why.splitlines()[-1] == "vllm/a.py: absorbed; a reason"
