# SPDX-License-Identifier: Apache-2.0
"""The doctor asks an installed vLLM about a model; it says what is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.doctor.model import asked
from scripts.doctor.model.layers import Kind
from scripts.upstream.environments import flashinfer_python
from tests.unit.doctor.checkpoints import known, on, write

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(900)]

# With and without padding, refused for it, with BF16 activations, without a gate.
CASES = [
    ("qwen3-30b-a3b", 1),
    ("qwen3-30b-a3b", 4),
    ("gemma-4-26b-a4b", 2),
    ("qwen3.6-35b-a3b-w4a16", 2),
    ("nemotron-3-nano", 2),
]


@pytest.fixture
def cubins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_HAS_FLASHINFER_CUBIN", "1")


@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_the_patched_vllm_says_what_is_recorded(
    name: str,
    ranks: int,
    cubins: None,
    warm_python: Path,
    patched_tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(patched_tree))
    it = known(write(tmp_path, name))
    found = on(it, "pro6000", ranks)
    told = asked.ask(str(warm_python), it, found)
    assert isinstance(told, asked.Told), told
    assert told.patched
    better = asked.with_answers(found, told)
    for before, after in zip(found.rows, better.rows, strict=True):
        assert after.choice.patched == before.choice.patched
    for item, other in zip(found.budget.items, better.budget.items, strict=True):
        assert item.nbytes == other.nbytes
    (row,) = (r for r in better.rows if r.kind is Kind.EXPERTS)
    (old,) = (r for r in found.rows if r.kind is Kind.EXPERTS)
    for each in old.choice.refused:
        assert each.partition(": ")[2] in " ".join(row.choice.refused)
    assert "asked" in asked.source(told, "python", "as recorded")


def test_stock_says_what_is_recorded_of_it(
    cubins: None,
    unpatched_tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(unpatched_tree))
    it = known(write(tmp_path, "qwen3-30b-a3b"))
    found = on(it, "pro6000")
    told = asked.ask(str(flashinfer_python()), it, found)
    assert isinstance(told, asked.Told), told
    assert not told.patched and told.scratch is None
    better = asked.with_answers(found, told)
    for before, after in zip(found.rows, better.rows, strict=True):
        assert after.choice == before.choice


def test_a_vllm_that_does_not_answer_is_a_remark(tmp_path: Path) -> None:
    it = known(write(tmp_path, "qwen3-30b-a3b"))
    told = asked.ask("/bin/false", it, on(it))
    assert "could not be asked" in getattr(told, "what", "")
