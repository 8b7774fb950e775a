# SPDX-License-Identifier: Apache-2.0
"""The selection matrix and the doctor on the real vLLM, with the series and without."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from scripts.base.errors import Finding
from scripts.doctor import facts, selection
from scripts.evidence.off_target import IMPORTS
from scripts.footprint import count, models, record
from scripts.footprint import table as footprint
from scripts.selection import main, worlds
from scripts.selection.ask import Question, ask_all
from scripts.selection.cases import AUTO, OURS, PLAIN, USUAL, Case
from scripts.selection.matrix import Matrix, Trees, ask_both, tree
from scripts.selection.table import elsewhere_changed, key, outcome
from scripts.series import folder
from scripts.upstream.environments import flashinfer_python
from tests.on_cpu.conftest import Run

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def both(patched_tree: Path, unpatched_tree: Path) -> Trees:
    return Trees(tree(patched_tree, "HEAD"), tree(unpatched_tree, "HEAD"))


@pytest.fixture(scope="module")
def found(both: Trees) -> Matrix:
    return ask_both(both)


def test_the_answers_are_the_recorded_ones(
    found: Matrix, record_property: Callable[[str, object], None]
) -> None:
    main.hold(found)
    record_property("table", main.short(found))


def test_other_worlds_are_as_recorded(
    both: Trees, record_property: Callable[[str, object], None]
) -> None:
    rows = worlds.ask(both)
    worlds.hold(rows)
    record_property("table", "\n".join(worlds.shown(rows)))


def test_the_footprint_is_as_recorded(both: Trees) -> None:
    rows = count.rows(both, models.load())
    footprint.hold(rows)
    kept = record.read()
    record.hold(msgspec.structs.replace(kept, rows=rows), kept)


def test_a_series_that_changes_others_is_found(both: Trees, tmp_path: Path) -> None:
    """The CUTLASS backend put first everywhere, as a careless patch would."""
    spoiled = tmp_path / "spoiled"
    shutil.copytree(both.fork.path / "vllm", spoiled / "vllm")
    oracle = spoiled / "vllm/model_executor/layers/fused_moe/oracle/nvfp4.py"
    text = oracle.read_text(encoding="utf-8")
    line = "    AVAILABLE_BACKENDS = prioritize_humming(AVAILABLE_BACKENDS)\n"
    assert text.count(line) == 1
    first = "    AVAILABLE_BACKENDS.insert(0, NvFp4MoeBackend.VLLM_CUTLASS)\n"
    oracle.write_text(text.replace(line, first + line), encoding="utf-8")
    cases = tuple(
        Case("MoE", "W4A4", capability, AUTO, PLAIN, "all")
        for capability in ("9.0", "10.0", *OURS)
    )
    questions = [
        Question(spoiled, str(tmp_path), USUAL, cases),
        Question(both.upstream.path, both.upstream.id, USUAL, cases),
    ]
    fork, upstream = ask_all(questions)
    told = {
        key(case, USUAL): outcome(case, *answers)
        for case, *answers in zip(cases, fork, upstream, strict=True)
    }
    assert [each.capability for each in elsewhere_changed(told)] == ["10.0"]


def test_a_tree_that_cannot_be_asked_says_why(both: Trees, tmp_path: Path) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm/__init__.py").write_text("raise ImportError('planted')\n")
    question = Question(tmp_path, str(tmp_path), USUAL, ())
    with pytest.raises(Finding, match="vLLM cannot be asked") as raised:
        ask_all([question])
    assert "planted" in str(raised.value)


# The doctor


@pytest.fixture
def environment(
    wheel: Path, patched_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A Python with FlashInfer and the patched vLLM, as our wheel tells of it."""
    with zipfile.ZipFile(wheel) as archive:
        inside = [n for n in archive.namelist() if ".dist-info/" in n]
        archive.extractall(tmp_path, inside)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{patched_tree}")
    return str(flashinfer_python())


@pytest.mark.parametrize("capability", ["12.0", "12.1", "9.0"])
def test_doctor_asks_the_vllm_that_is_there(
    environment: str, capability: str, warm_python: Path
) -> None:
    patches = folder.load()
    seen = facts.look(environment)
    assert seen.executable == environment
    warm = replace(seen, executable=str(warm_python))
    if capability != "12.0":
        seen = warm
    assert seen.vllm["patches"] == {p.name: p.sha256 for p in patches if p.files}
    assert seen.b12x["live"] == "flashinfer-python 0.7.4"
    (answer,) = selection.select(seen, capability)
    assert answer.source == "asked of this environment's vLLM, on a double of the GPU"
    moe = answer.choices[0]
    assert moe.ours is (capability in OURS)
    assert moe.chosen.startswith("FLASHINFER_CUTEDSL_SM12X") is moe.ours
    switched = replace(warm, settings={"VLLM_SM12X_AUTO_SELECT": "none"})
    (answer,) = selection.select(switched, capability)
    assert not any(choice.ours for choice in answer.choices)


# Import graph

_IMPORTED = """
import json, os, sys
import vllm
for module in sys.argv[1:]:
    # An import of a module in vllm begins with that of vllm: the rest is its own.
    if pid := os.fork():
        assert os.waitpid(pid, 0)[1] == 0, module
    else:
        __import__(module)
        print(json.dumps([module, *sorted(sys.modules)]), flush=True)
        os._exit(0)
"""


@pytest.fixture(scope="module")
def imported(both: Trees, run_cpu: Run) -> list[dict[str, set[str]]]:
    """Fork's and upstream's: what is there once a module of IMPORTS is imported."""
    found = []
    for each in (both.fork, both.upstream):
        done = run_cpu("-c", _IMPORTED, *IMPORTS, cwd=each.path)
        assert done.returncode == 0, done.stderr[-2000:]
        lines = [x for x in done.stdout.splitlines() if x.startswith('["')]
        found.append({k: set(names) for k, *names in map(json.loads, lines)})
        assert found[-1].keys() == IMPORTS.keys()
    return found


def test_import_vllm_imports_what_it_did(imported: list[dict[str, set[str]]]) -> None:
    fork, upstream = (each["vllm"] for each in imported)
    assert "vllm" in fork
    assert fork == upstream


@pytest.mark.parametrize(("module", "more"), IMPORTS.items())
def test_what_selects_imports_what_it_may_and_no_more(
    imported: list[dict[str, set[str]]], module: str, more: frozenset[str]
) -> None:
    fork, upstream = (each[module] for each in imported)
    assert module in fork
    added = fork - upstream
    # Of vLLM's own alone; all that they import was imported before.
    assert added == more
