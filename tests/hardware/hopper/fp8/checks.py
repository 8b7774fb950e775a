# SPDX-License-Identifier: Apache-2.0
"""Numbers of FlashInfer's SM12x FP8 MoE; each function gives rows.

Errors are relative norms. ``kernel`` is FlashInfer's, ``double`` what its source says
that it gives, ``reference`` FP32 of the dequantised weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import doubles as d
import flashinfer_fp8 as fi
import torch
import triton_path

LEFT: Callable[[], float] | None = None
"""Seconds that are left."""
MODS: Any = None
"""FlashInfer's modules, once run.py has put the bundle's kernels into them."""
Row = dict[str, Any]


SMALL = (16, 512, 256, 4)
QWEN3 = (128, 2048, 768, 8)  # Qwen3-30B-A3B
MODELS = {
    "Qwen3-30B-A3B": QWEN3,
    "Qwen3-30B-A3B TP2": (128, 2048, 384, 8),
    "Qwen3-Next-80B-A3B": (512, 2048, 512, 10),
    "Qwen3-235B-A22B TP2": (128, 4096, 768, 8),
    "MiniMax-M2 TP2": (256, 3072, 768, 8),
    "DeepSeek-V3 TP8": (256, 7168, 256, 8),
    "GLM-4.5-Air": (128, 4096, 1408, 8),
}


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """Norm of the difference over that of b; of the difference alone if b is zero."""
    a, b = a.float(), b.float()
    norm = float(b.norm())
    return round(float((a - b).norm()) / (norm or 1.0), 5)


def worst(a: torch.Tensor, b: torch.Tensor) -> float:
    """The same of the row where it is largest; rows of zeros are left out."""
    a, b = a.float(), b.float()
    norm = b.norm(dim=-1)
    far = (a - b).norm(dim=-1)[norm > 0] / norm[norm > 0]
    return round(float(far.max()), 5) if far.numel() else 0.0


def bad(t: torch.Tensor) -> int:
    """Rows with a value that is not finite."""
    return int((~torch.isfinite(t.float()).all(-1)).sum())


def layer(p):
    return fi.Layer(p, MODS)


def check(p, held=None, with_triton=True, with_e8m0=False, limit=None, **kw):
    """Errors of one problem, by name."""
    one = layer(p)
    held = one.buffers() if held is None else held
    out = one.run(held, limit=limit, **kw).clone()
    torch.cuda.synchronize()
    want, double = p.reference(), d.flashinfer(p, limit=limit)
    row = {
        "kernel-reference": apart(out, want),
        "double-reference": apart(double, want),
        "kernel-double": apart(out, double),
        "worst row": worst(out, double),
        "rows not finite": bad(out),
    }
    if with_triton:
        row["triton-reference"] = apart(triton_path.run(p), want)
        row["triton's double-reference"] = apart(d.like_triton(p), want)
    if with_e8m0:
        row["deepgemm e8m0 double-reference"] = apart(d.like_triton(p, e8m0=True), want)
    return row


def smoke() -> Iterator[Row]:
    for tokens in (1, 40, 512):
        yield {"tokens": tokens} | check(d.Problem(*SMALL, tokens, 0.02))


def errors() -> Iterator[Row]:
    for outliers in (False, True):
        for sigma in (0.05, 0.02, 0.01, 0.003):
            for size, name in ((SMALL, "small"), (QWEN3, "Qwen3-30B-A3B")):
                for tokens in (1, 4, 40, 512) if name == "small" else (1, 40, 512):
                    p = d.Problem(*size, tokens, sigma, seed=tokens, outliers=outliers)
                    yield {
                        "layer": name,
                        "sigma": sigma,
                        "outliers": outliers,
                        "tokens": tokens,
                    } | check(p, with_e8m0=tokens == 40)


def padded() -> Iterator[Row]:
    for size, name in ((SMALL, "small"), (QWEN3, "Qwen3-30B-A3B")):
        for tokens in (4, 40, 512) if name == "small" else (1, 40, 512):
            p = d.Problem(*size, tokens, 0.02, seed=7)
            some = torch.arange(tokens, device="cuda") % 3 == 1
            for what, gone in (
                ("a third padded", some),
                ("all padded", torch.ones_like(some)),
                ("one id of each row -1", None),
            ):
                ids = p.ids.clone()
                if gone is None:
                    ids[:, 1] = -1
                else:
                    ids[gone] = -1
                one = layer(p)
                held = one.buffers(ids)
                held[1].view(torch.uint8).zero_()
                out = one.run(held, ids=ids).clone()
                double = d.flashinfer(p, ids)
                zero = gone is None or bool((out[gone] == 0).all())
                yield {
                    "layer": name,
                    "tokens": tokens,
                    "rows": what,
                    "zero": zero,
                    "kernel-double": apart(out, double),
                    "worst row": worst(out, double),
                    "rows not finite": bad(out),
                }


def tiles() -> Iterator[Row]:
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x._moe_utils.moe_epilogue import (
        EpiMethod as M,
    )

    for tokens in (4, 512, 2000):
        for t1, epi in (
            (32, None),
            (64, None),
            (8, M.WG_QUANT_SWAP),
            (32, M.WG_QUANT_R2S),
            (64, M.WG_QUANT_R2S),
        ):
            for t2 in (32, 64, 128):
                if epi is not None and t2 != 32:
                    continue
                p = d.Problem(*SMALL, tokens, 0.02, seed=3)
                yield {
                    "tokens": tokens,
                    "fc1": t1,
                    "epilogue": epi.name if epi else "default",
                    "fc2": t2,
                } | check(
                    p, with_triton=False, t1=(t1, 128, 128), t2=(t2, 128, 128), epi=epi
                )
    for tokens in (4, 2000):
        p = d.Problem(*SMALL, tokens, 0.05, seed=3, xscale=8.0)
        yield {
            "tokens": tokens,
            "fc1": "limit 7.0",
            "epilogue": "default",
            "fc2": "",
        } | check(p, with_triton=False, limit=7.0)


def models() -> Iterator[Row]:
    for name, size in MODELS.items():
        for tokens in (1, 64, 2048):
            if LEFT is not None and LEFT() < 40:
                return
            p = d.Problem(*size, tokens, 0.02, seed=tokens)
            one = layer(p)
            held = one.buffers()
            out = one.run(held).clone()
            want = p.reference()
            row = {
                "layer": name,
                "tokens": tokens,
                "kernel-reference": apart(out, want),
                "triton-reference": apart(triton_path.run(p), want),
            }
            if tokens <= 64:
                row["kernel-double"] = apart(out, d.flashinfer(p))
            yield row | {"rows not finite": bad(out)}
            del p, one, held, out, want
            torch.cuda.empty_cache()


def runner() -> Iterator[Row]:
    """FlashInfer's own adapter, SM12xFp8Runner, its checks of the device answered."""
    from flashinfer.fused_moe import runners as r

    p = d.Problem(*QWEN3, 40, 0.02, seed=2)
    one = layer(p)
    N = SimpleNamespace
    made = r.SM12xFp8Runner.__new__(r.SM12xFp8Runner)
    made.config = N(
        activation=r.SwiGLU(),
        routing=N(num_experts=p.e, top_k=p.k),
        experts=N(intermediate_size=p.i),
        execution=N(enable_pdl=None),
    )
    made.device = torch.device("cuda", 0)
    made._build()
    made._require_built = lambda: None
    ws, q1, sf1, out = one.buffers()
    given = [
        p.x,
        p.ids,
        p.weights,
        one.w1,
        one.w1s,
        one.w2,
        one.w2s,
        q1,
        sf1,
        out,
        ws.counts,
        ws.offsets,
        ws.expert_cursor,
        ws.token_map,
        ws.token_weights,
        ws.dst_rows,
        ws.scale_dst_rows,
        ws.q_out,
        ws.scale_out,
    ]
    made._fc1, made._fc2, made._route = (
        MODS[0].cute_dsl_sm12x_fc1_act_q1_fp8,
        MODS[1].cute_dsl_sm12x_fc2_finalize_fp8,
        MODS[2].fp8_q0_route_triton,
    )
    r._validate_sm12x_fp8_weight_view(
        {
            "w1_weight": one.w1,
            "w1_weight_sf": one.w1s,
            "w2_weight": one.w2,
            "w2_weight_sf": one.w2s,
        },
        p.x,
        made.config,
    )
    got = made.forward(given).clone()
    yield {
        "layer": "Qwen3-30B-A3B",
        "tokens": 40,
        "kernel-double": apart(got, d.flashinfer(p)),
        "kernel-reference": apart(got, p.reference()),
    }
