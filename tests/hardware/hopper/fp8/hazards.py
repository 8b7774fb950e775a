# SPDX-License-Identifier: Apache-2.0
"""What a caller of FlashInfer's SM12x FP8 MoE has to know; each function gives rows."""

from __future__ import annotations

from collections.abc import Iterator

import checks
import doubles as d
import torch
from checks import QWEN3, SMALL, Row, apart, bad, layer


def poison() -> Iterator[Row]:
    """What memory that was not written does: 0x7f is NaN in e4m3."""
    for size, name in ((SMALL, "small"), (QWEN3, "Qwen3-30B-A3B")):
        for tokens in (4, 40, 512) if name == "small" else (40, 512):
            p = d.Problem(*size, tokens, 0.02, seed=11)
            gone = torch.arange(tokens, device="cuda") >= tokens - max(1, tokens // 4)
            ids = p.ids.clone()
            ids[gone] = -1
            for what, who, value, use in (
                ("q1 held NaN codes, rows padded", 1, 0x7F, ids),
                ("q1 held NaN codes, none padded", 1, 0x7F, None),
                ("q1 was zeroed, rows padded", 1, 0, ids),
                ("sf1 held NaN, none padded", 2, 0xFF, None),
                ("q_out held NaN codes, rows padded", "q_out", 0x7F, ids),
                ("q_out held NaN codes, none padded", "q_out", 0x7F, None),
            ):
                one = layer(p)
                held = one.buffers(use)
                t = held[0].q_out if who == "q_out" else held[who]
                held[1].view(torch.uint8).zero_()
                t.view(torch.uint8).fill_(value)
                out = one.run(held, ids=use).clone()
                double = d.flashinfer(p, use)
                real = torch.ones_like(gone) if use is None else ~gone
                yield {
                    "layer": name,
                    "tokens": tokens,
                    "what": what,
                    "real tokens": int(real.sum()),
                    "real tokens not finite": bad(out[real]),
                    "kernel-double": apart(torch.nan_to_num(out), double),
                }


def runs() -> Iterator[Row]:
    for size, name in ((SMALL, "small"), (QWEN3, "Qwen3-30B-A3B")):
        for tokens in (1, 40, 512):
            p = d.Problem(*size, tokens, 0.02, seed=5)
            one = layer(p)
            held = one.buffers()
            first = one.run(held).clone()
            q1 = held[1].view(torch.uint8).clone()
            same = same1 = 0
            far = 0.0
            for _ in range(100):
                out = one.run(held)
                same += bool(torch.equal(out, first))
                same1 += bool(torch.equal(held[1].view(torch.uint8), q1))
                far = max(far, apart(out, first))
            yield {
                "layer": name,
                "tokens": tokens,
                "same bits of 100": same,
                "fc1's codes the same": same1,
                "runs apart": far,
            }


def pdl() -> Iterator[Row]:
    """FC2 has no wait for FC1, PDL or not: many inputs, back to back."""
    for size, name in ((SMALL, "small"), (QWEN3, "Qwen3-30B-A3B")):
        for tokens in (40, 512):
            p = d.Problem(*size, tokens, 0.02, seed=9)
            one = layer(p)
            held = one.buffers()
            xs = [torch.randn(tokens, p.h, device="cuda").bfloat16() for _ in range(8)]
            want = []
            for x in xs:
                p.x = x
                want.append(one.run(held, pdl=False).clone())
            far = 0.0
            torch.cuda.synchronize()
            got = []
            for n in range(200):
                p.x = xs[n % 8]
                got.append((n % 8, one.run(held, pdl=True).clone()))
            for n, out in got:
                far = max(far, apart(out, want[n]))
            yield {
                "layer": name,
                "tokens": tokens,
                "runs": 200,
                "with against without PDL": far,
            }


def graph() -> Iterator[Row]:
    for size, name in ((SMALL, "small"), (QWEN3, "Qwen3-30B-A3B")):
        for tokens in (40, 512):
            p = d.Problem(*size, tokens, 0.02, seed=1)
            one = layer(p)
            held = one.buffers()
            one.run(held)
            torch.cuda.synchronize()
            g = torch.cuda.CUDAGraph()
            with torch.cuda.graph(g):
                one.run(held)
            far = 0.0
            for seed in range(3):
                gen = torch.Generator(device="cuda").manual_seed(50 + seed)
                p.x.copy_(
                    torch.randn(tokens, p.h, generator=gen, device="cuda").bfloat16()
                )
                p.ids.copy_(
                    torch.rand(tokens, p.e, generator=gen, device="cuda")
                    .topk(p.k)
                    .indices.int()
                )
                g.replay()
                far = max(far, apart(held[3], d.flashinfer(p)))
            yield {"layer": name, "tokens": tokens, "replays": 3, "kernel-double": far}


def jit() -> Iterator[Row]:
    """Triton compiles its route kernels anew for each number of tokens."""
    from triton.runtime.jit import JITFunction

    kernels = [k for k in vars(checks.MODS[2]).values() if isinstance(k, JITFunction)]

    def compiled():
        return sum(len(each[0]) for k in kernels for each in k.device_caches.values())

    p = d.Problem(*SMALL, 8, 0.02)
    for tokens in (777, 778, 779, 777, 50, 51, 50):
        q = d.Problem(*SMALL, tokens, 0.02)
        q.w13, q.s13, q.w2, q.s2 = p.w13, p.s13, p.w2, p.s2
        one = layer(q)
        held = one.buffers()
        torch.cuda.synchronize()
        before = compiled()
        one.run(held)
        torch.cuda.synchronize()
        yield {
            "tokens": tokens,
            "Triton compilations": compiled() - before,
        }


def sanitize() -> Iterator[Row]:
    """For compute-sanitizer: each kernel once or twice."""
    for tokens in (3, 200):
        p = d.Problem(4, 256, 128, 2, tokens, 0.02)
        one = layer(p)
        held = one.buffers()
        for t1, t2 in ((32, 32), (64, 64), (64, 128)):
            out = one.run(held, t1=(t1, 128, 128), t2=(t2, 128, 128)).clone()
            torch.cuda.synchronize()
            yield {
                "tokens": tokens,
                "fc1": t1,
                "fc2": t2,
                "kernel-double": apart(out, d.flashinfer(p)),
            }
