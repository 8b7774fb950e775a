# SPDX-License-Identifier: Apache-2.0
"""Mutants of the lines that the series adds.

The operators are the usual ones of the literature, one mutant a place, found on the
standard library's syntax tree and made in the text, so that all other lines stay.
Ready tools do not fit a foreign patched tree: mutmut wraps whole functions of a
source folder in trampolines of its own, and cosmic-ray starts the tests of each
mutant in a new process, where importing vLLM costs more than the tests.

Not mutated: text, annotations, what is logged, and the messages of errors.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True)
class Mutant:
    """One change of one place."""

    path: str
    line: int
    """Of the patched file, from 1."""
    text: str
    """That line, without outer blanks."""
    what: str
    """The operator, and for some what becomes of the place."""
    patch: str
    """Number of the patch that the line comes from."""
    nth: int
    """Which of the equal ones in its file, from 0."""
    source: str
    """The mutated file."""

    @property
    def key(self) -> str:
        """Its name in records; the same when its line moves."""
        words = f"{self.path}\n{self.text}\n{self.what}\n{self.nth}"
        return sha256(words.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Edit:
    """`node` replaced by `text`."""

    node: ast.expr | ast.stmt
    what: str
    text: str


_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


def mutants(path: str, source: str, owned: Sequence[str | None]) -> list[Mutant]:
    """All mutants of the lines of `source` that a patch owns, in order.

    Raises:
        SyntaxError: `source` is not Python.
    """
    data = source.encode()
    rows = data.split(b"\n")
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row) + 1)
    found: list[Mutant] = []
    seen: Counter[tuple[str, str]] = Counter()
    for edit in _walk(ast.parse(source)):
        node = edit.node
        patch = owned[node.lineno - 1]
        if patch is None:
            continue
        text = rows[node.lineno - 1].decode().strip()
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        if edit.what == "decorator dropped":
            start -= 1  # its @
        made = (data[:start] + edit.text.encode() + data[end:]).decode()
        nth = seen[text, edit.what]
        seen[text, edit.what] += 1
        found.append(Mutant(path, node.lineno, text, edit.what, patch, nth, made))
    return found


def _walk(node: ast.AST) -> Iterator[Edit]:
    yield from _edits(node)
    for child in _inside(node):
        yield from _walk(child)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Children in which a change counts."""
    match node:
        case ast.Expr(value=value) if _is_talk(value):
            return
        case ast.Raise() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
            yield from orelse
        case (
            ast.FunctionDef(args=args, body=body)
            | ast.AsyncFunctionDef(args=args, body=body)
        ):
            yield from args.defaults
            yield from (d for d in args.kw_defaults if d is not None)
            yield from body
        case ast.AnnAssign(value=value):
            yield from [value] if value else []
        case ast.Subscript(value=value, slice=slice_):
            yield value
            # Between the brackets of a type stand no values.
            if not (isinstance(value, ast.Name) and value.id[:1].isupper()):
                yield slice_
        case _:
            yield from ast.iter_child_nodes(node)


def _is_talk(value: ast.expr) -> bool:
    """Whether an expression is a docstring, or something said to a log."""
    match value:
        case ast.Constant():
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"))):
            return True
    return False


def _edits(node: ast.AST) -> Iterator[Edit]:
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in _COMPARE:
            new = copy(node)
            new.ops = [_COMPARE[type(op)](), *node.ops[1:]]
            yield Edit(node, f"compare {type(new.ops[0]).__name__}", _expr(new))
        case ast.BoolOp(op=both):
            other = copy(node)
            other.op = ast.Or() if isinstance(both, ast.And) else ast.And()
            yield Edit(node, f"boolean {type(other.op).__name__}", _expr(other))
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC and not _is_type(node):
            sum_ = copy(node)
            sum_.op = _ARITHMETIC[type(op)]()
            yield Edit(node, f"arithmetic {type(sum_.op).__name__}", _expr(sum_))
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield Edit(node, "unary dropped", _expr(operand))
        case ast.Constant(value=bool(value)):
            yield Edit(node, f"constant {not value}", str(not value))
        case ast.Constant(value=int(number)):
            yield Edit(node, "constant + 1", _expr(ast.Constant(number + 1)))
        case ast.Return(value=value) if value and not _is_no(value):
            yield Edit(node, "return None", "return None")
        case ast.Call(func=func, args=args, keywords=keywords):
            starred = any(isinstance(a, ast.Starred) for a in args[:2])
            if len(args) > 1 and not starred and not _has_no_order(func, args):
                call = ast.Call(func, [args[1], args[0], *args[2:]], keywords)
                yield Edit(node, "arguments swapped", ast.unparse(call))
            for at, keyword in enumerate(keywords):
                rest = [*keywords[:at], *keywords[at + 1 :]]
                call = ast.Call(func, args, rest)
                yield Edit(node, f"without {keyword.arg}=", ast.unparse(call))
    yield from _statements(node)


def _statements(node: ast.AST) -> Iterator[Edit]:
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            # Its own operator does the same to a comparison or a negation.
            single = isinstance(test, ast.Compare) and len(test.ops) == 1
            if (
                not single
                and not isinstance(test, ast.UnaryOp)
                and not _is_typing(test)
            ):
                yield Edit(test, "condition negated", f"(not {_expr(test)})")
        case ast.Expr(value=ast.Call() as call) if not _is_talk(call):
            yield Edit(node, "statement dropped", "pass")
        case ast.AugAssign() | ast.Raise() | ast.Delete():
            yield Edit(node, "statement dropped", "pass")
        case ast.Continue() | ast.Break():
            yield Edit(node, "statement dropped", "pass")
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield Edit(node, "statement dropped", "pass")
        case ast.FunctionDef() | ast.ClassDef():
            for decorator in node.decorator_list:
                yield Edit(decorator, "decorator dropped", "")


def _expr(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _has_no_order(func: ast.expr, args: Sequence[ast.expr]) -> bool:
    """Whether a call's first two arguments are equal, or those of `min` or `max`."""
    if ast.dump(args[0]) == ast.dump(args[1]):
        return True
    return isinstance(func, ast.Name) and func.id in ("min", "max")


def _is_no(node: ast.expr) -> bool:
    """Whether a value is None, or False: to a caller's `if` these are one."""
    return isinstance(node, ast.Constant) and any(
        node.value is no for no in (None, False)
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_typing(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"


def _is_type(node: ast.BinOp) -> bool:
    """Whether `a | b` is a union of types."""
    return isinstance(node.op, ast.BitOr) and (
        _is_none(node.right) or _is_none(node.left)
    )
