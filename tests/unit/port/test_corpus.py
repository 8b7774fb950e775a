# SPDX-License-Identifier: Apache-2.0
"""The corpus: the right tree or a refusal, and never a wrong tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from scripts.port.merge.text import Space, space
from scripts.port.report.states import State
from tests.unit.port.corpus import CHAINS, CORPUS
from tests.unit.port.corpus_drift import AROUND, KEPT, rows, tree
from tests.unit.port.judge import Verdict, by_port, mailed, series, verdict
from tests.unit.port.kinds import LEFT_OPEN, WHY_LEFT
from tests.unit.port.model import Change, Series


def test_corpus_is_large_and_of_every_kind() -> None:
    assert len(CORPUS) >= 600
    assert len({case.name for case in CORPUS}) == len(CORPUS)
    assert len({case.kind for case in CORPUS}) >= 18


def test_every_needless_refusal_has_its_reason() -> None:
    named = [name for names in WHY_LEFT.values() for name in names]
    assert sorted(named) == sorted(case.name for case in LEFT_OPEN)
    assert all(case.right for case in LEFT_OPEN)


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The mails of each case and chain, by its name."""
    wanted = {case.name: [case] for case in CORPUS}
    wanted |= {one.name: one.changes for one in CHAINS}
    cases = chain.from_iterable(wanted.values())
    made = iter(mailed(cases, tmp_path_factory.mktemp("mails")))
    return {name: [next(made) for _ in many] for name, many in wanted.items()}


@pytest.fixture(scope="module")
def room() -> Iterator[Space]:
    """One place for all merges: a thing is named by what it holds."""
    with space() as made:
        yield made


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_ours(case: Change, mails: dict[str, list[Path]], room: Space) -> None:
    (mail,) = mails[case.name]
    answer = by_port(case, mail, room)
    found = verdict(case, answer)
    assert found is not Verdict.WRONG, (answer.state, answer.why)
    assert found is Verdict.RIGHT, (answer.state, answer.why)
    # Nothing was before what is: a port may go back as well.
    said = "; ".join((answer.why, *answer.read))
    assert not re.search(r"\b(any more|no longer|no more)\b", said), said
    if case.dropped:
        assert answer.state is State.ABSORBED


@pytest.mark.parametrize("case", CHAINS, ids=lambda case: case.name)
def test_what_stands_on_what_waits_is_not_carried(
    case: Series, mails: dict[str, list[Path]], room: Space
) -> None:
    found = series(case, mails[case.name], room)
    assert tuple(p.carried for p in found) == case.carried, [
        (p.state, [f.why for f in p.files]) for p in found
    ]
    for patch in found[1:]:
        assert bool(patch.blocked_by) is not patch.carried
        assert patch.carried or patch.state is State.WAITS
    named = [on.patch for patch in found for on in patch.dependents]
    assert set(named) == {p.name for p in found[1:] if not p.carried}


WENT = {
    "a function moved and is imported where it was": "vllm/utils/torch_version.py",
    "a function went to a file beside": "vllm/v1/core/kv_cache_planning.py",
}
"""Functions that are in another file now, and in which."""


@pytest.mark.parametrize("name", WENT)
def test_what_went_with_its_function_is_not_called_absorbed(
    name: str, tmp_path: Path
) -> None:
    """It takes the lines with it that the patch takes out; the file is named."""
    (case,) = [one for one in LEFT_OPEN if one.name == name]
    (mail,) = mailed([case], tmp_path)
    answer = by_port(case, mail)
    assert answer.state is State.GONE, answer.why
    assert f"is in {WENT[name]} now" in answer.why


READ = [
    ("if row.used and not hard:", "if row.used and not row.kept:", "changed the test"),
    ("if row.used and not hard:", "if row.used:", "changed the test"),
    (
        "        with self.lock:\n",
        "        with self.lock, self.gate:\n",
        "changed the",
    ),
    (
        "        with self.lock:\n",
        "        if self.full:\n            return\n        with self.lock:\n",
        "leaves before it if `self.full`",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), READ)
def test_other_ground_is_to_be_read(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    """Nobody can say whether it is right there, so that a person is told."""
    upstream = rows((old, new))
    case = tree("x", AROUND, rows(KEPT), upstream, rows((old, new), KEPT))
    (mail,) = mailed([case], tmp_path)
    answer = by_port(case, mail)
    assert verdict(case, answer) is Verdict.RIGHT, answer.why
    assert said in "; ".join(answer.read)


TOLD = {
    "another local comes beside the hook": "upstream changed schedule, too",
    "another key comes from another file": "upstream has new lines that use KERNELS",
    "a number that we count with is another number": "what it uses: LEAST",
    "a function moved, and is imported where it was": "",
    "C++: another function of the file is never compiled": "",
    "requirements: both pin a package of their own": "",
}
"""What is said of a case that is carried; nothing where nothing of it changed."""


@pytest.mark.parametrize("name", TOLD)
def test_what_upstream_changed_beside_it_is_told(
    name: str, mails: dict[str, list[Path]], room: Space
) -> None:
    (case,) = [one for one in CORPUS if one.name == name]
    (mail,) = mails[name]
    answer = by_port(case, mail, room)
    assert verdict(case, answer) is Verdict.RIGHT, answer.why
    said = "; ".join(answer.read)
    assert TOLD[name] in said if TOLD[name] else not said, said
