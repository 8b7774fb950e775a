# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of FlashInfer's b12x NVFP4 mixture of experts, in PyTorch.

Written from the source of FlashInfer 0.7.2.post1, which the docstrings name as
file:line. ``fp4_common`` and ``utils`` lie under ``flashinfer/cute_dsl``, the others
under ``flashinfer/fused_moe/cute_dsl/blackwell_sm12x``. It rounds where the kernels
round. It does not model the order of the BF16 atomics.
Nothing here reads a CUDA value on the host, so it can run inside a graph capture.
"""

import functools

import torch

BLOCK = 16  # moe_dispatch:61
GATED = ("silu", "gelu_tanh", "swigluoai_uninterleave")  # moe_activation:22
ACTIVATIONS = (*GATED, "relu2")


def round_up(value: int, to: int) -> int:
    return (value + to - 1) // to * to


def round_e2m1(x: torch.Tensor) -> torch.Tensor:
    """cvt.rn.satfinite.e2m1x2 (fp4_common:2328): nearest, ties to even, at most 6."""
    mag = x.abs().clamp(max=6.0)
    step = torch.where(mag < 2, 0.5, torch.where(mag < 4, 1.0, 2.0))
    return torch.copysign(torch.round(mag / step) * step, x)


def round_e4m3(x: torch.Tensor) -> torch.Tensor:
    """cvt.rn.satfinite.e4m3x2 (fp4_common:811): nearest, ties to even, at most 448."""
    exponent = (torch.frexp(x).exponent - 1).clamp(min=-6) - 3
    step = torch.ldexp(torch.ones_like(x), exponent)
    return (torch.round(x / step) * step).clamp(-448.0, 448.0)


def reciprocal(x: torch.Tensor) -> torch.Tensor:
    """Stands for rcp.approx.ftz.f32, which may be a unit in the last place away.

    make hopper puts the instruction itself in its place. Where a quotient is a tie of
    E2M1, as many are of BF16 data under a calibrated scale, that unit decides.
    """
    return 1.0 / x


def quantize(x: torch.Tensor, gs: torch.Tensor, exact: bool) -> torch.Tensor:
    """FP4 values times their E4M3 block scale. ``gs`` is not multiplied back in.

    The kernels divide: scale = e4m3(min(amax / (6 gs), 448)), q = e2m1(x / (scale gs)).
    ``exact`` is quantize_block_fp4 (fp4_common:2629), else it is the one with
    reciprocals (fp4_common:2655), which gated activations use (moe_static_kernel:481).
    """
    b = x.float().unflatten(-1, (-1, BLOCK))
    gs = gs.float().reshape(-1, 1, 1)
    amax = b.abs().amax(-1, keepdim=True)
    raw = (
        amax / (6.0 * gs)
        if exact
        else reciprocal(gs) * (amax * reciprocal(torch.full_like(amax, 6.0)))
    )
    scale = round_e4m3(torch.where(gs == 0, 0.0, raw).clamp(max=448.0))
    inverse = 1.0 / (scale * gs) if exact else reciprocal(scale) * reciprocal(gs)
    q = round_e2m1(b * torch.where(scale == 0, 0.0, inverse))
    return (q * scale).flatten(-2)


def quantize_by_inverse(x: torch.Tensor, gs: torch.Tensor) -> torch.Tensor:
    """``quantize`` in the order of direct micro, which inverts the global scale first.

    scale = e4m3(amax (1 / gs) / 6), the product and quotient in FP64
    (fp4_common:2058), and q = e2m1(x (1 / (scale / (1 / gs))))
    (moe_direct_micro_kernel:714, 2206; fp4_common:2355). On a Hopper GPU the same bits
    in small cases, and within 0.001 in layers of real models (make hopper).
    """
    b = x.float().unflatten(-1, (-1, BLOCK))
    gs = gs.float().reshape(-1, 1, 1)
    turned = torch.where(gs == 0, 0.0, 1.0 / gs)
    amax = b.abs().amax(-1, keepdim=True)
    raw = (amax.double() * turned.double() / 6.0).float()
    scale = round_e4m3(raw.clamp(max=448.0))
    step = torch.where(turned == 0, 0.0, scale / turned).clamp(min=1e-30)
    return (round_e2m1(b * (1.0 / step)) * scale).flatten(-2)


def unpack_e2m1(packed: torch.Tensor) -> torch.Tensor:
    """Bytes [.., K/2] as floats [.., K]; the low nibble is the even column.

    The values are computed: a table would be a copy from the host.
    """
    codes = torch.stack((packed & 0xF, packed >> 4), -1).flatten(-2).int()
    mag = codes & 7
    normal = (1 + (mag & 1) * 0.5) * 2.0 ** ((mag >> 1) - 1)
    value = torch.where(mag < 2, mag * 0.5, normal)
    return torch.where(codes >= 8, -value, value)


def scales_from_mma(sf: torch.Tensor, rows: int, cols: int) -> torch.Tensor:
    """The 6-D MMA view as floats [E, rows, cols].

    Its shape is (32, 4, row tile, 4, column tile, E) over storage ordered as
    (E, row tile, column tile, 32, 4, 4), and row = 128 tile + 32 second + first
    (convert_sf_to_mma_layout, utils:367-440).
    """
    tiles = round_up(rows, 128) // 128, round_up(cols, 4) // 4
    want = (32, 4, tiles[0], 4, tiles[1])
    if sf.dim() != 6 or tuple(sf.shape[:5]) != want:
        raise ValueError(f"block scales must be {want} + (E,), not {tuple(sf.shape)}")
    flat = sf.view(torch.float8_e4m3fn).permute(5, 2, 1, 0, 4, 3)
    flat = flat.reshape(sf.shape[5], tiles[0] * 128, tiles[1] * 4)
    return flat[:, :rows, :cols].float()


def activate(
    gate: torch.Tensor,
    up: torch.Tensor | None,
    activation: str,
    swiglu: tuple[float, float, float | None],
) -> torch.Tensor:
    """gated_activation_f32 (moe_activation:97-133); relu2 moe_static_kernel:2253."""
    if up is None:
        return gate.clamp(min=0.0).square()
    if activation == "swigluoai_uninterleave":
        alpha, beta, limit = swiglu
        if limit is not None:  # the gate is clamped from above only
            gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
        return gate * torch.sigmoid(alpha * gate) * (up + beta)
    if activation == "gelu_tanh":
        inner = 2 * 0.7978845608028654 * (gate + 0.044715 * gate**3)
        return gate * torch.sigmoid(inner) * up
    return gate * torch.sigmoid(gate) * up


def weight(packed: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """One expert's weight without its global scale."""
    return unpack_e2m1(packed) * scale.repeat_interleave(BLOCK, -1)


