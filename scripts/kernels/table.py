# SPDX-License-Identifier: Apache-2.0
"""The report as a table, and beside it what it does not prove."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.kernels.report import SHARED_LIMIT, Report

NOT_PROVED = (
    "What this does not prove: that a kernel launches, ends, computes the right\n"
    "numbers, or is fast. Nothing ran; no SM12x GPU was there. The direct micro and\n"
    "W4A16 kernels are compiled without a signature: of their calls the kind, type\n"
    "and alignment of each argument is compared, no size; whether vLLM's warm-up\n"
    "reaches all of W4A16 is not looked at.\n"
    "FlashInfer's CUTLASS GEMM, from M=256 on, is a library that nvcc compiles: it\n"
    "is recorded here, not compiled. Compiled is, with the most tokens, each kind at\n"
    "each tile with each activation on each architecture (W4A16: at each tile), and\n"
    "each kind for each model and number of ranks on one of the two; every single\n"
    "one with ALL=1."
)
_HEADS = (
    "kernel",
    "regs",
    "stack",
    "local st/ld",
    "shared st+dyn",
    "MMA",
    "KiB",
    "code",
)


def render(report: Report, versions: Mapping[str, str]) -> str:
    """One table an architecture.

    `regs` are the most of any function, `shared` static plus dynamic bytes of the
    largest block, `code` the start of the sha256 of the instructions.
    """
    by_arch: dict[str, list[tuple[str, ...]]] = {}
    for name, k in report.kernels.items():
        arch, _, label = name.partition("/")
        row = (
            label,
            str(k.registers),
            str(k.stack),
            f"{k.local_stores}/{k.local_loads}",
            f"{k.static_shared}+{k.dynamic_shared}",
            str(k.mma),
            f"{k.size / 1024:.0f}",
            k.code[:10],
        )
        by_arch.setdefault(arch, []).append(row)
    parts = [" ".join(f"{n} {v}" for n, v in sorted(versions.items()))]
    for arch, rows in by_arch.items():
        codes = {row[-1] for row in rows}
        parts.append(
            f"{arch}: {report.reached.get(arch, 0)} kernels reached, "
            f"{report.grouped.get(arch, 0)} but for tokens, {len(rows)} "
            f"compiled, {len(codes)} different codes; a block may have "
            f"{SHARED_LIMIT:,} bytes of shared memory\n{_aligned([_HEADS, *rows])}"
        )
    parts.append(_selected(report))
    parts.append(NOT_PROVED)
    return "\n\n".join(part for part in parts if part)


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _selected(report: Report) -> str:
    """What vLLM chose, the same lines of both architectures once."""
    by_line: dict[str, list[str]] = {}
    for line in report.selected:
        arch, _, text = line.partition("/")
        archs = by_line.setdefault(text, [])
        if arch not in archs:
            archs.append(arch)
    lines = [f"{' '.join(archs)}: {text}" for text, archs in by_line.items()]
    return "\n".join(["What vLLM selects:", *lines]) if lines else ""
