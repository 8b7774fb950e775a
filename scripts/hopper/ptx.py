# SPDX-License-Identifier: Apache-2.0
"""PTX for sm_120a or sm_121a as PTX for sm_90a that computes the same.

Hopper lacks a few instructions that FlashInfer's SM12x kernels use. Each is replaced by
a call of one of the functions in helpers.ptx, or by two instructions; nothing else of a
kernel changes. Semantics are those of NVIDIA's "Parallel Thread Execution ISA", version
9: mma with block scaling, cvt, and the packed f32x2 arithmetic.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HELPERS = Path(__file__).with_name("helpers.ptx")
SOURCES = ("sm_120a", "sm_121a")
TARGET = "sm_90a"

_MMA = (
    "mma.sync.aligned.kind::mxf4nvf4.block_scale.scale_vec::4X"
    ".m16n8k64.row.col.f32.e2m1.e2m1.f32.ue4m3"
)
_TO_E2M1 = "cvt.rn.satfinite.e2m1x2.f32"
_FROM_E2M1 = "cvt.rn.f16x2.e2m1x2"
# What an instruction that came after sm_90 has in its name. Not the whole of PTX: what
# is in no line here, ptxas refuses by name.
_LATER = re.compile(
    r"tcgen05|\.kind::|\.block_scale|\.scale_vec|e2m1|e2m3|e3m2|ue8m0|ue4m3|f32x2"
    r"|\.scaled::|s2f6|clusterlaunchcontrol|\.b6x16|\.b4x16"
)
_TARGET = re.compile(r"^\.target[ \t]+(\S+)[ \t]*$", re.M)
_STATEMENT = re.compile(
    r"(?P<lead>^[ \t]*)(?P<guard>@!?%\w+[ \t]+)?"
    r"(?P<name>[a-z][\w.:]*)(?P<operands>[ \t][^;]*)?;",
    re.M,
)


class Untranslatable(ValueError):
    """Hopper lacks the instruction, and no exact replacement of it is known."""


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
        Untranslatable: An instruction is not known here, or a scale selector is other
            than 0; the message has the statement.
    """
    targets = _TARGET.findall(text)
    if len(targets) != 1 or targets[0] not in SOURCES:
        raise Untranslatable(f"the target is {targets}, not one of {SOURCES}")
    counts: Counter[str] = Counter()
    zeros = _Zeros(text)

    def one(found: re.Match[str]) -> str:
        name = found["name"]
        if name.startswith("setmaxnreg."):
            # Where registers are, not what is in them: 160 to 320 threads of a block
            # have enough of Hopper's.
            counts[name.split(".")[0]] += 1
            return f"{found['lead']}// {name} is left out"
        if not _LATER.search(name):
            return found[0]
        replace = _KNOWN.get(name) or _packed(name)
        if replace is None:
            raise Untranslatable(f"{name} is not known: {found[0].strip()}")
        if found["guard"]:
            raise Untranslatable(f"{name} has a guard: {found[0].strip()}")
        counts[name] += 1
        return found["lead"] + replace(found["operands"] or "", zeros)

    body = _STATEMENT.sub(one, text)
    body = _TARGET.sub(f".target {TARGET}", body)
    head, size, rest = body.partition(".address_size 64\n")
    if not size:
        raise Untranslatable("there is no .address_size 64")
    helpers = HELPERS.read_text(encoding="utf-8")
    return Translated(f"{head}{size}\n{helpers}\n{rest}", dict(sorted(counts.items())))


class _Zeros:
    """Registers to which nothing but 0 is ever written."""

    def __init__(self, text: str) -> None:
        self.other: set[str] = set()
        self.zero: set[str] = set()
        for found in _STATEMENT.finditer(text):
            to, _, rest = _destination(found["operands"] or "")
            plain = found["name"].startswith("mov.") and rest == "0"
            (self.zero if plain else self.other).update(to)

    def __contains__(self, operand: str) -> bool:
        written = operand in self.zero and operand not in self.other
        return operand == "0" or written


def _destination(operands: str) -> tuple[list[str], str, str]:
    """Registers of the first operand, which most statements write, and the rest."""
    text = operands.strip()
    if text.startswith("{"):
        first, comma, rest = text.partition("}")
    else:
        first, comma, rest = text.partition(",")
    return _operands(first), comma, rest.strip(" \t,")


def _operands(text: str) -> list[str]:
    """The operands of a statement, those in braces taken apart."""
    return re.findall(r"%?[\w$.]+", text)


def _mma(operands: str, zeros: _Zeros) -> str:
    names = _operands(operands)
    if len(names) != 20:
        raise Untranslatable(f"{_MMA} has operands that are not known:{operands}")
    d, a, b, c = names[:4], names[4:8], names[8:10], names[10:14]
    (scale_a, byte_a, thread_a), (scale_b, byte_b, thread_b) = names[14:17], names[17:]
    for selector in (byte_a, thread_a, byte_b, thread_b):
        if selector not in zeros:
            raise Untranslatable(f"a scale selector of {_MMA} is not 0: {selector}")
    given = ", ".join([*a, *b, *c, scale_a, scale_b])
    return f"call ({', '.join(d)}), hopper_mma_mxf4nvf4, ({given});"


def _to_e2m1(operands: str, _: _Zeros) -> str:
    to, high, low = _operands(operands)
    return (
        f"{{ .reg .b32 hopper_t; call (hopper_t), hopper_to_e2m1x2, ({high}, {low});"
        f" cvt.u8.u32 {to}, hopper_t; }}"
    )


def _from_e2m1(operands: str, _: _Zeros) -> str:
    to, byte = _operands(operands)
    return (
        f"{{ .reg .b32 hopper_t; cvt.u32.u8 hopper_t, {byte};"
        f" call ({to}), hopper_from_e2m1x2, (hopper_t); }}"
    )


_KNOWN: dict[str, Callable[[str, _Zeros], str]] = {
    _MMA: _mma,
    _TO_E2M1: _to_e2m1,
    _FROM_E2M1: _from_e2m1,
}
_PACKED = re.compile(r"(mul|add|sub|fma)((?:\.rn)?)((?:\.ftz)?)\.f32x2")


def _packed(name: str) -> Callable[[str, _Zeros], str] | None:
    """Two 32-bit operations in the place of a packed one; .rn is its default."""
    found = _PACKED.fullmatch(name)
    if found is None:
        return None
    scalar = f"{found[1]}.rn{found[3]}.f32"

    def replace(operands: str, _: _Zeros) -> str:
        to, *given = _operands(operands)
        halves = [[f"hopper_{side}{n}" for n in range(len(given))] for side in "lh"]
        names = ", ".join(name for half in halves for name in half)
        lines = [f"{{ .reg .b32 {names};"]
        for n, operand in enumerate(given):
            lines.append(f"mov.b64 {{hopper_l{n}, hopper_h{n}}}, {operand};")
        lines += [f"{scalar} {half[0]}, {', '.join(half)};" for half in halves]
        return " ".join([*lines, f"mov.b64 {to}, {{hopper_l0, hopper_h0}}; }}"])

    return replace


def entries(text: str) -> Iterator[str]:
    """Names of the kernels in a module of PTX."""
    return (found[1] for found in re.finditer(r"\.entry[ \t]+([\w$]+)", text))
