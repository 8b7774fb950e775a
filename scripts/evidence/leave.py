# SPDX-License-Identifier: Apache-2.0
"""Leave one out: what each patch's absence breaks, and nothing else.

Three sessions a patch, beside one of the whole series:

- *with*: its tests at its place in the series; they must pass.
- *taken*: the same tests, its code taken away; each must fail. Later patches are
  not there, so that what fails is this patch's doing alone.
- *others*: the whole series without it and its dependents, and all their tests; they
  must end as they do with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.errors import Finding
from scripts.evidence.own import named
from scripts.evidence.session import Files, Job, Result, run
from scripts.evidence.stand import Stand
from scripts.evidence.without import State, Without, is_code, leave_out


@dataclass(frozen=True)
class Leave:
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


def plans(stand: Stand) -> tuple[Job, list[Plan]]:
    """The session of the whole series, and those of each patch."""
    last = stand.state(len(stand.steps))
    whole = Job("the whole series", stand.tree(last), _pairs(stand.own.files))
    return whole, [_plan(stand, at) for at in range(len(stand.steps))]


def _plan(stand: Stand, at: int) -> Plan:
    step = stand.steps[at]
    number, tests = step.patch.number, named(step)
    wanted: dict[str, tuple[str, ...]] = {}
    for test in tests:
        path, _, name = test.partition("::")
        wanted[path] = (*wanted.get(path, ()), name)
    before, after = stand.state(at), stand.state(at + 1)
    without = leave_out(number, stand.base, stand.steps, stand.names)
    files = _files_left(stand, without)
    expected = frozenset(
        test
        for test, owners in stand.own.owners.items()
        if not owners & without.gone and test.partition("::")[0] in files
    )
    return Plan(
        number,
        tests,
        without,
        Job(f"{number} with it", stand.tree(after), _pairs(wanted)),
        Job(
            f"{number} taken away",
            stand.tree(_taken(step.changes, before, after, set(wanted))),
            _pairs(wanted),
        ),
        Job(f"{number} others without it", stand.tree(without.files), _pairs(files)),
        expected,
    )


def _files_left(stand: Stand, without: Without) -> Files:
    """The own tests of the patches that are left."""
    numbers = {step.patch.number for step in stand.steps} - without.gone
    kept: dict[str, set[str]] = {}
    for test, owners in stand.own.owners.items():
        if owners & numbers:
            path, _, name = test.partition("::")
            kept.setdefault(path, set()).add(name)
    return {
        path: names and tuple(sorted({*names} & kept[path]))
        for path, names in stand.own.files.items()
        if path in kept and without.files[path] is not None
    }


def _taken(changes: State, before: State, after: State, named: set[str]) -> State:
    """The state after a patch, with what it does taken away and its tests left.

    A patch of tests alone does its work in those that no trailer names.
    """
    work = [path for path in changes if is_code(path)]
    work = work or [path for path in changes if path not in named]
    return {**after, **{path: before[path] for path in work}}


def _pairs(files: Files) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
    return tuple(sorted(files.items()))


def judge(plan: Plan, name: str, whole: Result, told: list[Result]) -> Leave:
    """Put the sessions of one patch beside that of the whole series."""
    present, taken, others = told
    broken = [t for t in plan.tests if "passed" not in (o := present.of(t)) or o & BAD]
    unmoved = [
        t
        for t in plan.tests
        if not (taken.of(t) & BAD or t.partition("::")[0] in taken.broken)
    ]
    strangers = sorted(
        t
        for t in plan.expected
        if worst(others.of(t)) != worst(whole.of(t)) and whole.of(t)
    )
    return Leave(
        plan.number,
        name,
        plan.tests,
        plan.without,
        tuple(broken),
        tuple(unmoved),
        tuple(strangers),
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


def leave_each_out(stand: Stand, processes: int = 2) -> list[Leave]:
    """Leave each patch out, and say what that breaks.

    Raises:
        Finding: A test of the whole series fails, or a session was lost.
        Unusable: The CPU environment cannot be made.
    """
    job, all_plans = plans(stand)
    jobs = [job]
    for plan in all_plans:
        jobs += [plan.present, plan.taken, plan.others]
    whole, *told = run(jobs, stand.git, stand.home, processes)
    if bad := sorted(whole.bad()):
        raise Finding(
            f"{len(bad)} of the series' own tests fail with the whole series",
            found="\n".join(bad[:12]),
            next="make test",
        )
    return [
        judge(plan, step.patch.name, whole, told[3 * at : 3 * at + 3])
        for at, (plan, step) in enumerate(zip(all_plans, stand.steps, strict=True))
    ]
