# SPDX-License-Identifier: Apache-2.0
"""A module as data, and edits of it, so that the right result is known.

A module is a list of functions, an enum and a list of imports. Upstream and the
patch edit the data; the right result is both edits made to the data, without any
merge of text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random


@dataclass(frozen=True)
class Function:
    """A function; `body` are its statements."""

    name: str
    body: tuple[str, ...]

    def text(self) -> str:
        return "".join([f"def {self.name}(x):\n", *(f"    {s}\n" for s in self.body)])


@dataclass(frozen=True)
class Module:
    """What a file holds."""

    imports: tuple[str, ...]
    members: tuple[str, ...]
    functions: tuple[Function, ...]

    def text(self) -> str:
        head = "".join(f"from vllm.{name} import {name}\n" for name in self.imports)
        enum = "".join(f'    {name} = "{name}"\n' for name in self.members)
        parts = [f"class Kind(Enum):\n{enum}", *(f.text() for f in self.functions)]
        return f"from enum import Enum\n{head}\n\n" + "\n\n".join(parts)


Edit = Callable[[Module], Module]


def _statement(random: Random) -> str:
    return random.choice(
        ["x = x + 1", "check(x)", "x = step(x)", "return x", "log(x)"]
        + [f"x = f{random.randrange(40)}(x)" for _ in range(3)]
    )


def module(random: Random) -> Module:
    """A file, with twins in it half of the time."""
    names = [f"gate_{i}" for i in range(random.randrange(2, 6))]
    functions: list[Function] = []
    for name in names:
        body = tuple(_statement(random) for _ in range(random.randrange(2, 7)))
        if functions and random.random() < 0.5:
            body = random.choice(functions).body
        functions.append(Function(name, body))
    return Module(
        tuple(f"m{i}" for i in sorted(random.sample(range(9), 3))),
        tuple(f"K{i}" for i in sorted(random.sample(range(9), 4))),
        tuple(functions),
    )


def _pick(random: Random, base: Module) -> str:
    return random.choice(base.functions).name


def _on(name: str, change: Callable[[Function], Function]) -> Edit:
    def edit(now: Module) -> Module:
        return replace(
            now,
            functions=tuple(change(f) if f.name == name else f for f in now.functions),
        )

    return edit


def patch_edit(random: Random, base: Module) -> Edit:
    """What a patch of ours may do."""
    kind = random.choice(["statement", "insert", "add", "member", "import", "remove"])
    name = _pick(random, base)
    (function,) = [f for f in base.functions if f.name == name]
    at = random.randrange(len(function.body))
    if kind == "statement":
        new = f"x = ours(x, {random.randrange(99)})"

        def swap(f: Function) -> Function:
            where = _same_place(function, f, at)
            return replace(f, body=(*f.body[:where], new, *f.body[where + 1 :]))

        return _on(name, swap)
    if kind == "insert":

        def put(f: Function) -> Function:
            where = _same_place(function, f, at)
            return replace(f, body=(*f.body[:where], "ours(x)", *f.body[where:]))

        return _on(name, put)
    if kind == "add":
        made = Function("ours_only", tuple(_statement(random) for _ in range(3)))
        return lambda now: replace(now, functions=(*now.functions, made))
    if kind == "member":
        return lambda now: replace(now, members=(*now.members, "OURS"))
    if kind == "import":
        return lambda now: replace(now, imports=(*now.imports, "ours"))
    return lambda now: replace(
        now, functions=tuple(f for f in now.functions if f.name != name)
    )


class NoPlace(Exception):
    """Upstream's edit leaves no one right place for the patch's."""


def _same_place(base: Function, now: Function, at: int) -> int:
    """Where the statement of the base is now; upstream edits leave the rest alone."""
    if now.body == base.body:
        return at
    # Upstream's statements are told apart by their names.
    left = [i for i, s in enumerate(now.body) if "theirs" not in s]
    kept = [now.body[i] for i in left]
    if tuple(kept) == base.body:
        return left[at]
    raise NoPlace


def upstream_edit(random: Random, base: Module) -> Edit:
    """What upstream may do."""
    kind = random.choice(
        [
            "move",
            "rename",
            "insert",
            "rewrite",
            "delete",
            "twin",
            "member",
            "sort",
            "import",
            "reverse",
        ]
    )
    name = _pick(random, base)
    if kind == "move":
        to = random.randrange(len(base.functions))

        def move(now: Module) -> Module:
            (one,) = [f for f in now.functions if f.name == name]
            rest = [f for f in now.functions if f.name != name]
            return replace(now, functions=(*rest[:to], one, *rest[to:]))

        return move
    if kind == "rename":
        if name.endswith("_theirs"):
            return lambda now: now
        return _on(name, lambda f: replace(f, name=f"{f.name}_theirs"))
    if kind == "insert":
        new = f"theirs({random.randrange(99)})"
        return _on(name, lambda f: replace(f, body=(new, *f.body)))
    if kind == "rewrite":
        return _on(name, lambda f: replace(f, body=("theirs()", "return x")))
    if kind == "delete":
        return lambda now: replace(
            now, functions=tuple(f for f in now.functions if f.name != name)
        )
    if kind == "twin":
        to = random.randrange(len(base.functions) + 1)

        def twin(now: Module) -> Module:
            (one,) = [f for f in now.functions if f.name == name]
            copy = replace(one, name=f"{name}_copy_theirs")
            found = [*now.functions[:to], copy, *now.functions[to:]]
            return replace(now, functions=tuple(found))

        return twin
    if kind == "member":
        return lambda now: replace(now, members=("THEIRS", *now.members))
    if kind == "sort":
        return lambda now: replace(now, imports=tuple(reversed(now.imports)))
    if kind == "import":
        return lambda now: replace(now, imports=("theirs", *now.imports))
    return lambda now: replace(now, functions=tuple(reversed(now.functions)))


def right(base: Module, new: Module, mine: Edit) -> Module | None:
    """The patch's edit made to upstream's data, following a rename; or none."""
    touched = [f.name for f in base.functions if f not in mine(base).functions]
    renamed = {
        f.name: f.name.removesuffix("_theirs")
        for f in new.functions
        if f.name.endswith("_theirs") and "_copy" not in f.name
    }
    old_names = replace(
        new,
        functions=tuple(
            replace(f, name=renamed.get(f.name, f.name)) for f in new.functions
        ),
    )
    here = {f.name for f in old_names.functions}
    if any(
        name not in here and name in {g.name for g in mine(base).functions}
        for name in touched
    ):
        return None
    try:
        made = mine(old_names)
    except NoPlace:
        return None
    back = {old: now for now, old in renamed.items()}
    return replace(
        made,
        functions=tuple(
            replace(f, name=back.get(f.name, f.name)) for f in made.functions
        ),
    )
