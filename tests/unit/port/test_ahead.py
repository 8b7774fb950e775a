# SPDX-License-Identifier: Apache-2.0
"""Two processes for one port: the outcome is that of one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.port.names import ahead
from scripts.port.names.chain import Answer, Chain
from scripts.port.report.states import FileResult, PatchResult, State
from tests.unit.port.judge import mailed, series
from tests.unit.port.model import Files, Series

ROWS = "vllm/rows.py"
TEXT = "\n".join(f"N{i} = {i}\n" for i in range(40))
UTIL = "def half(n):\n    return n // 2\n"
HALF = "from vllm.util import half\n"


def stack(count: int) -> Series:
    """Patches that each change one line, of which the second uses what is gone."""
    steps: list[Files] = []
    files = {ROWS: TEXT, "vllm/util.py": UTIL}
    for number in range(count):
        line = f"N{4 * number} = {4 * number}\n"
        new = f"N{4 * number} = {100 + number}\n"
        if number == 1:
            new = "N4 = half(101)\n"
        text = files[ROWS].replace(line, new)
        files |= {ROWS: HALF + text if number == 1 else text}
        steps.append(dict(files))
    upstream = {ROWS: TEXT, "vllm/util.py": UTIL.replace("half", "halved")}
    base = {ROWS: TEXT, "vllm/util.py": UTIL}
    return Series("one of many is taken out again", base, tuple(steps), upstream, ())


def carried(
    case: Series, where: Path, cpus: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[PatchResult, ...]:
    where.mkdir()
    monkeypatch.setattr(os, "cpu_count", lambda: cpus)
    return series(case, mailed(case.changes, where))


@pytest.mark.parametrize("count", [2, 3, 9])
def test_outcome_is_that_of_one_process(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = stack(count)
    one = carried(case, tmp_path / "one", 1, monkeypatch)
    two = carried(case, tmp_path / "two", 2, monkeypatch)
    assert one == two
    assert [p.carried for p in two] == [True, False, *[True] * (count - 2)]
    (broken,) = two[1].files
    assert broken.state is State.BROKEN
    # What comes after it was merged anew, without its line.
    for later in two[2:]:
        (part,) = later.files
        assert part.result and b"half" not in part.result.data


@pytest.mark.parametrize("answers", [0, 1, 3])
def test_a_second_process_that_ends_is_not_needed(
    answers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = stack(9)
    right = carried(case, tmp_path / "one", 1, monkeypatch)
    first, look = os.getpid(), Chain.look
    left = [answers]

    def dies(chain: Chain, files: tuple[FileResult, ...]) -> Answer:
        if os.getpid() != first:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
        return look(chain, files)

    monkeypatch.setattr(Chain, "look", dies)
    assert carried(case, tmp_path / "two", 2, monkeypatch) == right


def test_what_fails_there_is_raised_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(chain: Chain, files: tuple[FileResult, ...]) -> Answer:
        raise LookupError("no ruff")

    monkeypatch.setattr(Chain, "look", fails)
    with pytest.raises(LookupError, match="no ruff"):
        carried(stack(3), tmp_path / "two", 2, monkeypatch)


def test_none_is_started_where_it_would_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forks() -> int:
        raise AssertionError("a second process")

    monkeypatch.setattr(os, "fork", forks)
    carried(stack(1), tmp_path / "alone", 2, monkeypatch)
    carried(stack(3), tmp_path / "one", 1, monkeypatch)
    with pytest.raises(AssertionError, match="a second process"):
        carried(stack(3), tmp_path / "two", 2, monkeypatch)
    assert ahead.DEPTH > 1
