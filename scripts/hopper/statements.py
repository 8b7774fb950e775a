# SPDX-License-Identifier: Apache-2.0
"""A module of PTX taken apart into statements, as its grammar has them.

After NVIDIA's "Parallel Thread Execution ISA", chapter 4: a statement is a directive or
an instruction, may stand behind labels and a guard, and ends at a semicolon; several
may stand in a line. Nothing is skipped: what fits no statement is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property


class Untranslatable(ValueError):
    """No statement of PTX, or an instruction with no exact replacement on Hopper."""


_HIDDEN = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.S)
_SPACE = re.compile(r"\s*")
_LABEL = re.compile(r"[\w$]+\s*:(?!:)")
_BARE = re.compile(  # without a semicolon
    r"\.version\s+[\d.]+|\.target\s+\w+(?:\s*,\s*\w+)*|\.address_size\s+\d+"
    r'|\.file\s+\d+\s+"[^"\n]*"(?:\s*,\s*\d+\s*,\s*\d+)?'
    r"|\.loc\s+\d+\s+\d+\s+\d+(?:\s*,\s*function_name\s+[\w$]+(?:\s*\+\s*\d+)?"
    r"\s*,\s*inlined_at\s+\d+\s+\d+\s+\d+)?"
)
_NAME = r"%?[\w$]+(?:\.[\w$]+)*"
_WORDS = r"(?:\s*\.\w+(?:\s+\d+)?)*"  # types, and .align or .ptr with what they are of
_ONE = rf"\s*{_NAME}(?:<\d+>|\s*\[\d*\])?"
_SPACES = r"\.(?:reg|shared|global|local|const|param)\b"
_VARIABLE = rf"{_SPACES}{_WORDS}{_ONE}(?:\s*,{_ONE})*"
_PARAMETERS = rf"\(\s*(?:{_SPACES}{_WORDS}{_ONE}\s*,?\s*)*\)"
_LINKED = r"(?:\.(?:visible|extern|weak|common)\s+)*"
_HEAD = re.compile(
    rf"{_LINKED}\.(?:entry|func)\b\s*(?:{_PARAMETERS}\s*)?{_NAME}\s*(?:{_PARAMETERS})?"
    r"(?:\s*\.(?:reqntid|maxntid|minnctapersm|maxnreg|maxnctapersm|noreturn)\b"
    r"(?:\s+\d+(?:\s*,\s*\d+)*)?)*(?=\s*[{;])"
)
# With braces for the values that a variable begins with.
_DIRECTIVE = re.compile(
    rf'(?:{_LINKED}{_VARIABLE}\s*(?:=\s*(?:\{{[^;{{}}]*\}}|[\w$]+)\s*)?|\.pragma\s+"[^"]*"\s*);'
)
_INSTRUCTION = re.compile(
    r"(?P<guard>@!?[\w%$]+\s+)?(?P<name>[a-z][\w.:]*)(?P<operands>[^\w.:;][^;]*)?;"
)
_BRACED = re.compile(r"\{[^{}]*\}")
_WORD = r"[^][,(){}\s;]+"
_OPERAND = re.compile(
    rf"\s*(?:\{{([^{{}}]*)\}}|(\[[^\[\]]*\])|({_WORD}(?:\s*[-+|]\s*{_WORD})*))\s*(?:,|$)"
)
_GROUP = re.compile(rf"\s*(?:\{{([^{{}}]*)\}}|({_NAME}))\s*(?:,|$)")


@dataclass(frozen=True)
class Statement:
    """A statement and where it stands; comments are blanks in it."""

    start: int
    end: int
    text: str
    guard: str = ""
    name: str = ""
    """Of an instruction, with its modifiers; empty for a directive or a label."""
    operands: str = ""
    block: tuple[int, ...] = ()
    """The blocks that it stands in, each by its number; of an entry or a function that
    which it begins, where its parameters are."""

    def is_a(self, directive: str) -> bool:
        return not self.name and self.text.split(None, 1)[0] == directive

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """Registers, and whatever else has a name."""
        rest = f"{self.guard} {self.operands}" if self.name else self.text
        return frozenset(re.findall(r"%?[\w$]+", rest))

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Of each operand how many elements its braces have; 1 without, 0 of addresses.

        Raises:
            Untranslatable: One is something else.
        """
        found: list[int] = []
        at, text = 0, self.operands.strip()
        while at < len(text):
            one = _OPERAND.match(text, at)
            if one is None:
                raise Untranslatable(f"operands that are not known: {self.text}")
            found.append(0 if one[2] else (one[1] or "").count(",") + 1)
            at = one.end()
        return tuple(found)

    def groups(self) -> list[list[str]]:
        """Operands: of each its name, or those in its braces.

        Raises:
            Untranslatable: One is neither, as an address, or what has a sign.
        """
        found: list[list[str]] = []
        at, text = 0, self.operands.strip()
        while at < len(text):
            one = _GROUP.match(text, at)
            if one is None:
                raise Untranslatable(f"operands that are not known: {self.text}")
            names = [one[2]] if one[2] else [n.strip() for n in one[1].split(",")]
            if not all(re.fullmatch(_NAME, name) for name in names):
                raise Untranslatable(f"operands that are not known: {self.text}")
            found.append(names)
            at = one.end()
        return found


def statements(text: str) -> Iterator[Statement]:
    """Every statement, in order; braces that open or close a block are none.

    Raises:
        Untranslatable: What is found is no statement.
    """
    code = _HIDDEN.sub(_blank, text)
    at = _past(code, 0)
    blocks: list[int] = []
    count = 0
    while at < len(code):
        if code[at] in "{}":
            if code[at] == "{":
                blocks, count = [*blocks, count], count + 1
            else:
                blocks = blocks[:-1]
            at = _past(code, at + 1)
            continue
        for pattern in (_LABEL, _BARE, _HEAD, _DIRECTIVE, _INSTRUCTION):
            if found := pattern.match(code, at):
                break
        else:
            line = text.count("\n", 0, at) + 1
            raise Untranslatable(
                f"line {line} is no statement: {code[at : at + 200]!r}"
            )
        if re.search(r"[{}]", _BRACED.sub("", found[0])):
            raise Untranslatable(f"braces do not match: {found[0][:200]!r}")
        told = found.groupdict()
        yield Statement(
            at,
            found.end(),
            found[0],
            (told.get("guard") or "").strip(),
            told.get("name") or "",
            told.get("operands") or "",
            (*blocks, count) if pattern is _HEAD else (*blocks,),
        )
        at = _past(code, found.end())
        if pattern is _HEAD and code[at : at + 1] == ";":
            at = _past(code, at + 1)


def _blank(found: re.Match[str]) -> str:
    """Blanks for a comment, with its line ends; a string stays."""
    if found[0].startswith('"'):
        return found[0]
    return re.sub(r"[^\n]", " ", found[0])


def _past(code: str, at: int) -> int:
    space = _SPACE.match(code, at)
    assert space is not None
    return space.end()
