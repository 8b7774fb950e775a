# SPDX-License-Identifier: Apache-2.0
"""What may become of a patch on another release, and the record of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from scripts.base.object_ids import Entry


class State(Enum):
    """What became of one file of a patch, or of the patch; the worst one counts."""

    UNCHANGED = "unchanged"
    """Upstream has the very preimage; the result is the patch's own blob."""
    ABSORBED = "absorbed"
    """Upstream has the change at the same place and symbol; nothing is left."""
    MOVED = "moved"
    """The same hunks with the same context, at other lines or in a renamed file."""
    MERGED = "merged"
    """A three-way merge on the true preimage, clean, in the patch's own symbols."""
    RESOLVED = "resolved from record"
    """A person decided this very case before; see `patches/resolutions/`."""
    SYNTAX = "merged by syntax"
    """Text conflicts, syntax does not, and every guard holds. A person reads it."""
    PROBABLY_ABSORBED = "probably absorbed"
    """Most of the change is upstream in another form; a person has to decide."""
    BROKEN = "uses what is otherwise"
    """It merges, and uses a name that is not there, or is another thing there."""
    GONE = "no target"
    """The file or the symbol that the patch changes is not there."""
    CONFLICT = "conflict"
    """Upstream and the patch contradict each other; a person has to decide."""
    WAITS = "waits"
    """It stands on a patch that waits for a person; nothing to decide here yet."""

    @property
    def carried(self) -> bool:
        """Whether a result was made that may be used without a person."""
        return RANK[self] < RANK[State.PROBABLY_ABSORBED]

    @property
    def open(self) -> bool:
        """Whether a person has to decide it."""
        return not self.carried and self is not State.WAITS


RANK = {state: rank for rank, state in enumerate(State)}
"""From the least to the most that a person has to look at."""


def worst(states: list[State]) -> State:
    """The state of a patch whose files have these.

    >>> worst([State.UNCHANGED, State.SYNTAX]).value
    'merged by syntax'
    >>> worst([State.UNCHANGED, State.ABSORBED]).value
    'moved'
    """
    top = max(states, key=RANK.__getitem__)
    if top is State.ABSORBED and set(states) != {State.ABSORBED}:
        return State.MOVED  # something of the patch is left
    return top


@dataclass(frozen=True)
class Evidence:
    """One line that speaks for an opinion, and where it was found."""

    line: str
    where: str


@dataclass(frozen=True)
class FileResult:
    """What became of one file of one patch."""

    path: str
    """As the patch names it."""
    state: State
    why: str = ""
    """One sentence, where the state alone does not say it."""
    symbols: tuple[str, ...] = ()
    """What the patch changes in the file."""
    target: str = ""
    """Where the file lies on the new release."""
    evidence: tuple[Evidence, ...] = ()
    read: tuple[str, ...] = ()
    """Why a person has to read the result, though it was carried."""
    homes: tuple[str, ...] = ()
    """Files of the new tree that seem to hold its target, where it has none."""
    also: Mapping[str, Entry | None] = field(default_factory=dict, repr=False)
    """Other files that a person entered the change in, as they are then."""
    base: Entry | None = field(default=None, repr=False)
    upstream: Entry | None = field(default=None, repr=False)
    """The new upstream with the patches before this one."""
    patched: Entry | None = field(default=None, repr=False)
    result: Entry | None = field(default=None, repr=False)
    """None where the file is deleted, or where nothing was carried."""

    @property
    def said(self) -> tuple[str, ...]:
        """All that there is to say of it beside its state."""
        read = (f"please read: {reason}" for reason in self.read)
        return (*([self.why] if self.why else []), *read)


@dataclass(frozen=True)
class Dependent:
    """A later patch that stands on one that was not carried."""

    patch: str
    path: str
    symbol: str


@dataclass(frozen=True)
class PatchResult:
    """What became of one patch."""

    name: str
    subject: str
    files: tuple[FileResult, ...]
    blocked_by: tuple[str, ...] = ()
    """Names of patches that were not carried and that this one stands on."""
    dependents: tuple[Dependent, ...] = ()

    @property
    def state(self) -> State:
        """That of its files; or that it waits, where no file has to be decided."""
        found = [f.state for f in self.files]
        if open_ := [s for s in found if s.open]:
            return worst(open_)
        return State.WAITS if self.blocked_by else worst(found)

    @property
    def carried(self) -> bool:
        return self.state.carried
