# SPDX-License-Identifier: Apache-2.0
"""What a port came to, as data; rendering reads it and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from scripts.port.report.states import FileResult, PatchResult, State
from scripts.series.alerts import Alert


class Outcome(Enum):
    """How a port ended."""

    IDENTITY = "nothing to carry"
    """The target is the pin; the series stays as it is, byte for byte."""
    PROVED = "proved"
    """Applied, checked and tested on the new release; written."""
    CARRIED = "carried, not proved"
    """Every patch was carried; nothing was run yet, and nothing is written."""
    REFUTED = "carried, and refuted"
    """Every patch was carried, and a check or a test of the proof failed."""
    OPEN = "a person has to decide"
    """Some patches were not carried."""


class Proof(Enum):
    """What a step of the proof gave."""

    PASSED = "passed"
    """It was run and all is well."""
    FAILED = "failed"
    """It was run and found something."""
    NOT_RUN = "not run"
    """It was not reached, or not asked for."""


@dataclass(frozen=True)
class Check:
    """One step of the proof."""

    what: str
    proof: Proof
    detail: str = ""
    failed: tuple[str, ...] = ()
    """What of it failed: tests by name, or lines of a check."""
    again: str = ""
    """The command that repeats what failed."""


@dataclass(frozen=True)
class Beside:
    """A package that the proof had beside vLLM, where it is to have another."""

    name: str
    asked: str
    """Version that answers and tests are of."""
    wanted: str
    """Version that the target pins, or that the series requires there."""

    @property
    def said(self) -> str:
        what = f"asked and tested with {self.name} {self.asked}"
        return f"{what}; it is to have {self.wanted}, with which nothing was run"


@dataclass(frozen=True)
class Culprit:
    """Which upstream commit broke a file of a patch."""

    patch: str
    path: str
    commit: str
    subject: str


@dataclass(frozen=True)
class Summary:
    """One port."""

    source: str
    """Release that the series stands on."""
    target: str
    patches: tuple[PatchResult, ...]
    alerts: tuple[Alert, ...] = ()
    unused: tuple[str, ...] = ()
    """Resolutions that no case asked for."""
    checks: tuple[Check, ...] = ()
    beside: tuple[Beside, ...] = ()
    """Of the proof; empty where it had what the target pins, or was not run."""
    culprits: tuple[Culprit, ...] = ()
    history: tuple[str, ...] = ()
    """Trees between the two that were looked at for reverts."""
    identity: bool = False
    first: tuple[str, ...] = ()
    """What has to be known before anything else."""
    dry_run: bool = False
    git: str = ""
    """The clone that the target is a ref of, or whose history was read."""
    to: str = ""
    """The target as it was asked for."""
    written: str = ""
    """Where the result or the open conflict lies."""
    by_hand: tuple[str, ...] = ()
    """What a person edits once it is written."""
    notes: tuple[str, ...] = field(default=())

    @property
    def outcome(self) -> Outcome:
        if self.identity and not self.red:
            return Outcome.IDENTITY
        if not all(p.carried for p in self.patches) or self.red:
            return Outcome.OPEN
        if any(c.proof is Proof.FAILED for c in self.checks):
            return Outcome.REFUTED
        passed = self.checks and all(c.proof is Proof.PASSED for c in self.checks)
        return Outcome.PROVED if passed else Outcome.CARRIED

    @property
    def said(self) -> str:
        """The outcome in words; a proof beside other packages says so at once."""
        if not self.beside:
            return self.outcome.value
        names = ", ".join(f"{b.name} {b.asked}" for b in self.beside)
        return f"{self.outcome.value}, beside {names} and not what it is to have"

    @property
    def red(self) -> tuple[Alert, ...]:
        """Alerts that nobody answered."""
        return tuple(a for a in self.alerts if not a.answer)

    @property
    def counts(self) -> Mapping[State, int]:
        """Patches by state, in the order of the states."""
        states = [p.state for p in self.patches]
        return {s: states.count(s) for s in State if s in states}

    @property
    def carried(self) -> int:
        return sum(p.carried for p in self.patches)

    @property
    def open_files(self) -> list[tuple[PatchResult, FileResult]]:
        """What a person has to decide, in the order of the series."""
        return [(p, f) for p in self.patches for f in p.files if f.state.open]

    @property
    def for_review(self) -> list[tuple[PatchResult, FileResult]]:
        """What was carried, and has to be read all the same."""
        return [
            (p, f) for p in self.patches for f in p.files if f.state.carried and f.read
        ]
