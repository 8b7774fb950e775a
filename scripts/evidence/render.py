# SPDX-License-Identifier: Apache-2.0
"""What was found, as text for a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scripts.evidence.main import HARDWARE, Evidence, Killing
from scripts.selection.report import columns

HEAD = (
    *("patch", "test that needs it", "dependents", "breaks of others"),
    *("mutants killed", "off-target change", "on an SM12x GPU"),
)


def rows(found: Evidence) -> list[tuple[str, ...]]:
    """One row a patch, under `HEAD`."""
    made: list[tuple[str, ...]] = []
    for leave in found.leaves:
        first, *more = leave.tests
        test = first.rpartition("::")[2] + (f" and {len(more)} more" if more else "")
        needs = "none notices" if set(leave.unmoved) == set(leave.tests) else test
        made.append(
            (
                leave.number,
                needs,
                " ".join(d.number for d in leave.without.dependents) or "-",
                str(len(leave.strangers) or "none"),
                _killed(found, leave.number),
                found.off_target,
                HARDWARE,
            )
        )
    return made


def _killed(found: Evidence, number: str) -> str:
    if measured := found.mutants.get(number):
        return f"{measured.killed} of {measured.total}"
    return "none to make" if number in found.unchangeable else "not measured"


def notes(found: Evidence) -> list[str]:
    """What the table rests on."""
    theirs = found.theirs
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(theirs.counts.items()))
    equal = sum(each.equivalent for each in found.mutants.values())
    names = ", ".join(test.rpartition("::")[2] for test in found.spawning)
    apart = f"What {names} do in processes that they start is not measured, so that "
    return [
        "Each patch was left out, with its dependents: the tests of all others end as "
        "with it; its own pass at its place and fail when its code is taken away.",
        *([apart + "of others' absence they were not asked."] if names else []),
        f"Off target, of the whole series: {found.asked:,} selections, the imports, "
        f"and upstream's tests in {len(theirs.files)} files ({counts}), on both trees.",
        f"{len(theirs.not_run)} more files of upstream's import a touched module and "
        "were not run: most need a GPU.",
        f"Mutants: of records/mutants.json; {equal} argued equivalent are not counted. "
        "None can be made of patches of names, text or tests alone; those "
        "without a count were not measured on the lines they have.",
        "All of it on a CPU. Nothing ran on an SM12x GPU.",
    ]


def text(found: Evidence) -> str:
    """For a terminal."""
    title = f"What each patch of vLLM {found.version} is needed for"
    return "\n".join([title, "", *columns([HEAD, *rows(found)]), "", *notes(found)])


def markdown(found: Evidence) -> str:
    """For a page."""
    table = [HEAD, tuple("---" for _ in HEAD), *rows(found)]
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([*lines, "", *(f"- {each}" for each in notes(found))])


def killing(found: Killing) -> str:
    """The mutants of each patch, and every survivor with its line."""
    head = ("patch", "killed", "of", "equivalent", "share")
    table: Sequence[Iterable[str]] = [
        (
            *(number, str(each.killed), str(each.total), str(each.equivalent)),
            f"{each.killed / each.total:.0%}" if each.total else "-",
        )
        for number, each in found.patches.items()
    ]
    lines = columns([head, *table])
    for number, each in found.patches.items():
        for survivor in each.survivors:
            lines += [
                f"{number} survived: {survivor['where']} {survivor['what']} "
                f"(key {survivor['key']})",
                f"    {survivor['line']}",
            ]
    share = found.killed / found.total if found.total else 0.0
    return "\n".join([*lines, f"{found.killed} of {found.total} killed, {share:.1%}"])
