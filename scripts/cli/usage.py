# SPDX-License-Identifier: Apache-2.0
"""A call that cannot be used, said as every other error, with the make form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from scripts import ROOT
from scripts.base.errors import Unusable

# typer has its own copy of click and shows this class of it alone.
Wrong: type[Exception] = typer.BadParameter.__mro__[1]
"""Every error of usage."""
_GIVEN = re.compile(
    r"\$\(call \w+,(?P<by>\w+),(?P<option>--[\w-]+)?\)|"
    r"(?:(?P<flag>--[\w-]+) )?\$\(call quoted,(?P<bare>\w+)\)"
)


def variables(verb: str, makefile: str) -> dict[str, str]:
    """What a target of the Makefile gives its verb: option to variable.

    An argument is named by the empty string.

    >>> rule = "x: y ## z\\n\\t@$(run) x $(call quoted,TO) $(call opt,GIT,--git)\\n"
    >>> variables("x", rule)
    {'': 'TO', '--git': 'GIT'}
    """
    rule = re.search(rf"^{re.escape(verb)}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    found = _GIVEN.finditer(rule[1]) if rule else ()
    return {m["option"] or m["flag"] or "": m["by"] or m["bare"] for m in found}


def given(args: Sequence[str]) -> list[str]:
    """Without empty values: `make port TO=` gives none.

    >>> given(["kernel-cache", "--arch", "", "--site", "/x", ""])
    ['kernel-cache', '--site', '/x']
    """
    kept: list[str] = []
    for arg in args:
        if arg:
            kept.append(arg)
        elif kept and kept[-1].startswith("--"):
            kept.pop()
    return kept


def alone(what: str, given: Mapping[str, object], taken: Iterable[str] = ()) -> None:
    """Refuse what would change nothing beside `what`, or contradicts it.

    Args:
        what: As make takes it, `RECORDED=1`.
        given: The other variables of make; one with a false value was not given.
        taken: Which of them go with it.

    Raises:
        Unusable: Another one was given.
    """
    taken = tuple(taken)
    if names := [name for name, value in given.items() if value and name not in taken]:
        raise Unusable(
            "these arguments do not go together",
            where=what,
            expected=f"{', '.join(taken) or 'nothing'} beside it",
            found=", ".join(names),
            next="leave one out: make help",
        )


def error(wrong: Any, args: Sequence[str], program: str) -> Unusable:
    """The five fields for an error of typer's.

    Args:
        wrong: An instance of `Wrong`.
        args: What was given.
        program: How it was called, without them.
    """
    context, param = wrong.ctx, getattr(wrong, "param", None)
    verb = context.command.name if context is not None and context.parent else None
    if verb is None:
        return Unusable(
            wrong.format_message().rstrip("."),
            where=" ".join([program, *args]),
            next=f"make, which lists every target, or {program} --help",
        )
    makefile = ROOT / "Makefile"
    text = makefile.read_text(encoding="utf-8") if makefile.is_file() else ""
    known = variables(verb, text)

    def shown(each: Any) -> str | None:
        option = next((o for o in each.opts if o.startswith("--")), "")
        name = known.get(option)
        return f"{name}=..." if name else None

    def call(each: Any) -> str:
        option = next((o for o in each.opts if o.startswith("--")), "")
        return f"{option} ...".strip()

    params = [p for p in context.command.params if p.required or p is param]
    by_make = [shown(p) for p in params]
    if verb and known and all(by_make):
        next_ = " ".join(["make", verb, *map(str, by_make)])
    else:
        next_ = " ".join([program, verb, *map(call, params)])
    missing = type(wrong).__name__ == "MissingParameter"
    return Unusable(
        f"{verb} was not told enough" if missing else f"{verb} cannot take this",
        where=shown(param) if param is not None else None,
        expected=getattr(param, "help", None),
        found="nothing" if missing else wrong.format_message(),
        next=f"{next_}   ({program} {verb} --help has an example)",
    )
