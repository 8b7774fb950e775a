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
    name: str = ""
    test: str | list[str] = ""
    """The test or tests that need the patch."""
    fails_without: bool | None = None
    """Whether they fail without it; None where that was not run."""
    also_fails: tuple[str, ...] = ()
    dependents: tuple[str | Dependent, ...] = ()
    mutants: Mutants | None = None
    off_target: str | int | bool | None = None
    """What changes off SM12x; None where that was not looked at."""
    hardware: str = "not run"

    @property
    def tests(self) -> list[str]:
        return [self.test] if isinstance(self.test, str) else self.test

    @property
    def taken_along(self) -> list[str]:
        """Numbers of the patches that went with it."""
        return [d if isinstance(d, str) else d.number for d in self.dependents]

    @property
    def elsewhere(self) -> str:
        """`off_target` in words."""
        if self.off_target is None:
            return "not looked at"
        if isinstance(self.off_target, bool):
            return "changes" if self.off_target else "none"
        return str(self.off_target)


@dataclass(frozen=True)
class Evidence:
    """As `make evidence` writes it."""

    patches: tuple[Case, ...]
    problems: tuple[str, ...] = ()

    @property
    def by_number(self) -> dict[str, Case]:
        return {case.number: case for case in self.patches}
