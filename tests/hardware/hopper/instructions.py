# SPDX-License-Identifier: Apache-2.0
"""The replaced instructions on the GPU against exact arithmetic, and planted faults.

Each check runs the kernels of selftest.ptx in their translation. Values are chosen so
that every product and sum is a number of FP32, and the result has to be that number.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hopper_cases
import numpy as np

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float64)
E2M1 = np.concatenate([E2M1, -E2M1])
COLUMNS = hopper_cases.COLUMNS["instructions"]
_SCALES = np.arange(127, dtype=np.uint8)


def e4m3(codes: np.ndarray) -> np.ndarray:
    exponent, mantissa = (codes >> 3).astype(int), (codes & 7).astype(float)
    normal = np.ldexp(1 + mantissa / 8, exponent - 7)
    return np.where(exponent == 0, np.ldexp(mantissa / 8, -6), normal)


class Module:
    """A cubin on the GPU."""

    def __init__(self, path: Path) -> None:
        import torch
        from cuda.bindings import driver

        torch.zeros(1, device="cuda")  # the context that the driver loads into
        self.driver = driver
        self.module = self._did(driver.cuModuleLoadData(path.read_bytes()))

    @staticmethod
    def _did(result: Any) -> Any:
        assert int(result[0]) == 0, result[0]
        return result[1] if len(result) > 1 else None

    def run(self, name: str, given: np.ndarray, words: int) -> np.ndarray:
        """Threads are rows of ``given``, a multiple of 32; words each that come out."""
        import torch

        threads = len(given)
        assert threads % 32 == 0
        on = torch.from_numpy(np.ascontiguousarray(given).view(np.int32)).cuda()
        out = torch.zeros(threads, words, dtype=torch.int32, device="cuda")
        kernel = self._did(self.driver.cuModuleGetFunction(self.module, name.encode()))
        values = (
            np.array([on.data_ptr()], np.uint64),
            np.array([out.data_ptr()], np.uint64),
        )
        pointers = np.array([v.ctypes.data for v in values], np.uint64)
        torch.cuda.synchronize()
        self._did(
            self.driver.cuLaunchKernel(
                kernel, threads // 32, 1, 1, 32, 1, 1, 0, 0, pointers.ctypes.data, 0
            )
        )
        torch.cuda.synchronize()
        return out.cpu().numpy().view(np.uint32)


def fragments(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, sa: np.ndarray, sb: np.ndarray
) -> np.ndarray:
    """Tiles as the lanes of a warp hold them, [tiles * 32, 12] words.

    Codes a [t, 16, 64] and b [t, 8, 64]; c [t, 16, 8]; codes of scales sa [t, 16, 4]
    and sb [t, 8, 4]. Lanes whose scales are not read hold others.
    """
    out = np.zeros((len(a), 32, 12), np.uint32)
    shifts = np.arange(8, dtype=np.uint32) * 4
    bytes_ = np.arange(4, dtype=np.uint32) * 8

    def word(codes: np.ndarray) -> np.ndarray:
        return (codes.astype(np.uint32) << shifts).sum(-1, dtype=np.uint32)

    def scales(codes: np.ndarray) -> np.ndarray:
        return (codes.astype(np.uint32) << bytes_).sum(-1, dtype=np.uint32)

    for lane in range(32):
        g, t = lane // 4, lane % 4
        low, high = slice(8 * t, 8 * t + 8), slice(32 + 8 * t, 40 + 8 * t)
        for at, (row, k) in enumerate(
            [(g, low), (g + 8, low), (g, high), (g + 8, high)]
        ):
            out[:, lane, at] = word(a[:, row, k])
        out[:, lane, 4], out[:, lane, 5] = word(b[:, g, low]), word(b[:, g, high])
        for at, (row, column) in enumerate(
            [(g, 2 * t), (g, 2 * t + 1), (g + 8, 2 * t), (g + 8, 2 * t + 1)]
        ):
            out[:, lane, 6 + at] = c[:, row, column].astype(np.float32).view(np.uint32)
        # The scales of row g are in lane 4g, of row g + 8 in 4g + 1, of column g in 4g.
        other = 0x3A3B3C3D + lane
        out[:, lane, 10] = scales(sa[:, g + 8 * t]) if t < 2 else other
        out[:, lane, 11] = scales(sb[:, g]) if t == 0 else other
    return out.reshape(-1, 12)


def unfragment(words: np.ndarray) -> np.ndarray:
    """Accumulators [t, 16, 8] of what the lanes hold."""
    d = words.view(np.float32).reshape(-1, 32, 4)
    out = np.zeros((len(d), 16, 8), np.float64)
    for lane in range(32):
        g, t = lane // 4, lane % 4
        out[:, g, 2 * t : 2 * t + 2] = d[:, lane, :2]
        out[:, g + 8, 2 * t : 2 * t + 2] = d[:, lane, 2:]
    return out


def product(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, sa: np.ndarray, sb: np.ndarray
) -> np.ndarray:
    """What the PTX manual says, in FP64, exact for these values."""
    full_a = E2M1[a] * np.repeat(e4m3(sa), 16, -1)
    full_b = E2M1[b] * np.repeat(e4m3(sb), 16, -1)
    return np.einsum("trk,tck->trc", full_a, full_b) + c


def tiles(what: str, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    if what == "all pairs of values, at every place of k":
        n = 256
        a, b = np.zeros((n, 16, 64), np.uint8), np.zeros((n, 8, 64), np.uint8)
        for number, (x, y) in enumerate(itertools.product(range(16), repeat=2)):
            # Row r and column c meet at one k alone, another in each tile.
            for r in range(16):
                a[number, r, (4 * r + number) % 64] = x
            b[number] = y
        one = np.full((n, 16, 4), 0x38, np.uint8)
        return a, b, np.zeros((n, 16, 8)), one, one[:, :8]
    if what == "all scales of both sides":
        n = 127
        a, b = np.zeros((n, 16, 64), np.uint8), np.zeros((n, 8, 64), np.uint8)
        sa = (_SCALES[:, None, None] + np.arange(64).reshape(16, 4)) % 127
        sb = (_SCALES[:, None, None] + 3 * np.arange(32).reshape(8, 4)) % 127
        for r in range(16):
            a[:, r, 16 * (r % 4) + r] = 3
        b[:] = 5
        return a, b, np.zeros((n, 16, 8)), sa.astype(np.uint8), sb.astype(np.uint8)
    n = 512
    a, b = rng.integers(0, 16, (n, 16, 64)), rng.integers(0, 16, (n, 8, 64))
    low, high = 0x38, 0x40  # 1 to 1.875, so that no sum needs more than 21 bits
    sa, sb = rng.integers(low, high, (n, 16, 4)), rng.integers(low, high, (n, 8, 4))
    return a, b, rng.integers(-99, 99, (n, 16, 8)), sa, sb


def mma(module: Module, what: str) -> tuple[int, int]:
    given = tiles(what, np.random.default_rng(3))
    got = unfragment(module.run("mma", fragments(*given), 4))
    return got.size, int((got != product(*given)).sum())


def to_e2m1(module: Module, what: str) -> tuple[int, int]:
    if what == "both nibbles":
        x = np.repeat(np.array([0.5, -1, 1.5, -2, 3, -4, 6, 0], np.float32), 8)
        y = np.tile(x[::8], 8)
        code = [_nearest(float(v), bool(v < 0)) for v in (*x, *y)]
        high, low = code[: len(x)], code[len(x) :]
        want = np.array([a << 4 | b for a, b in zip(high, low, strict=True)])
    else:
        edges = (E2M1[1:8] + E2M1[:7]) / 2
        points = np.concatenate([edges, E2M1[:8]]).astype(np.float32)
        near = [
            points,
            np.nextafter(points, np.float32(9)),
            np.nextafter(points, np.float32(-9)),
        ]
        more = np.array([5.5, 7, 448, 1e30, np.inf, 1e-45, 1e-30, 0], np.float32)
        mag = np.concatenate([*near, more])
        x = np.concatenate([mag, -mag, np.array([np.nan, -np.nan], np.float32)])
        x = np.pad(x, (0, -len(x) % 32))
        y = np.zeros_like(x)
        want = np.array([_nearest(float(v), bool(np.signbit(v))) << 4 for v in x])
    given = np.stack([x, y], -1).astype(np.float32)
    got = module.run("to_e2m1", given, 1)[:, 0]
    return len(got), int((got != want).sum())


def _nearest(x: float, negative: bool) -> int:
    """Code of the nearest value, of two equally near the even one; NaN is +6."""
    if x != x:
        return 7
    gap = np.abs(min(abs(x), 6.0) - E2M1[:8])
    best = np.flatnonzero(gap == gap.min())
    code = int(best[0]) if len(best) == 1 or best[0] % 2 == 0 else int(best[1])
    return code | 8 * negative


def from_e2m1(module: Module, what: str) -> tuple[int, int]:
    codes = np.arange(256, dtype=np.uint32)
    got = module.run("from_e2m1", codes[:, None], 1)[:, 0]
    low, high = (E2M1[codes >> s & 15].astype(np.float16) for s in (0, 4))
    negative = np.array([8, 128])
    for half, bit in zip((low, high), negative, strict=True):
        half[(codes & bit) != 0] = -np.abs(half[(codes & bit) != 0])
    want = (
        low.view(np.uint16).astype(np.uint32)
        | high.view(np.uint16).astype(np.uint32) << 16
    )
    return len(got), int((got != want).sum())


def packed(module: Module, what: str) -> tuple[int, int]:
    import torch

    x = np.random.default_rng(5).standard_normal((3, 4096, 2)).astype(np.float32)
    given = np.concatenate(list(x), -1)
    got = module.run("packed", given, 6).view(np.float32)
    a, b, c = x
    fused = (
        torch.from_numpy(a).double() * torch.from_numpy(b).double()
        + torch.from_numpy(c).double()
    )
    want = np.concatenate([a * b, a + b, fused.float().numpy()], -1)
    return got.size, int((got != want).sum())


_OF = {"mma": mma, "to_e2m1": to_e2m1, "from_e2m1": from_e2m1, "packed": packed}
CHECKS: dict[tuple[str, str], Callable[[Module, str], tuple[int, int]]] = {
    (kernel, what): _OF[kernel] for kernel, what in hopper_cases.INSTRUCTIONS
}


def rows(bundle: Path) -> list[list[Any]]:
    """The checks on the right translation, and which see each planted fault."""
    names = (bundle / "selftest" / "names.txt").read_text(encoding="utf-8").splitlines()
    found: list[list[Any]] = []
    for number, name in enumerate(names):
        module = Module(bundle / "selftest" / f"{number}.cubin")
        kernel = name.partition(":")[0]
        wrong = {}
        for (entry, what), check in CHECKS.items():
            if name == "right":
                asked, wrong_ones = check(module, what)
                if asked != hopper_cases.INSTRUCTIONS[entry, what]:
                    raise AssertionError(f"{entry}, {what}: {asked} were looked at")
                found.append([entry, what, asked, wrong_ones])
            elif entry == kernel:
                wrong[what] = check(module, what)[1]
        if wrong:
            seen = [what for what, count in wrong.items() if count]
            found.append(
                [kernel, f"planted: {name.partition(': ')[2]}", len(wrong), len(seen)]
            )
    return found
