# SPDX-License-Identifier: Apache-2.0
"""vLLM's Triton path for FP8 block-scaled experts: its kernels, its configuration."""

import torch
import triton
import triton.language as tl
import vllm_triton as v


def align(ids, e, block):
    flat = ids.flatten().long()
    keep = (flat >= 0).nonzero().flatten()
    flat_keep = flat[keep]
    order = keep[torch.argsort(flat_keep, stable=True)]
    counts = torch.bincount(flat_keep, minlength=e)
    padded = (counts + block - 1) // block * block
    ends = padded.cumsum(0)
    total = int(ends[-1])
    sorted_ids = torch.full(
        (max(total, block),), ids.numel(), dtype=torch.int32, device=ids.device
    )
    starts, first = ends - padded, counts.cumsum(0) - counts
    owner = flat[order]
    at = starts[owner] + torch.arange(len(order), device=ids.device) - first[owner]
    sorted_ids[at] = order.int()
    experts = torch.repeat_interleave(
        torch.arange(e, device=ids.device), padded // block
    ).int()
    return (
        sorted_ids,
        experts,
        torch.tensor([total], dtype=torch.int32, device=ids.device),
    )


def quant(x):
    q = torch.empty(x.shape, dtype=torch.float8_e4m3fn, device=x.device)
    s = torch.empty(x.shape[0], x.shape[1] // 128, device=x.device)
    v._per_token_group_quant_fp8[(x.numel() // 128,)](
        x,
        q,
        s,
        128,
        x.shape[1],
        x.stride(0),
        1e-10,
        fp8_min=-448.0,
        fp8_max=448.0,
        use_ue8m0=False,
        BLOCK=128,
        num_warps=1,
        num_stages=1,
    )
    return q, s


def gemm(a, sa, b, sb, c, weights, plan, top_k, mul, config, pairs):
    sorted_ids, experts, total = plan
    em = sorted_ids.numel()
    grid = (
        triton.cdiv(em, config["BLOCK_SIZE_M"])
        * triton.cdiv(b.size(1), config["BLOCK_SIZE_N"]),
    )
    v.fused_moe_kernel[grid](
        a,
        b,
        c,
        None,
        sa,
        sb,
        weights,
        sorted_ids,
        experts,
        total,
        b.size(1),
        b.size(2),
        em,
        pairs,
        a.stride(0),
        a.stride(1),
        b.stride(0),
        b.stride(2),
        b.stride(1),
        c.stride(0),
        c.stride(1),
        sa.stride(0),
        sa.stride(1),
        sb.stride(0),
        sb.stride(2),
        sb.stride(1),
        0,
        0,
        128,
        128,
        naive_block_assignment=False,
        MUL_ROUTED_WEIGHT=mul,
        top_k=top_k,
        compute_type=tl.bfloat16,
        use_fp8_w8a8=True,
        use_int8_w8a8=False,
        use_int8_w8a16=False,
        per_channel_quant=False,
        HAS_BIAS=False,
        SWAP_AB=False,
        USE_TD=False,
        **config,
    )


def config_of(m):
    return {
        "BLOCK_SIZE_M": 16 if m <= 64 else 64,
        "BLOCK_SIZE_N": 64 if m <= 8 else 128,
        "BLOCK_SIZE_K": 128,
        "GROUP_SIZE_M": 1 if m <= 16 else 32,
        "SPLIT_K": 1,
        "num_warps": 4,
        "num_stages": (4 if m <= 4 else 3),
    }


def run(p, ids=None):
    ids = p.ids if ids is None else ids
    m, pairs = p.tokens, p.tokens * p.k
    config = config_of(m)
    plan = align(ids, p.e, config["BLOCK_SIZE_M"])
    xq, xs = quant(p.x)
    c1 = torch.zeros(pairs, 2 * p.i, dtype=torch.bfloat16, device=p.x.device)
    gemm(xq, xs, p.w13, p.s13, c1, None, plan, p.k, False, config, pairs)
    y = c1.float()
    act = (torch.nn.functional.silu(y[:, : p.i]) * y[:, p.i :]).bfloat16()
    aq, asc = quant(act)
    c2 = torch.zeros(pairs, p.h, dtype=torch.bfloat16, device=p.x.device)
    gemm(aq, asc, p.w2, p.s2, c2, p.weights.flatten(), plan, 1, True, config, pairs)
    return c2.view(m, p.k, p.h).float().sum(1).bfloat16()
