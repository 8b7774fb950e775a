# SPDX-License-Identifier: Apache-2.0
"""`make evidence` and `make mutants`: what is asked, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.base.console import note
from scripts.checkout import Checkout
from scripts.evidence import record
from scripts.evidence.ablation import LeftOut, leave_each_out
from scripts.evidence.ground import cover_map, ground_of
from scripts.evidence.mutants import all_mutants, judge
from scripts.evidence.off_target import Theirs, import_changes, upstream_tests
from scripts.evidence.session import function
from scripts.evidence.stand import Stand
from scripts.series import folder
from scripts.upstream import lock as lockfile

HARDWARE = "not run"
"""What every patch has of a run on an SM120 or SM121 GPU."""


@dataclass(frozen=True)
class Evidence:
    """All that was found of a series."""

    version: str
    leaves: Sequence[LeftOut]
    mutants: Mapping[str, record.Measured]
    """Of the lines that the patches have now."""
    theirs: Theirs
    imports: Sequence[str]
    """Imports that the series changes and may not."""
    selections: int
    """Selections off SM12x that the series changes."""
    asked: int
    """Selections off SM12x that were compared."""
    spawning: Sequence[str] = ()
    """Tests that start a process, and so were not asked of others' absence."""
    unchangeable: frozenset[str] = frozenset()
    """Patches of which no mutant can be made: they add names, text or tests alone."""

    @property
    def off_target(self) -> str:
        """What changes off SM12x, `none` if nothing; of the whole series."""
        found = []
        if self.theirs.changed:
            found.append(f"{len(self.theirs.changed)} tests")
        if self.imports:
            found.append(f"{len(self.imports)} imports")
        if self.selections:
            found.append(f"{self.selections} selections")
        return ", ".join(found) or "none"

    @property
    def problems(self) -> list[str]:
        """Everything that is not as it should be, a sentence each."""
        found = [problem for leave in self.leaves for problem in leave.problems]
        found += [
            f"{test}: {without} without the series, {with_} with it"
            for test, (without, with_) in self.theirs.changed.items()
        ]
        found += self.imports
        if self.selections:
            found.append(f"{self.selections} selections off SM12x change: make matrix")
        for number, each in self.mutants.items():
            if each.killed < record.GOAL * each.total:
                found.append(
                    f"{number}: {each.killed} of {each.total} mutants are killed, "
                    f"less than {record.GOAL:.0%}"
                )
        return found


def stand_of(at: Checkout) -> Stand:
    """The checkout's series, applied apart from what a person works on.

    Raises:
        Finding: It does not apply.
        Unusable: The pinned archive cannot be had.
    """
    from scripts.selection.matrix import trees

    bench = trees(at).fork.path
    return Stand(tuple(folder.load(at.patches)), bench, at.build / "evidence")


def gather(at: Checkout, processes: int = 2) -> Evidence:
    """Everything that `make evidence` shows; what is cached is not run again.

    Raises:
        Finding: The series' own tests fail, or a session was lost.
        Unusable: The environments cannot be made.
    """
    from scripts.selection import main, table
    from scripts.selection.cases import ONLY_OURS, OURS
    from scripts.selection.matrix import trees

    stand = stand_of(at)
    cover = cover_map(ground_of(stand))
    leaves = leave_each_out(stand, cover, processes)
    theirs = upstream_tests(stand, processes)
    imports = import_changes(stand)
    matrix = main.asked(at, trees(at)).table
    others = [k for k in matrix if k.capability not in OURS]
    return Evidence(
        lockfile.load(at.lock).local_version,
        leaves,
        record.current(stand),
        theirs,
        imports,
        len(table.elsewhere_changed(matrix)),
        len([k for k in others if k.backend not in ONLY_OURS]),
        sorted({function(node) for node in cover["spawned"]}),
        frozenset(step.patch.number for step in stand.steps)
        - {mutant.patch for mutant in all_mutants(stand)},
    )


def as_data(found: Evidence) -> dict[str, Any]:
    """The same for a program; `patches` in the order of the series."""
    patches = []
    for leave in found.leaves:
        measured = found.mutants.get(leave.number)
        if leave.number in found.unchangeable:
            measured = record.Measured(lines="", total=0, killed=0)
        patches.append(
            {
                "number": leave.number,
                "name": leave.name,
                "test": list(leave.tests),
                "passes_with": not leave.broken,
                "fails_without": not leave.unmoved,
                "also_fails": list(leave.strangers),
                "dependents": [
                    {"number": d.number, "why": d.why} for d in leave.without.dependents
                ],
                "mutants": measured
                and {
                    "killed": measured.killed,
                    "total": measured.total,
                    "equivalent": measured.equivalent,
                },
                "off_target": found.off_target,
                "hardware": HARDWARE,
            }
        )
    return {
        "version": found.version,
        "patches": patches,
        "upstream_tests": {
            "files": list(found.theirs.files),
            "not_run": list(found.theirs.not_run),
            "counts": dict(found.theirs.counts),
            "changed": {k: list(v) for k, v in found.theirs.changed.items()},
        },
        "not_asked": list(found.spawning),
        "imports_changed": list(found.imports),
        "selections": {"asked": found.asked, "changed": found.selections},
        "problems": found.problems,
    }


@dataclass(frozen=True)
class Killing:
    """What `make mutants` found."""

    patches: Mapping[str, record.Measured]
    unused: Sequence[str]
    """Entries of equivalent.toml that no surviving mutant has."""

    @property
    def killed(self) -> int:
        return sum(each.killed for each in self.patches.values())

    @property
    def total(self) -> int:
        return sum(each.total for each in self.patches.values())

    @property
    def enough(self) -> bool:
        return self.killed >= record.GOAL * self.total


def kill(at: Checkout, numbers: Sequence[str], processes: int = 2) -> Killing:
    """Run the mutants of some patches, of all if none is named.

    Raises:
        Finding: The series' own tests do not pass, or a process was lost.
        Unusable: The environments cannot be made.
    """
    argued = record.equivalents()
    stand = stand_of(at)
    wanted = [m for m in all_mutants(stand) if not numbers or m.patch in numbers]
    note(f"{len(wanted)} mutants of {len({m.patch for m in wanted})} patches")
    ended = judge(ground_of(stand), wanted, processes)
    unused = [] if numbers else record.unused(ended, argued)
    return Killing(record.measured(stand, ended, argued), unused)