def columns_at_once(regime: str, tokens: int, size: int) -> int:
    """Columns of the intermediate that FC2 sums in FP32 before it rounds to BF16.

    That of the kernel of ``regime`` for a call of that many tokens and an intermediate
    of that size, which direct micro sums whole.
    """
    if regime == "dynamic_gated":  # slices of a task: gated:2952
        return 256 if tokens <= 2048 else 512
    return {"direct_micro": size, "static": 256}.get(regime, 128)


def _capturing(x: torch.Tensor) -> bool:
    """Whether no value may be read back: in a capture, and on a device without any."""
    if x.device.type == "cuda":
        return torch.cuda.is_current_stream_capturing()
    return x.device.type != "cpu"


def moe(
    x: torch.Tensor,
    weights: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
    ids: torch.Tensor,
    routing: torch.Tensor,
    gs: tuple[torch.Tensor, torch.Tensor],
    alphas: tuple[torch.Tensor, torch.Tensor],
    activation: str,
    swiglu: tuple[float, float, float | None],
    regime: str,
    group: int,
) -> torch.Tensor:
    """What the kernel of ``regime`` computes, with per-expert ``gs`` and ``alphas``.

    ``group`` is how many columns of the intermediate FC2 sums in FP32 before it rounds
    to BF16. Ids below zero match no expert and leave their row at zero.
    """
    w1, sf1, w2, sf2 = weights
    gated, size = activation in GATED, w2.shape[2] * 2
    groups = -(-size // group)
    quantised = (
        quantize_by_inverse
        if regime == "direct_micro"
        else functools.partial(quantize, exact=not gated)
    )
    scale1 = scales_from_mma(sf1, w1.shape[1], w1.shape[2] * 2 // BLOCK)
    scale2 = scales_from_mma(sf2, w2.shape[1], size // BLOCK)
    parts = x.new_zeros(*ids.shape, groups, w2.shape[1], dtype=torch.float32)
    for e in range(w1.shape[0]):
        hit = ids == e
        if _capturing(x):  # every token: nothing depends on the routing
            tokens = torch.arange(len(x), device=x.device)
        else:
            tokens = hit.any(1).nonzero()[:, 0]
            if not tokens.numel():
                continue
        fc1 = quantised(x[tokens], gs[0][e]) @ weight(w1[e], scale1[e]).T
        fc1 = fc1 * alphas[0][e]  # rows are [up, gate]: moe_static_kernel:1558
        up, gate = (fc1[:, :size], fc1[:, size:]) if gated else (None, fc1)
        mid = activate(gate, up, activation, swiglu).bfloat16()  # :2260
        mid = quantised(mid, gs[1][e])
        mid, down = (
            torch.nn.functional.pad(t, (0, groups * group - size))
            for t in (mid, weight(w2[e], scale2[e]))
        )
        shape = (groups, group)
        fc2 = torch.einsum(
            "tgi,hgi->tgh", mid.unflatten(-1, shape), down.unflatten(-1, shape)
        )[:, None]
        r = routing[tokens][:, :, None, None]
        if regime in ("static", "dynamic_gated"):
            # bf16 times bf16: moe_static_kernel:146, _moe_dynamic/gated:246
            part = (fc2.bfloat16() * (r * alphas[1][e]).bfloat16()).float()
        elif regime == "direct_micro":  # FP32: moe_direct_micro_kernel:797-943
            part = fc2 * (alphas[1][e] * r)
        else:  # moe_micro_kernel:2164-2245, _moe_dynamic/generic:2470-2583
            part = (r * (fc2 * alphas[1][e]).bfloat16().float()).bfloat16().float()
        keep = hit[tokens][:, :, None, None]
        parts[tokens] = torch.where(keep, part, parts[tokens])
    flat = parts.flatten(1, 2)
    if regime in ("static", "direct_micro"):
        # one FP32 sum in slot order, the same in every run: moe_static_kernel:2737
        return flat.sum(1).bfloat16()
    total = torch.zeros_like(flat[:, 0], dtype=torch.bfloat16)
    for i in range(flat.shape[1]):
        # red.add.bf16x2 (fp4_common:1964, gated:246): on the device in any order
        total = total + flat[:, i].bfloat16()
    return total
