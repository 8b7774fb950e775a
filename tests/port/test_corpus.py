# SPDX-License-Identifier: Apache-2.0
"""The corpus: the right tree or a refusal, and never a wrong tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.port.states import State
from tests.port.corpus import CORPUS
from tests.port.judge import Verdict, ours, repository, verdict
from tests.port.model import Change


def test_corpus_is_large_and_of_every_kind() -> None:
    assert len(CORPUS) >= 40
    assert len({case.name for case in CORPUS}) == len(CORPUS)
    assert len({case.kind for case in CORPUS}) >= 13


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_ours(case: Change, tmp_path: Path) -> None:
    mail = repository(case, tmp_path / "repo")
    answer = ours(case, mail)
    found = verdict(case, answer)
    assert found is not Verdict.WRONG, (answer.state, answer.why)
    assert found is Verdict.RIGHT, (answer.state, answer.why)
    if case.dropped:
        assert answer.state is State.ABSORBED
