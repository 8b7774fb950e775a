# SPDX-License-Identifier: Apache-2.0
"""PTX for sm_120a or sm_121a as PTX for sm_90a that computes the same.

Hopper lacks a few instructions that FlashInfer's SM12x kernels use. Each is replaced by
a call of one of the functions in helpers.ptx, or by two instructions; nothing else of a
kernel changes. What stays is in has.ptx, by name, modifiers and operands, which ptxas
takes for sm_90a; an instruction that is neither there nor replaced is an error.
Semantics are those of NVIDIA's "Parallel Thread Execution ISA", version 9: mma with
block scaling, cvt, and the packed f32x2 arithmetic.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts.hopper.statements import Statement, Untranslatable, statements

HELPERS = Path(__file__).with_name("helpers.ptx")
HAS = Path(__file__).with_name("has.ptx")
SOURCES = ("sm_120a", "sm_121a")
TARGET = "sm_90a"

_MMA = (
    "mma.sync.aligned.kind::mxf4nvf4.block_scale.scale_vec::4X"
    ".m16n8k64.row.col.f32.e2m1.e2m1.f32.ue4m3"
)
_TO_E2M1 = "cvt.rn.satfinite.e2m1x2.f32"
_FROM_E2M1 = "cvt.rn.f16x2.e2m1x2"
_SET_TO_0 = re.compile(r"mov\.[bsu](?:16|32)\s+(%?[\w$]+)\s*,\s*0\s*;")


@dataclass(frozen=True)
class Translated:
    """PTX for sm_90a, and how often each instruction was replaced in it."""

    text: str
    counts: dict[str, int]


def translate(text: str) -> Translated:
    """Replace what Hopper lacks.

    Args:
        text: A module of PTX whose target is sm_120a or sm_121a.

    Raises:
        Untranslatable: An instruction is not known here, a scale selector is not 0 by
            a statement above it and nothing else, or a text is no statement; the
            message has it.
    """
    if own := re.search(r"\bhopper_\w+", text):
        raise Untranslatable(f"{own[0]} is a name that the translation gives")
    read = [*statements(text)]
    _once(read, ".target", SOURCES)
    _once(read, ".address_size", ("64",))
    registers = Registers(read)
    counts: Counter[str] = Counter()
    made, at = [], 0
    for one in read:
        new = _instead(one, registers, counts)
        if new is not None:
            made += [text[at : one.start], new]
            at = one.end
    made.append(text[at:])
    return Translated("".join(made), dict(sorted(counts.items())))


_SHARES = {f"setmaxnreg.{way}.sync.aligned.u32" for way in ("inc", "dec")}


def _once(read: list[Statement], directive: str, allowed: tuple[str, ...]) -> None:
    found = [one.text.split(None, 1)[1:] for one in read if one.is_a(directive)]
    values = [value.strip() for rest in found for value in rest]
    if len(values) != 1 or values[0] not in allowed:
        raise Untranslatable(f"{directive} is {values}, not one of {allowed}")


def _instead(one: Statement, registers: Registers, counts: Counter[str]) -> str | None:
    """What stands there in the translation; None if it stays as it is."""
    if one.is_a(".target"):
        return f".target {TARGET}"
    if one.is_a(".address_size"):
        return f"{one.text}\n\n{HELPERS.read_text(encoding='utf-8')}\n"
    name = one.name
    if name in _SHARES and len(one.shape) == 1 and not one.guard:
        # Where registers are, not what is in them: 160 to 320 threads of a block
        # have enough of Hopper's.
        counts["setmaxnreg"] += 1
        return f"/* {name} is left out */"
    if not name:
        return None
    replace = _KNOWN.get(name) or _packed(name)
    if replace is None:
        if (shapes := there().get(name)) is None:
            raise Untranslatable(f"{name} is not known: {one.text}")
        if one.shape not in shapes:
            raise Untranslatable(f"{name} has other operands than known: {one.text}")
        return None
    if one.guard:
        raise Untranslatable(f"{name} has a guard: {one.text}")
    counts[name] += 1
    return replace(one, registers)


@cache
def there() -> dict[str, frozenset[tuple[int, ...]]]:
    """Instructions that Hopper has, and the shapes of their operands."""
    found: dict[str, set[tuple[int, ...]]] = {}
    for one in statements(HAS.read_text(encoding="utf-8")):
        if one.name:
            found.setdefault(one.name, set()).add(one.shape)
    return {name: frozenset(shapes) for name, shapes in found.items()}


_DECLARED = re.compile(r"\.reg\s+\.\w+\s+([^;()]+)")
_NAMES = re.compile(r"(%?[\w$]+)(?:<(\d+)>)?")
_Register = tuple[tuple[int, ...], str]
"""The block that declares it, and its name."""


class Registers:
    """Which are set to 0, and are nowhere else but in scale selectors.

    One is told from another of its name by the block that declares it.
    """

    def __init__(self, read: list[Statement]) -> None:
        self.declared: dict[tuple[int, ...], set[str]] = {}
        for one in read:
            for found in () if one.name else _DECLARED.finditer(one.text):
                names = self.declared.setdefault(one.block, set())
                for name, count in _NAMES.findall(found[1]):
                    names.update(f"{name}{n}" for n in range(int(count or 0)))
                    names.add(name)
        zero: dict[_Register | None, int] = {}
        other: set[_Register | None] = {None}
        for one in read:
            if one.name == _MMA:
                for number, group in enumerate(one.groups()):
                    if number not in _SELECTORS:
                        other.update(self._of(one, name) for name in group)
            elif assigned := _SET_TO_0.fullmatch(one.text):
                zero.setdefault(self._of(one, assigned[1]), one.start)
            elif not one.is_a(".reg"):
                other.update(self._of(one, name) for name in one.mentioned)
        self.zeros = {of: at for of, at in zero.items() if of not in other}
        """Where the text first sets it."""

    def _of(self, one: Statement, name: str) -> _Register | None:
        """The register that the statement means; None if no block declares it."""
        for end in range(len(one.block), -1, -1):
            if name in self.declared.get(one.block[:end], ()):
                return one.block[:end], name
        return None

    def is_0(self, one: Statement, name: str) -> bool:
        """Whether the statement's register of that name was set to 0 above it."""
        return self.zeros.get(self._of(one, name), one.start) < one.start


