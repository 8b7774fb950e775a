# SPDX-License-Identifier: Apache-2.0
"""Leave one out: what each patch's absence breaks, and nothing else.

Three sessions a patch, beside one of the whole series, which is measured:

- *with*: its tests at its place in the series; they must pass.
- *taken*: the same tests, its code taken away; each must fail. Later patches are
  not there, so that what fails is this patch's doing alone.
- *others*: the whole series without it and its dependents, and those of their tests
  that run any code which differs there; they must end as they do with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.evidence.affected_tests import able_to_tell, changes
from scripts.evidence.leave_out import Without, leave_out
from scripts.evidence.names import State, is_code
from scripts.evidence.own import named
from scripts.evidence.session import Job, Result, by_file, function, run
from scripts.evidence.stand import Stand


@dataclass(frozen=True)
class LeftOut:
    """What leaving one patch out showed."""

    number: str
    name: str
    tests: tuple[str, ...]
    """Those that its trailers name."""
    without: Without
    broken: tuple[str, ...]
    """Named tests that do not pass with it."""
    unmoved: tuple[str, ...]
    """Named tests that do not fail without it."""
    strangers: tuple[str, ...]
    """Tests of others that end otherwise without it."""
    asked: int
    """How many tests of others could, and were run."""

    @property
    def ok(self) -> bool:
        return not (self.broken or self.unmoved or self.strangers)

    @property
    def problems(self) -> list[str]:
        """A sentence for each way in which it does not earn its place."""
        found = [f"{test} does not pass with {self.number}" for test in self.broken]
        if set(self.unmoved) == set(self.tests):
            found.append(f"no test notices that {self.number} is not there")
        elif self.unmoved:
            found += [f"{test} passes without {self.number}" for test in self.unmoved]
        found += [
            f"{test} is broken by the absence of {self.number}, on which no patch of "
            "its own depends"
            for test in self.strangers
        ]
        return found


@dataclass(frozen=True)
class Plan:
    """The sessions of one patch."""

    number: str
    tests: tuple[str, ...]
    without: Without
    present: Job
    taken: Job
    others: Job
    expected: frozenset[str]
    """Tests of others that must end as with it."""


def plan(stand: Stand, at: int, cover: Mapping[str, Any]) -> Plan:
    """The sessions of the patch at place `at` of the series.

    Args:
        stand: The series.
        at: From 0.
        cover: What `ground.cover_map` gives of the whole series.
    """
    step = stand.steps[at]
    number, tests = step.patch.number, named(step)
    wanted = by_file(tests)
    before, after = stand.state(at), stand.state(at + 1)
    without = leave_out(number, stand.base, stand.steps, stand.names)
    expected = strangers_of(stand, without, cover)
    taken = _taken(step.changes, before, after, {path for path, _ in wanted})
    others = by_file(sorted(expected))
    return Plan(
        number,
        tests,
        without,
        Job(f"{number} with it", stand.tree(after), wanted),
        Job(f"{number} taken away", stand.tree(taken), wanted),
        Job(f"{number} others without it", stand.tree(without.files), others),
        expected,
    )


def strangers_of(
    stand: Stand, without: Without, cover: Mapping[str, Any]
) -> frozenset[str]:
    """Tests of the patches that are left which could end otherwise without it."""
    last = stand.last
    sources = {
        path: entry.data.decode()
        for path in stand.own.files
        if (entry := last[path]) is not None
    }
    able = able_to_tell(cover, changes(last, without.files), sources)
    spawned = {function(node) for node in cover["spawned"]}
    ran = {function(node) for node in cover["tests"]}
    return frozenset(
        test
        for test in (able & ran) - spawned
        if not stand.own.owners.get(test, frozenset()) & without.gone
    )


def _taken(changes: State, before: State, after: State, named: set[str]) -> State:
    """The state after a patch, with what it does taken away and its tests left.

    A patch of tests alone does its work in those that no trailer names.
    """
    work = [path for path in changes if is_code(path)]
    work = work or [path for path in changes if path not in named]
    return {**after, **{path: before[path] for path in work}}


def judge(plan: Plan, name: str, whole: Result, told: Sequence[Result]) -> LeftOut:
    """Put the sessions of one patch beside that of the whole series."""
    present, taken, others = told
    broken = [t for t in plan.tests if "passed" not in (o := present.of(t)) or o & BAD]
    unmoved = [
        t
        for t in plan.tests
        if not (taken.of(t) & BAD or t.partition("::")[0] in taken.broken)
    ]
    strangers = [
        t for t in sorted(plan.expected) if worst(others.of(t)) != worst(whole.of(t))
    ]
    return LeftOut(
        *(plan.number, name, plan.tests, plan.without),
        *(tuple(broken), tuple(unmoved), tuple(strangers), len(plan.expected)),
    )


BAD = frozenset({"failed", "error"})


def worst(outcomes: set[str]) -> str:
    """The one outcome that tells of all cases of a test; `gone` if there is none.

    >>> worst({"passed", "failed"}), worst(set())
    ('failed', 'gone')
    """
    for outcome in ("error", "failed", "skipped", "passed"):
        if outcome in outcomes:
            return outcome
    return "gone"


def leave_each_out(
    stand: Stand, cover: Mapping[str, Any], processes: int = 2
) -> list[LeftOut]:
    """Leave each patch out, and say what that breaks.

    Raises:
        Finding: A session was lost.
        Unusable: The CPU environment cannot be made.
    """
    plans = [plan(stand, at, cover) for at in range(len(stand.steps))]
    jobs = [job for p in plans for job in (p.present, p.taken, p.others)]
    told = run(jobs, stand.git, stand.home, processes)
    outcomes = {node: outcome for node, (outcome, _) in cover["tests"].items()}
    whole = Result(outcomes, cover["broken"], "", "in order")
    return [
        judge(p, step.patch.name, whole, told[3 * at : 3 * at + 3])
        for at, (p, step) in enumerate(zip(plans, stand.steps, strict=True))
    ]
