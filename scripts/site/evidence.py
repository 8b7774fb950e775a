# SPDX-License-Identifier: Apache-2.0
"""The report `evidence`: what each patch stands on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutants:
    killed: int
    total: int
    equivalent: int = 0
    """Those besides that are argued to change nothing."""


@dataclass(frozen=True)
class Dependent:
    """A later patch that stands on this one."""

    number: str
    why: str = ""


@dataclass(frozen=True)
class Case:
    """One patch, taken out of the series."""

    number: str
    fails_without: bool
    name: str = ""
    test: tuple[str, ...] = ()
    """The tests that need the patch."""
    also_fails: tuple[str, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    """Those that went with it."""
    mutants: Mutants | None = None
    off_target: str = ""
    """What changes off SM12x."""
    hardware: str = "not run"


@dataclass(frozen=True)
class Evidence:
    """As `make evidence` writes it."""

    patches: tuple[Case, ...]
    problems: tuple[str, ...] = ()

    @property
    def by_number(self) -> dict[str, Case]:
        return {case.number: case for case in self.patches}
