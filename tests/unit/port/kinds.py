# SPDX-License-Identifier: Apache-2.0
"""The corpus and the held-out set by kind of upstream's change, tool beside tool."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.unit.port.corpus import CHAINS, CORPUS
from tests.unit.port.corpus_fifth import LEFT_FIFTH
from tests.unit.port.corpus_fourth import LEFT_FOURTH
from tests.unit.port.corpus_newcomer import LEFT
from tests.unit.port.corpus_ninth import LEFT_NINTH
from tests.unit.port.corpus_released import LEFT_RELEASED
from tests.unit.port.corpus_second import LEFT_SECOND
from tests.unit.port.corpus_seventh import LEFT_SEVENTH
from tests.unit.port.corpus_sixth import LEFT_SIXTH
from tests.unit.port.corpus_third import LEFT_THIRD
from tests.unit.port.corpus_twelfth import LEFT_TWELFTH
from tests.unit.port.heldout import HELD_OUT, HELD_OUT_SERIES
from tests.unit.port.judge import (
    PEERS,
    Verdict,
    by_port,
    carried,
    mails,
    peer,
    repository,
    verdict,
)
from tests.unit.port.model import Change, Series
from tests.unit.small import git

OURS = "make port"
STANDS = "stands on what waits"
HELD = "held out: "
"""What stands before a kind of the first set that the port was not taught on."""
OPEN = "left open: "
"""What stands before a kind of cases that have an answer, and are refused."""

LEFT_OPEN = (
    *LEFT,
    *LEFT_SECOND,
    *LEFT_THIRD,
    *LEFT_FOURTH,
    *LEFT_FIFTH,
    *LEFT_SIXTH,
    *LEFT_SEVENTH,
    *LEFT_NINTH,
    *LEFT_TWELFTH,
    *LEFT_RELEASED,
)

WHY_LEFT: Mapping[str, tuple[str, ...]] = {
    "both change lines that touch, and neither side's are the elements of a "
    "collection: whose come first is not known; git stops there, too": (
        "a full list ends the loop before our line",
        "another error is caught around our line",
        "12: what is caught is another error, and it goes on",
        "12: the local that we use is counted in other units",
        "both add an attribute at the same place",
        "a parameter by name only stands where ours goes",
        "a call of one line became one of many",
    ),
    "branches that changed places, or a body that was indented, are other lines to "
    "text and to syntax: to follow them a test must be proved to be the contrary": (
        "branches change places with their test",
        "12: the branches change places",
        "both tests of a pair are turned, and so is how they are joined",
        "the branch is one of three, behind its contrary",
        "what our branch is for is refused above",
        "two of one name exchange their branches",
        "all of a function stands in a try now",
        "CMake: the guard around an extension went",
    ),
    "the target is in another function, class or file under another name, and more "
    "than one holds it: two candidates are a conflict": (
        "class renamed, and its old name stands for it",
        "its body is a helper's, which it calls",
        "a class and its twin go to a file each",
        "the test around one of two alike blocks changed",
    ),
    "the target is in another file now, and its old file is still there: a person "
    "enters it in the file that the report names": (
        "a function moved and is imported where it was",
        "a function went to a file beside",
    ),
    "upstream imports no more what only ours needs now: the report names it, and who "
    "ports imports it again or does without": ("an import that ours needs went",),
    "most of the change is upstream, and what is left may be wanted or not: a person "
    "is shown what is missing": (
        "one of two changes landed, its docstring worded otherwise",
        "a helper of each, of two names",
        "the line that we add is in another function, too",
        "the entry that we take out went, and another with it",
        "absorbed: the same branch of another function is none",
        "absorbed: one of two fields",
    ),
    "the kind or the order of a collection changed, or all its members are listed "
    "elsewhere: what ours would be there is for a person": (
        "dict is made of pairs by a comprehension now",
        "the order that we change is put in another one behind",
        "a match of all members comes in another file",
    ),
}
"""Why cases that have an answer are refused; each name is one of those left open."""


@dataclass
class Tally:
    """Verdicts by kind and tool."""

    cells: dict[str, dict[str, Counter[Verdict]]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """Cases that the port got wrong, by kind and name."""
    refused: list[str] = field(default_factory=list)
    """Cases that it refused, though there is a right answer."""

    def add(self, kind: str, tool: str, found: Verdict, name: str) -> None:
        row = self.cells.setdefault(kind, {})
        row.setdefault(tool, Counter())[found] += 1
        if tool == OURS and found in (Verdict.WRONG, Verdict.READ):
            self.wrong.append(f"{kind}: {name}: {found.value}")
        if tool == OURS and found is Verdict.REFUSED:
            self.refused.append(f"{kind}: {name}")

    def total(self, tool: str, label: str) -> Counter[Verdict]:
        """Of one tool, on the corpus, the held-out set or what is left open.

        Args:
            tool: Its name.
            label: What stands before the kinds; empty for the corpus.
        """
        found: Counter[Verdict] = Counter()
        for kind, row in self.cells.items():
            if label == next((x for x in (HELD, OPEN) if kind.startswith(x)), ""):
                found.update(row.get(tool, Counter()))
        return found

    @property
    def tools(self) -> list[str]:
        """Those that are installed, ours first."""
        return list(dict.fromkeys(t for row in self.cells.values() for t in row))


def tally() -> Tally:
    """Every case by every tool that is installed; takes some minutes."""
    found = Tally()
    for held, cases, chains in (
        ("", CORPUS, CHAINS),
        (HELD, HELD_OUT, HELD_OUT_SERIES),
        (OPEN, LEFT_OPEN, ()),
    ):
        for case in cases:
            with TemporaryDirectory(prefix="sm12x-kinds-") as home:
                for tool, answer in _one(case, Path(home)):
                    found.add(held + case.kind, tool, answer, case.name)
        for chain in chains:
            with TemporaryDirectory(prefix="sm12x-kinds-") as home:
                for tool, answer in _chain(chain, Path(home)):
                    found.add(held + STANDS, tool, answer, chain.name)
    return found


def _one(case: Change, home: Path) -> Iterable[tuple[str, Verdict]]:
    mail = repository(case, home / "repo")
    yield OURS, verdict(case, by_port(case, mail))
    for name in PEERS:
        copy = Path(shutil.copytree(home / "repo", home / name, symlinks=True))
        git(copy, "checkout", "-q", "upstream")
        answer = peer(name, case, copy, mail)
        if answer is not None:
            yield name, verdict(case, answer)


def _chain(chain: Series, home: Path) -> Iterable[tuple[str, Verdict]]:
    made = mails(chain, home)
    mine = carried([patch for patch, _ in made], chain.base, chain.upstream)
    yield OURS, _of_chain(chain.carried, [p.carried for p in mine])
    for name in PEERS:
        applied: list[bool] = []
        for number, (change, (_, mail)) in enumerate(
            zip(chain.changes, made, strict=True), 1
        ):
            copy = home / name / str(number)
            shutil.copytree(home / str(number), copy, symlinks=True)
            git(copy, "checkout", "-q", "upstream")
            answer = peer(name, change, copy, mail)
            if answer is None:
                break
            applied.append(answer.tree is not None)
        else:
            yield name, _of_chain(chain.carried, applied)


def _of_chain(wanted: Sequence[bool], found: Sequence[bool]) -> Verdict:
    """Wrong where a patch is called carried that stands on one that waits."""
    if any(f and not w for w, f in zip(wanted, found, strict=True)):
        return Verdict.WRONG
    return Verdict.RIGHT if tuple(wanted) == tuple(found) else Verdict.REFUSED


def table(found: Tally) -> str:
    """A row a kind, a column a tool: right, refused, wrong."""
    tools = found.tools
    rows = [f"{'right, refused, wrong':<44}" + "".join(f"{t:>17}" for t in tools)]
    for kind, row in found.cells.items():
        rows.append(f"{kind:<44}" + "".join(_cell(row.get(t)) for t in tools))
    for title, label in (
        ("all of the corpus", ""),
        ("all that was held out", HELD),
        ("all that is left open", OPEN),
    ):
        cells = "".join(_cell(found.total(tool, label)) for tool in tools)
        rows.append(f"{title:<44}{cells}")
    rows += [f"  {OURS} wrong: {name}" for name in found.wrong]
    rows += [f"  {OURS} refused: {name}" for name in found.refused]
    missing = [name for name in PEERS if name not in tools]
    rows += [f"  {name}: not installed, not run" for name in missing]
    return "\n".join(rows)


def _cell(counts: Mapping[Verdict, int] | None) -> str:
    found = Counter(counts or {})
    wrong = found[Verdict.WRONG] + found[Verdict.READ]
    return f"{found[Verdict.RIGHT]:>9} {found[Verdict.REFUSED]:>3} {wrong:>3}"


def as_data(found: Tally) -> list[dict[str, object]]:
    """What the table says, for machines."""
    return [
        {
            "kind": kind,
            "tool": tool,
            **{verdict.name.lower(): counts[verdict] for verdict in Verdict},
        }
        for kind, row in found.cells.items()
        for tool, counts in row.items()
    ]
