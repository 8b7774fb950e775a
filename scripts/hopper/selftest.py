# SPDX-License-Identifier: Apache-2.0
"""The replaced instructions alone, and with faults planted that a run must see."""

from __future__ import annotations

from pathlib import Path

from scripts.hopper import ptx
from scripts.hopper.assemble import Tools, assemble

SOURCE = Path(__file__).with_name("selftest.ptx")
RIGHT = "right"
PLANTED = {
    "mma: rows 8 to 15 take their scale from the next lane": (
        "or.b32 near, near, 1;",
        "or.b32 near, near, 2;",
    ),
    "mma: columns take their own lane's scale": (
        "shfl.sync.idx.b32 col, sb, near, 0x1f, 0xffffffff;",
        "mov.b32 col, sb;",
    ),
    "mma: the order of the scales' bytes": (
        "and.b32 first, first, 1;",
        "and.b32 first, first, 1;\n\txor.b32 first, first, 1;",
    ),
    "mma: the order of B's nibbles": (
        "call (u0, u1, u2, u3), hopper_scaled, (b0, s);",
        "call (u1, u0, u2, u3), hopper_scaled, (b0, s);",
    ),
    "mma: the halves of k": ("add.u32 second, first, 2;", "mov.u32 second, first;"),
    "mma: a sign is lost": ("and.b32 s, codes, 0x00080008;", "and.b32 s, codes, 8;"),
    "to_e2m1: a tie goes up": (
        "setp.gt.f32 p, m, 0f3E800000;",
        "setp.ge.f32 p, m, 0f3E800000;",
    ),
    "to_e2m1: a tie goes down": (
        "setp.ge.f32 p, m, 0f40600000;",
        "setp.gt.f32 p, m, 0f40600000;",
    ),
    "to_e2m1: NaN keeps its sign": (
        "selp.b32 sign, 0, sign, p;",
        "selp.b32 sign, sign, sign, p;",
    ),
    "to_e2m1: the nibbles change places": ("shl.b32 t, t, 4;", "shl.b32 d, d, 4;"),
    "from_e2m1: the sign of zero": (
        "and.b32 s, t, 0x00080008;",
        "and.b32 s, t, 0x00080000;",
    ),
}
"""What is planted: the line of the helpers, and what stands there instead. The word
before the colon is the kernel that shows it."""


def texts() -> dict[str, str]:
    """PTX for sm_90a: the right one, and one for each planted fault."""
    right = ptx.translate(SOURCE.read_text(encoding="utf-8")).text
    made = {RIGHT: right}
    for name, (line, planted) in PLANTED.items():
        assert right.count(line) >= 1, name
        made[name] = right.replace(line, planted, 1)
    return made


def write(tools: Tools, folder: Path) -> None:
    """Assemble all of them: ``right.cubin``, and the planted ones by their numbers.

    Raises:
        Finding: ptxas refuses one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, (name, text) in enumerate(texts().items()):
        source = folder / f"{number}.ptx"
        source.write_text(text, encoding="utf-8")
        assemble(tools, source, folder / f"{number}.cubin")
        source.unlink()
        names.append(name)
    (folder / "names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
