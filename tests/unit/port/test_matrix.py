# SPDX-License-Identifier: Apache-2.0
"""The judge of the carry matrix sees what it should; and the real series."""

from __future__ import annotations

import pytest
from packaging.version import Version

from scripts.checkout import Checkout
from scripts.port.names.undefined import undefined
from scripts.port.report.states import State
from scripts.port.report.summary import Outcome
from scripts.port.run import Wanted, port
from tests.bench.carried import Cell
from tests.bench.carry import as_data, table
from tests.bench.landed import wrong
from tests.unit.series.test_experiments import BASE, FIXED, NEW_UPSTREAM, TWIN_EDITED

PATH = "gate.py"


def judged(before: str, after: str) -> list[str]:
    return wrong(PATH, *(x.encode() for x in (BASE, FIXED, before, after)))


def test_judge_sees_the_twin() -> None:
    found = judged(NEW_UPSTREAM, TWIN_EDITED)
    assert any("sm90_gate" in what for what in found)
    assert judged(BASE, FIXED) == []


def test_judge_sees_a_lost_line_and_broken_syntax() -> None:
    more = BASE.replace("CONSTANT_3 = 3\n", "CONSTANT_3 = 3\nNEW = 1\n", 1)
    right = FIXED.replace("CONSTANT_3 = 3\n", "CONSTANT_3 = 3\nNEW = 1\n", 1)
    assert judged(more, right) == []
    assert judged(more, FIXED)
    assert judged(BASE, FIXED + "def (") == ["the result does not parse"]


def test_judge_sees_a_patch_that_left_nothing() -> None:
    assert any("nothing of the patch" in what for what in judged(BASE, BASE))


def test_table_says_what_is_not_installed_and_what_is_wrong() -> None:
    cells = [
        Cell("0.32.0", "make port", 3, (), 12.0, 4.0),
        Cell("0.32.0", "quilt push", 0, (), 0.0, 0.0, ran=False),
        Cell("0.32.0", "git am", 4, ("0001 gate.py: sm90_gate",), 1.0, 1.0),
    ]
    text = table(cells, 4)
    assert "not installed" in text
    assert "0.32.0 git am wrong: 0001 gate.py: sm90_gate" in text
    assert "aim not met" in text
    data = as_data(cells, 4, 0.5)
    assert [c["wrong"] for c in data["cells"]] == [c.wrong for c in cells]
    assert data["patches"] == 4 and data["aim_seconds"] == 5.0


@pytest.mark.upstream
@pytest.mark.slow
def test_real_series() -> None:
    """At the pin the identity; on the release before, every patch accounted for."""
    at = Checkout()
    from scripts.upstream import lock as lockfile

    pinned = lockfile.load(at.lock).version
    same = port(at, Wanted(pinned, dry_run=True))
    assert same.outcome is Outcome.IDENTITY
    assert all(f.result == f.patched for p in same.patches for f in p.files)
    before = Version("0.32.0")
    done = port(at, Wanted(str(before), dry_run=True))
    assert len(done.patches) == len(same.patches)
    for patch in done.patches:
        for part in patch.files:
            assert part.state.carried or part.why, (patch.name, part.path)
            if part.state is State.RESOLVED:
                # A person's, with the reason; what upstream loses there is read.
                assert part.why, (patch.name, part.path)
                continue
            if part.state.carried and part.result and part.upstream and part.base:
                sides = (part.base, part.patched, part.upstream, part.result)
                data = [e.data if e else None for e in sides]
                assert wrong(part.path, *data) == [], part.path
    assert State.SYNTAX in done.counts or done.carried == len(done.patches)


@pytest.mark.upstream
@pytest.mark.slow
@pytest.mark.parametrize("release", ["0.28.0", "0.29.0", "0.30.0", "0.31.0", "0.32.0"])
def test_what_is_carried_leaves_no_undefined_name(release: str) -> None:
    done = port(Checkout(), Wanted(release, dry_run=True, history=False))
    found: dict[str, list[str]] = {}
    for patch in done.patches:
        files = {
            part.target: (
                part.upstream.data if part.upstream else b"",
                part.result.data,
            )
            for part in patch.files
            if part.target.endswith(".py") and part.state.carried and part.result
        }
        names = [f"{one.path}:{one.row}: {one.what}" for one in undefined(files)]
        # What stands on a patch that waits says a name of it, and is not taken.
        if names and not patch.blocked_by:
            found[patch.name] = names
    assert not found
    # So far back that nothing is carried, nothing can be left either.
    assert done.carried or release == "0.28.0"
