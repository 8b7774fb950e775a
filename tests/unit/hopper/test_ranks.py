# SPDX-License-Identifier: Apache-2.0
"""Two processes with a GPU each, without GPUs, and the bounds of what they found."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from scripts import ROOT
from scripts.hopper.complete import missing
from scripts.hopper.judge import broken
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models
from tests.unit.hopper.runs import result

RUN = """import json, os, pathlib, sys, time
rank = os.environ["HOPPER_RANK"]
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
assert os.environ["CUDA_VISIBLE_DEVICES"] == rank and int(os.environ["HOPPER_PORT"])
said = {said}
if said.get(rank) == "hangs":
    time.sleep(60)
if rank in said:
    raise SystemExit(said[rank])
rows = [[rank, sys.argv[sys.argv.index("--capability") + 1]]]
out.write_text(json.dumps({{"parts": {{"ranks": {{"rows": rows}}}}}}))
"""


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., ModuleType]:
    """The module, with a program of two ranks in the place of run.py."""
    path = ROOT / "tests" / "hardware" / "hopper" / "pair.py"
    spec = importlib.util.spec_from_file_location("hopper_pair", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def plant(**said: str) -> ModuleType:
        script = tmp_path / "run.py"
        bad = {name[-1]: words for name, words in said.items()}
        script.write_text(RUN.format(said=bad), encoding="utf-8")
        monkeypatch.setattr(sys, "argv", [str(script)])
        monkeypatch.setattr(module, "SECONDS", 20)
        return module

    return plant


def test_rows_of_both_ranks_come_back(pair: Callable[..., ModuleType]) -> None:
    assert pair().both("ranks", (12, 0)) == [[["0", "12.0"]], [["1", "12.0"]]]


def test_a_rank_that_fails_is_named_and_the_other_is_not_waited_for(
    pair: Callable[..., ModuleType],
) -> None:
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="rank 1 ended with 1: no such kernel"):
        pair(rank_0="hangs", rank_1="no such kernel").both("ranks", (12, 0))
    assert time.monotonic() - started < 15


def test_a_rank_that_does_not_end_is_named(
    pair: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pair(rank_0="hangs")
    monkeypatch.setattr(module, "SECONDS", 3)
    with pytest.raises(RuntimeError, match="rank 0 ended with"):
        module.both("ranks", (12, 0))


def split() -> dict[str, Any]:
    """A run with the parts of two GPUs."""
    found = result()
    rows: list[list[Any]] = []
    for model, counts in hopper_models.SPLIT.items():
        sizes = [model.top_k, model.intermediate, model.intermediate // 2]
        for tokens in counts:
            figures = [0.002, 0.0, 0.16, "the same"]
            rows.append([model.name, "static", tokens, *sizes, *figures])
    linears = itertools.product(hopper_models.SPLIT_LINEAR, hopper_models.SPLIT_TOKENS)
    for (n, k), m in linears:
        figures = [0.002, 0.0, 0.003, "the same"]
        rows.append([f"linear, {n} x {k}", "dense", m, 1, k, k // 2, *figures])
    race = [
        ["racecheck", kind, "69 dense, 46 static", 0, 0, 115, ""]
        for kind in hopper_models.SPLIT_KINDS
    ]
    for name, each in (("ranks", rows), ("ranks_race", race)):
        found["parts"][name] = {
            "of": [],
            "columns": [*cases.COLUMNS[name]],
            "rows": each,
            "failed": "",
        }
    return found


def test_a_run_of_two_gpus_keeps_its_bounds() -> None:
    assert broken(split()) == []
    assert missing(split(), whole=True) == []
    assert missing(result(), whole=True) == []


@pytest.mark.parametrize(
    ("part", "column", "value", "why"),
    [
        ("ranks", "TP 2 to TP 1", 0.5, "TP 2 to TP 1 is beyond"),
        ("ranks", "TP 2 to TP 1", float("nan"), "TP 2 to TP 1 is beyond"),
        ("ranks", "replay to eager", 0.001, "a replay has other bits"),
        ("ranks", "to the reference", 0.7, "to the reference is beyond"),
        ("ranks", "bits on the ranks", "others", "the ranks have different sums"),
        ("ranks_race", "errors", 1, "a report that nobody has looked into"),
        ("ranks_race", "errors", -1, "a report that nobody has looked into"),
    ],
)
def test_a_bound_of_two_gpus_is_seen(
    part: str, column: str, value: object, why: str
) -> None:
    found = split()
    found["parts"][part]["rows"][0][cases.COLUMNS[part].index(column)] = value
    assert any(why in line for line in broken(found))


@pytest.mark.parametrize("part", cases.PAIR)
def test_a_case_of_two_gpus_that_is_not_there_is_named(part: str) -> None:
    found = split()
    del found["parts"][part]["rows"][0]
    (line,) = missing(found, whole=True)
    assert line.startswith(f"{part}: no row of ")


def test_another_kernel_takes_other_codes_at_ties() -> None:
    """Of a layer that is too wide for it, direct micro has the ranks' halves alone."""
    model = hopper_models.SMALL
    for size, why in ((640, 0), (512, 1)):
        found = split()
        columns = found["parts"]["ranks"]["columns"]
        row = found["parts"]["ranks"]["rows"][0]
        assert row[0] == model.name
        for name, value in (
            ("kernel", "direct_micro"),
            ("intermediate", size),
            ("TP 2 to TP 1", 0.06),
        ):
            row[columns.index(name)] = value
        assert len(broken(found)) == why
        row[columns.index("TP 2 to TP 1")] = 0.2
        assert len(broken(found)) == 1
