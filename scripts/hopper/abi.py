# SPDX-License-Identifier: Apache-2.0
"""The same translated kernel as compute-sanitizer can follow it: ABI, counted barriers.

A function of PTX that gives several results in registers makes ptxas drop the ABI for
the whole module: R1 is then a register as all others. memcheck reads it as the stack
pointer, and calls what the kernel keeps in local memory a stack overflow.
"""

from __future__ import annotations

import re

_FUNCTION = re.compile(
    r"\.func \((?P<results>\.reg \.b32 \w+(?:, \.reg \.b32 \w+){3})\) (?P<head>[^{]*)\{"
    r"(?P<body>.*?)\tret;\n\}",
    re.S,
)
_CALL = re.compile(
    r"call \((?P<results>[^(),]+(?:, [^(),]+){3})\), (?P<call>\w+, \([^()]*\));"
)
_BYTES = ".param .align 16 .b8"
_THREADS = re.compile(r"\.(?:req|max)ntid (\d+)")
_SHARED_OUT = "/* setmaxnreg."
_NAMED = re.compile(r"\bbar(?:rier)?\.(?:sync|arrive)\s+\d+, (\d+);")
_WHOLE = re.compile(r"\bbar\.sync\s+0;")


def kept(text: str) -> str:
    """Give four results in one parameter of 16 bytes, in functions and calls.

    Args:
        text: A module as ``ptx.translate`` makes it.
    """
    return _CALL.sub(_call, _FUNCTION.sub(_function, text))


def counted(text: str) -> str:
    """Say of how many threads a barrier of the whole block is, where warps have left.

    Of FlashInfer's gated kernel (0.7.4) three warps of twelve give their registers to
    the others and leave. The barriers after that are of the nine that stay, as PTX
    counts a warp that left as arrived; named barriers beside them have the number.
    racecheck ended in none of two runs without it, and in both with it. Why is open:
    of a small kernel with a warp that leaves it ends without.

    Args:
        text: A module as ``ptx.translate`` makes it.
    """
    before, mark, after = text.partition(_SHARED_OUT)
    stay = max(map(int, _NAMED.findall(after)), default=0)
    if stay >= max(map(int, _THREADS.findall(text)), default=0):
        return text
    return before + mark + _WHOLE.sub(f"bar.sync 0, {stay};", after)


def _function(found: re.Match[str]) -> str:
    names = ", ".join(re.findall(r"\.b32 (\w+)", found["results"]))
    return (
        f".func ({_BYTES} hopper_out[16]) {found['head']}{{\n\t.reg .b32 {names};"
        f"{found['body']}\tst.param.v4.b32 [hopper_out], {{{names}}};\n\tret;\n}}"
    )


def _call(found: re.Match[str]) -> str:
    return (
        f"{{ {_BYTES} hopper_r[16]; call (hopper_r), {found['call']};"
        f" ld.param.v4.b32 {{{found['results']}}}, [hopper_r]; }}"
    )
