# SPDX-License-Identifier: Apache-2.0
"""FP8 MoE in PyTorch: what is to come out, and what each implementation rounds."""

import torch

F8 = torch.float8_e4m3fn


def to_f8(v):
    return v.clamp(-448.0, 448.0).to(F8)


class Problem:
    """Weights as of a checkpoint: e4m3, FP32 scales of 128x128, w13 as [gate, up]."""

    def __init__(
        self,
        e,
        h,
        i,
        k,
        tokens,
        sigma,
        seed=0,
        outliers=False,
        device="cuda",
        xscale=1.0,
    ):
        g = torch.Generator(device=device).manual_seed(seed)
        self.e, self.h, self.i, self.k, self.tokens, self.device = (
            e,
            h,
            i,
            k,
            tokens,
            device,
        )
        self.w13, self.s13 = self._weights(g, e, 2 * i, h, sigma, outliers)
        self.w2, self.s2 = self._weights(g, e, h, i, sigma, outliers)
        self.x = (
            torch.randn(tokens, h, generator=g, device=device) * xscale
        ).bfloat16()
        if outliers:  # a few channels of the activations, too
            self.x[:, ::97] *= 30
        scores = torch.randn(tokens, e, generator=g, device=device)
        w, ids = scores.softmax(-1).topk(k, dim=-1)
        self.ids = ids.int().contiguous()
        self.weights = (w / w.sum(-1, keepdim=True)).float().contiguous()

    def _weights(self, g, e, n, k, sigma, outliers):
        q = torch.empty(e, n, k, dtype=F8, device=self.device)
        s = torch.empty(e, n // 128, k // 128, device=self.device)
        for one in range(e):
            w = torch.randn(n, k, generator=g, device=self.device) * sigma
            if outliers:  # one value of each block is far out
                b = w.view(n // 128, 128, k // 128, 128)
                b[:, one % 128, :, (3 * one) % 128] *= 50
            b = w.view(n // 128, 128, k // 128, 128)
            s[one] = b.abs().amax((1, 3)) / 448.0
            q[one] = to_f8((b / s[one][:, None, :, None]).view(n, k))
        return q, s

    def full(self, q, s, e):
        n, k = q.shape[1:]
        return (
            q[e].float().view(n // 128, 128, k // 128, 128) * s[e][:, None, :, None]
        ).view(n, k)

    def experts(self, ids):
        for e in range(self.e):
            t, slot = (ids == e).nonzero(as_tuple=True)
            if len(t):
                yield e, t, slot

    def reference(self, ids=None):
        """FP32: dequantised weights, BF16 activations, nothing else rounded."""
        ids = self.ids if ids is None else ids
        out = torch.zeros(self.tokens, self.h, device=self.device)
        for e, t, slot in self.experts(ids):
            y = self.x[t].float() @ self.full(self.w13, self.s13, e).t()
            gate, up = y[:, : self.i], y[:, self.i :]
            y = (torch.nn.functional.silu(gate) * up) @ self.full(
                self.w2, self.s2, e
            ).t()
            out.index_add_(0, t, y * self.weights[t, slot][:, None])
        return out


def blocks(qa, sa, qb, sb):
    """FP32 sums of 128 exact products, times both scales, added in order."""
    acc = torch.zeros(len(qa), len(qb), device=qa.device)
    a, b = qa.float(), qb.float()
    for j in range(a.shape[1] // 128):
        c = slice(128 * j, 128 * j + 128)
        part = a[:, c] @ b[:, c].t()
        acc += part * (sa[:, j : j + 1] * sb[:, j].repeat_interleave(128)[None, :])
    return acc


def rows(v, floor, times=False):
    """Scale of each 128 of a row, and its codes."""
    v = v.float()
    b = v.view(len(v), -1, 128)
    amax = b.abs().amax(-1).clamp_min(floor)
    s = amax * torch.tensor(1 / 448.0, dtype=torch.float32, device=v.device)
    if times:
        s = amax / 448.0
        q = b * (1.0 / s)[..., None]
    else:
        q = b / s[..., None]
    return to_f8(q.view(v.shape)), s


def rows_e8m0(v):
    b = v.float().view(len(v), -1, 128)
    s = torch.exp2(torch.ceil(torch.log2(b.abs().amax(-1).clamp_min(1e-10) / 448.0)))
    return to_f8((b / s[..., None]).view(v.shape)), s


def requant_e8m0(p, q, s, e):
    """As vLLM's requant_weight_ue8m0_inplace."""
    w = p.full(q, s, e)
    n, k = w.shape
    b = w.view(n // 128, 128, k // 128, 128)
    t = torch.exp2(torch.ceil(torch.log2(b.abs().amax((1, 3)).clamp_min(1e-4) / 448.0)))
    return to_f8((b * (1.0 / t)[:, None, :, None]).view(n, k)), t


def flashinfer(p, ids=None, limit=None):
    ids = p.ids if ids is None else ids
    xq, xs = rows(p.x, 1e-4, times=True)
    out = torch.zeros(p.tokens, p.h, device=p.device)
    for e, t, slot in p.experts(ids):
        y = blocks(xq[t], xs[t], p.w13[e], p.s13[e])
        gate, up = y[:, : p.i], y[:, p.i :]
        if limit is not None:
            gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
        act = (gate * (1.0 / (1.0 + torch.exp(-gate))) * up).bfloat16()
        q, s = rows(act, 1e-4)
        y = blocks(q, s, p.w2[e], p.s2[e]).bfloat16().float()
        out.index_add_(0, t, (y * p.weights[t, slot][:, None]).bfloat16().float())
    return out


def like_triton(p, ids=None, e8m0=False):
    """vLLM's order: BF16 after GEMM 1, SwiGLU, quantise, weight, BF16, sum. e8m0: the
    scales of weights and activations as DeepGEMM's are on SM12x."""
    ids = p.ids if ids is None else ids
    quant = rows_e8m0 if e8m0 else (lambda v: rows(v, 1e-10))
    xq, xs = quant(p.x)
    out = torch.zeros(p.tokens, p.h, device=p.device)
    for e, t, slot in p.experts(ids):
        a = requant_e8m0(p, p.w13, p.s13, e) if e8m0 else (p.w13[e], p.s13[e])
        b = requant_e8m0(p, p.w2, p.s2, e) if e8m0 else (p.w2[e], p.s2[e])
        y = blocks(xq[t], xs[t], *a).bfloat16().float()
        act = (torch.nn.functional.silu(y[:, : p.i]) * y[:, p.i :]).bfloat16()
        q, s = quant(act)
        y = blocks(q, s, *b) * p.weights[t, slot][:, None]
        out.index_add_(0, t, y.bfloat16().float())
    return out
