# SPDX-License-Identifier: Apache-2.0
"""Whether a use of a name means on another release what it meant where it was made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.merge.signature import Param
from scripts.port.names.used import Call, How, Use

COLLECTIONS = {"list", "tuple", "set", "frozenset", "dict"}


@dataclass(frozen=True)
class Change:
    """What is otherwise now."""

    what: str
    """Goes on after the name: `is ... now`."""
    severe: bool = True
    """Whether the use is wrong or may be; else a person has to read it."""


@dataclass(frozen=True)
class Bound:
    """Which parameter each argument goes to."""

    positional: tuple[str, ...]
    left: tuple[str, ...]
    """Parameters that keep their default."""
    problem: str = ""


def bind(call: Call, made: Definition, method: bool) -> Bound | None:
    """Give the arguments of a call to the parameters; None where nobody can say.

    >>> f = Definition("f", Sort.FUNCTION, (Param("a", None), Param("b", "1")))
    >>> bind(Call(1, (), False), f, False)
    Bound(positional=('a',), left=('b',), problem='')
    >>> bind(Call(3, (), False), f, False).problem
    'takes 2 by position, and is given 3'

    Args:
        call: The arguments.
        made: What is called.
        method: Whether its first parameter is given already.
    """
    if made.params is None:
        return None
    params = made.params[1:] if method else made.params
    if call.open:
        # Of what is hidden nobody knows the places; a name that is not taken is none.
        lost = () if "**" in made.more else {*call.names} - {p.name for p in params}
        return Bound((), (), f"has no parameter {min(lost)}") if lost else None
    places = [p for p in params if p.by_position]
    taken = tuple(p.name for p in places[: call.positional])
    problem = ""
    if call.positional > len(places) and "*" not in made.more:
        problem = f"takes {len(places)} by position, and is given {call.positional}"
    by_name = {p.name for p in params if p.by_name}
    for name in call.names:
        if name in taken:
            problem = problem or f"is given {name} twice"
        elif name not in by_name and "**" not in made.more:
            problem = problem or f"has no parameter {name}"
    given = {*taken, *call.names}
    left = [p for p in params if p.name not in given]
    for p in left:
        if p.default is None and not call.part:
            problem = problem or f"needs {p.name}"
    return Bound(taken, tuple(p.name for p in left), problem)


def changes(use: Use, old: Definition, new: Definition) -> Iterator[Change]:
    """What a use meets otherwise in `new` than in `old`."""
    if old == new or use.how is How.NAMED:
        return
    if old.again or new.again:
        yield from _set_on_self(use, old, new)
        return
    if old.sort is not new.sort:
        both = {old.sort, new.sort} == {Sort.FUNCTION, Sort.CLASS}
        if not (both and use.how in (How.CALLED, How.IMPORTED)):
            yield Change(f"was {old.sort.value} and is {new.sort.value} now")
            return
    for mark in sorted((old.marks ^ new.marks) - {"settable"}):
        word = "is" if mark in new.marks else "is not"
        yield Change(f"{word} {mark} now")
    hollow = _abstract(new) - _abstract(old)
    if old.sort is Sort.CLASS and use.how is How.CALLED and hollow and new.bases:
        names = ", ".join(sorted(hollow))
        yield Change(f"leaves {names} to the classes below it, and cannot be made now")
    if use.how is How.CALLED and use.call is not None:
        yield from _called(use.call, _method(use, old), _method(use, new), old, new)
    if old.sort is Sort.FUNCTION and use.how in (How.READ, How.LISTED):
        yield from _handed_on(old, new)
    if old.sort is Sort.CLASS or use.how is How.IMPORTED:
        return
    if old.literal and new.literal and old.literal != new.literal:
        yield Change(f"is a {new.literal} now, and not a {old.literal}")
    if _uncounted(old.gives, new.gives):
        return
    if old.gives != new.gives and not _listed(use, old, new):
        verb = "gives" if old.sort is Sort.FUNCTION else "is"
        known = bool(old.gives and new.gives)
        was, now = (d.gives or "something else" for d in (old, new))
        wider = known and _wider(old.gives, new.gives) and verb == "is"
        collection = {old.gives, new.gives} & COLLECTIONS
        if not wider:
            asked = use.how is How.LISTED  # any collection answers
            severe = known or (bool(collection) and not asked)
            yield Change(f"{verb} {now} now, and not {was}", severe)


def _handed_on(old: Definition, new: Definition) -> Iterator[Change]:
    """What whoever is given a function has to give it, and did not before."""
    if old.params is None or new.params is None:
        return
    known = {p.name for p in old.params}
    needed = [[p.name for p in m.params or () if p.default is None] for m in (old, new)]
    more = [name for name in needed[1] if name not in known]
    if more and len(needed[1]) > len(needed[0]):
        yield Change(f"is handed on, and needs {more[0]} now")


def _abstract(made: Definition) -> set[str]:
    return {n for n, one in made.members.items() if "abstractmethod" in one.marks}


def _uncounted(was: str, now: str) -> bool:
    """Whether nobody can tell how what is given differs.

    Of the one it is known how many values it gives, of the other what it says
    itself; or nothing was given, so that nobody used it.

    >>> _uncounted("a value", "int"), _uncounted("a value", "None")
    (True, False)
    >>> _uncounted("2 values", "int"), _uncounted("None", "a value")
    (False, True)
    """
    if was == "None":
        return True
    plain = "a value" in (was, now)
    other = now if was == "a value" else was
    return plain and other != "None" and not re.match(r"\d+ values|tuple\b", other)


def _set_on_self(use: Use, old: Definition, new: Definition) -> Iterator[Change]:
    """An attribute, of which only its name is known, that is a method on one side."""
    if len(use.parts) < 2 or {old.sort, new.sort} != {Sort.FUNCTION, Sort.VALUE}:
        return
    method = new if new.sort is Sort.FUNCTION else old
    if method.again or method.marks & {"property", "cached_property"}:
        return
    if use.how is How.CALLED and method is new:
        return  # what is set on `self` may be called, too
    yield Change(f"was {old.sort.value} and is {new.sort.value} now")


def _listed(use: Use, old: Definition, new: Definition) -> bool:
    """Whether all that is asked is what any collection can answer."""
    return (
        use.how is How.LISTED and old.gives in COLLECTIONS and new.gives in COLLECTIONS
    )


def _method(use: Use, made: Definition) -> bool:
    if "classmethod" in made.marks:
        return True
    return bool(use.owner or made.bound) and "staticmethod" not in made.marks


def _called(
    call: Call, was_method: bool, is_method: bool, old: Definition, new: Definition
) -> Iterator[Change]:
    before, after = bind(call, old, was_method), bind(call, new, is_method)
    if after is None or (before is not None and before.problem):
        return
    if after.problem:
        yield Change(f"{after.problem} now")
        return
    if before is None:
        return
    was = {p.name: p for p in old.params or ()}
    now = {p.name: p for p in new.params or ()}
    for a, b in zip(before.positional, after.positional, strict=False):
        if (
            a != b
            and {a, b} & {p.name for p in (old.params or ())[:99]}
            and (
                a in {p.name for p in new.params or ()}
                or b in {p.name for p in old.params or ()}
            )
        ):
            yield Change(f"takes the argument for {a} as {b} now")
            return
        if a != b and a in was and b in now and _otherwise(was[a], now[b]):
            yield Change(f"takes the argument for {a} as {b} now")
        elif a != b and _made_of(new, a, b):
            yield Change(f"is given {b} now, and makes {a} of it")
        elif a != b:
            yield Change(f"calls the argument for {a} {b} now", severe=False)
    for name in (*after.positional, *call.names):
        if name in was and name in now and _other(was[name], now[name]):
            kinds = f"{now[name].annotation}, and not {was[name].annotation}"
            yield Change(f"takes {name} as {kinds}")
    for name in after.left:
        if name in was and name in now and was[name].default != now[name].default:
            values = f"{now[name].default}, and not {was[name].default}"
            yield Change(f"has {name} = {values} where it is not given", severe=False)


def _made_of(made: Definition, name: str, given: str) -> bool:
    """Whether a function makes what it was given before of what it is given now."""
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)
        and any(isinstance(n, ast.Name) and n.id == given for n in ast.walk(node.value))
        for one in made.nodes
        for node in ast.walk(one)
    )


def _otherwise(was: Param, now: Param) -> bool:
    """Whether more than the name of a parameter is another: its kind or its default.

    >>> _otherwise(Param("bytes", "2"), Param("bits", "16"))
    True
    >>> _otherwise(Param("bytes", "2"), Param("width", "2"))
    False
    """
    return was.default != now.default or _other(was, now)


def _other(was: Param, now: Param) -> bool:
    a, b = was.annotation, now.annotation
    return bool(a and b) and a != b and not _wider(a, b)


def _wider(was: str, now: str) -> bool:
    """Whether an annotation takes all that another took.

    >>> _wider("int", "int | None"), _wider("int | None", "int")
    (True, False)
    """
    a, b = ({part.strip() for part in text.split("|")} for text in (was, now))
    return a <= b
