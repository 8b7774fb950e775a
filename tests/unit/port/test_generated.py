# SPDX-License-Identifier: Apache-2.0
"""Generated edits on both sides: the right tree or a conflict, never a wrong tree."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.base.object_ids import Entry
from scripts.port import decide
from scripts.port.decide import Case
from scripts.port.merge.languages import parses
from scripts.port.merge.symbols import symbols
from scripts.port.merge.text import Files, Merged, Space, space
from scripts.port.moves import Places
from scripts.port.report.states import State
from scripts.series.diff import FilePatch
from scripts.series.resolutions import Records
from tests.unit.port.generated import module, patch_edit, right, upstream_edit

PATH = "vllm/made.py"


def _normal(text: str) -> dict[str, tuple[bytes, ...]]:
    """Content by symbol; the place of a function or a member means nothing."""
    found = symbols(PATH, text.encode())
    return {k: tuple(sorted(v)) if "imports" in k else v for k, v in found.items()}


def _decide(base: str, ours: str, theirs: str, room: Space) -> tuple[State, str]:
    entries = [Entry(0o100644, text.encode()) for text in (base, ours, theirs)]
    sides: list[Files] = [{PATH: e} for e in entries]
    change = FilePatch(PATH, 0o100644, 0o100644, "", "", (), 1)
    case = Case(change, PATH, *entries)
    merged = Merged({}, frozenset())
    if entries[0] != entries[1]:
        merged = room.merge(sides[0], sides[1], sides[2], names=("new", "patch"))
    done = decide.file(case, merged, Records(), Places(), room)
    return done.state, done.result.data.decode() if done.result else ""


def test_right_or_conflict() -> None:
    """And neither by refusing all, nor by edits that never meet."""
    seen: Counter[State] = Counter()

    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.integers(0, 2**32), st.integers(1, 3))
    def holds(seed: int, count: int) -> None:
        _right_or_conflict(seed, count, seen)

    holds()
    carried = sum(n for state, n in seen.items() if state.carried)
    assert carried > 40
    assert seen[State.SYNTAX] > 3
    assert seen.total() - carried > 10


def _right_or_conflict(seed: int, count: int, seen: Counter[State]) -> None:
    random = Random(seed)
    base = module(random)
    mine = patch_edit(random, base)
    theirs = mine(base)
    new = base
    for _ in range(count):
        if new.functions:
            new = upstream_edit(random, new)(new)
    if theirs == base:
        return
    with space() as room:
        state, text = _decide(base.text(), new.text(), theirs.text(), room)
    seen[state] += 1
    if not state.carried:
        return
    assert parses(PATH, text.encode())
    names = [f.name for f in base.functions]
    wanted = right(base, new, mine)
    assert wanted is not None, (state, names, text)
    assert _normal(text) == _normal(wanted.text()), state
