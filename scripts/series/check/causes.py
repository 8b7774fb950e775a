# SPDX-License-Identifier: Apache-2.0
"""One mistake, one error: what only follows from another problem is left out.

It is said in the next run, if it is still so once the cause is fixed.
"""

from __future__ import annotations

from collections.abc import Iterable

from scripts.series.check.form import NO_END
from scripts.series.check.problem import Problem, Rule, Severity

_LIST = "patches/series"
_HIDES = {
    # What a hand did to the diff is judged once the diff is one again.
    Rule.CHAIN: {
        *(Rule.WHITESPACE, Rule.SPDX, Rule.LICENCE),
        *(Rule.SYNTAX, Rule.RUFF, Rule.FORMAT),
    },
    Rule.BYTES: {Rule.PARSE},
    Rule.LICENCE: {Rule.SPDX},
    # Marks of a conflict are no Python; line ends are the formatter's, too.
    Rule.WHITESPACE: {Rule.SYNTAX, Rule.RUFF, Rule.FORMAT},
}
"""By rule, those that it explains in the same patch."""


def causes(problems: Iterable[Problem]) -> list[Problem]:
    """Those that no other one explains."""
    found = list(problems)
    gone: set[Rule] = set()
    errors = [p for p in found if p.severity is Severity.ERROR]
    rules = {p.rule for p in errors}
    # A list that is wrong makes another series: chain, numbers and tree follow it.
    if Rule.SERIES in rules:
        gone |= {Rule.CHAIN, Rule.TREE, Rule.TABLE}
    if any(p.rule is Rule.NAME and p.path == _LIST for p in errors):
        gone |= {Rule.CHAIN, Rule.TREE, Rule.TABLE}
    # Table and tree are written from patches that are in order.
    if rules - {Rule.TABLE, Rule.TREE}:
        gone |= {Rule.TABLE, Rule.TREE}
    if Rule.TREE in rules:
        gone.add(Rule.TABLE)
    kept = [p for p in found if p.rule not in gone]
    if Rule.SERIES in rules:
        kept = [p for p in kept if p.rule is not Rule.NAME or p.path != _LIST]
    return list(_plain(_one_order(_first(kept))))


def _first(problems: list[Problem]) -> Iterable[Problem]:
    """Without what another rule of the same patch explains.

    What git would write is asked of a series that holds, and of a patch with no
    other fault.
    """
    unread = {problem.path for problem in problems if problem.rule is Rule.PARSE}
    # Where a file was cut off, that is what matters.
    problems = [p for p in problems if p.path not in unread or p.message != NO_END]
    rules: dict[str, set[Rule]] = {}
    for problem in problems:
        rules.setdefault(problem.path, set()).add(problem.rule)
    broken = any({Rule.CHAIN, Rule.PARSE} & each for each in rules.values())
    for problem in problems:
        here = rules[problem.path]
        if problem.rule is Rule.CANONICAL and (broken or here != {Rule.CANONICAL}):
            continue
        if not any(problem.rule in _HIDES.get(rule, ()) for rule in here):
            yield problem


def _one_order(problems: Iterable[Problem]) -> Iterable[Problem]:
    """Of the numbers that are out of order, the first: the others follow."""
    said = False
    for problem in problems:
        if problem.rule is Rule.NAME and "belongs" in problem.message:
            if said:
                continue
            said = True
        yield problem


def _plain(problems: Iterable[Problem]) -> Iterable[Problem]:
    """Without what another rule says more plainly of the same line."""
    vague = {Rule.PARSE, Rule.BODY}
    found = list(problems)
    plain = {(p.path, p.line) for p in found if p.rule not in vague}
    for problem in found:
        if problem.rule not in vague or (problem.path, problem.line) not in plain:
            yield problem