def _sized(one: Statement, *sizes: int) -> list[list[str]]:
    """The operands of a statement, which have so many elements each."""
    groups = one.groups()
    if [len(group) for group in groups] != [*sizes]:
        raise Untranslatable(f"{one.name} has other operands than known: {one.text}")
    return groups


_SELECTORS = (5, 7)
"""Among the operands of the matrix instruction: byte and thread of A's scales, B's."""


def _mma(one: Statement, registers: Registers) -> str:
    d, a, b, c, scale_a, of_a, scale_b, of_b = _sized(one, 4, 4, 2, 4, 1, 2, 1, 2)
    for selector in (*of_a, *of_b):
        if selector != "0" and not registers.is_0(one, selector):
            raise Untranslatable(f"a scale selector of {_MMA} may not be 0: {selector}")
    given = ", ".join([*a, *b, *c, *scale_a, *scale_b])
    return f"call ({', '.join(d)}), hopper_mma_mxf4nvf4, ({given});"


def _to_e2m1(one: Statement, _: Registers) -> str:
    (to,), (high,), (low,) = _sized(one, 1, 1, 1)
    return (
        f"{{ .reg .b32 hopper_t; call (hopper_t), hopper_to_e2m1x2, ({high}, {low});"
        f" cvt.u8.u32 {to}, hopper_t; }}"
    )


def _from_e2m1(one: Statement, _: Registers) -> str:
    (to,), (byte,) = _sized(one, 1, 1)
    return (
        f"{{ .reg .b32 hopper_t; cvt.u32.u8 hopper_t, {byte};"
        f" call ({to}), hopper_from_e2m1x2, (hopper_t); }}"
    )


_Replace = Callable[[Statement, Registers], str]
_KNOWN: dict[str, _Replace] = {
    _MMA: _mma,
    _TO_E2M1: _to_e2m1,
    _FROM_E2M1: _from_e2m1,
}
_PACKED = re.compile(r"(mul|add|sub|fma)((?:\.rn)?)((?:\.ftz)?)\.f32x2")


def _packed(name: str) -> _Replace | None:
    """Two 32-bit operations in the place of a packed one; .rn is its default."""
    found = _PACKED.fullmatch(name)
    if found is None:
        return None
    scalar = f"{found[1]}.rn{found[3]}.f32"
    count = 4 if found[1] == "fma" else 3

    def replace(one: Statement, _: Registers) -> str:
        (to,), *given = _sized(one, *[1] * count)
        halves = [[f"hopper_{side}{n}" for n in range(len(given))] for side in "lh"]
        names = ", ".join(name for half in halves for name in half)
        lines = [f"{{ .reg .b32 {names};"]
        for n, (operand,) in enumerate(given):
            lines.append(f"mov.b64 {{hopper_l{n}, hopper_h{n}}}, {operand};")
        lines += [f"{scalar} {half[0]}, {', '.join(half)};" for half in halves]
        return " ".join([*lines, f"mov.b64 {to}, {{hopper_l0, hopper_h0}}; }}"])

    return replace


def entries(text: str) -> Iterator[str]:
    """Names of the kernels in a module of PTX."""
    for one in statements(text):
        if found := re.match(r"(?:\.\w+\s+)*\.entry\s+([\w$]+)", one.text):
            yield found[1]
