# SPDX-License-Identifier: Apache-2.0
"""Layers of real sizes with random NVFP4 values, and how FlashInfer was called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import kernel_calls
import torch
from contract import b12x_numerics as num

SIGMA = 0.02
_MEAN_SQUARE = 8.5625  # of the 16 values of E2M1
FULL = 6.0 * 448.0  # largest FP4 value times the largest block scale
ONE_OVER = num.reciprocal
FORK, UPSTREAM, NATIVE = "flashinfer_cutedsl_sm12x", "flashinfer_b12x", "b12x"


@dataclass
class Built:
    """A layer that is ready to run, and its checkpoint on the same device."""

    experts: Any
    raw: dict[str, torch.Tensor]
    """w13 with the rows of the gate first, w2, and their scales, by parameter name."""
    model: dict[str, Any]

    @property
    def name(self) -> str:
        return type(self.experts.quant_method.moe_kernel.fused_experts).__name__


def build(
    stage: Any,
    model: dict[str, Any],
    size: int,
    max_tokens: int,
    backend: str = FORK,
    method: str = "NVFP4",
    seed: int = 0,
) -> Built:
    """Make the layer with vLLM, fill it, and let vLLM lay it out.

    Args:
        stage: Where it stands; on the CPU the values are all alike.
        model: Sizes, as an entry of the shapes file has them.
        size: Intermediate size of one rank.
        max_tokens: Value of --max-num-batched-tokens.
        backend: Value of --moe-backend.
        method: ModelOpt's name of the quantisation.
        seed: Of the values.
    """
    with torch.device(stage.device):
        experts = kernel_calls.experts_of(model, size, max_tokens, method, backend)
    if stage.recording:
        kernel_calls._fill(experts)
        raw: dict[str, torch.Tensor] = {}
    else:
        _random(experts, model, seed)
        raw = {name: p.data.clone() for name, p in experts.named_parameters()}
    kernel_calls.process(experts, max_tokens, backend)
    return Built(experts, raw, model)


def _random(experts: Any, model: dict[str, Any], seed: int) -> None:
    rng = torch.Generator("cuda").manual_seed(seed)

    def bytes_of(size: torch.Size, low: int, high: int) -> torch.Tensor:
        return torch.randint(
            low, high, size, generator=rng, dtype=torch.uint8, device="cuda"
        )

    scales = torch.arange(0x68, 0x7F, dtype=torch.uint8).view(torch.float8_e4m3fn)
    block = scales.float().square().mean().sqrt()
    step = SIGMA / (_MEAN_SQUARE**0.5 * block.item())
    count = model["experts"]
    spread = 1 + 0.2 * torch.rand(count, generator=rng, device="cuda")
    middle = _middle_amax(model)
    for name, p in experts.named_parameters():
        if p.dtype == torch.uint8:
            p.data.copy_(bytes_of(p.shape, 0, 256))
        elif p.dtype == torch.float8_e4m3fn:
            p.data.copy_(bytes_of(p.shape, 0x68, 0x7F).view(torch.float8_e4m3fn))
        elif name.endswith("weight_scale_2"):
            p.data.copy_((spread * step).view(-1, *[1] * (p.dim() - 1)).expand_as(p))
        elif name == "w13_input_scale":
            p.data.fill_(5.0 / FULL)
        elif name == "w2_input_scale":
            p.data.fill_(middle / FULL)
        else:
            raise AssertionError(f"a parameter that is not known: {name}")


def _middle_amax(model: dict[str, Any]) -> float:
    """Largest value before FC2 of a sample, as a calibration would have found it."""
    rng = torch.Generator().manual_seed(7)
    spread = SIGMA * model["hidden"] ** 0.5 * 1.1
    gate, up = torch.randn(2, 1 << 16, generator=rng) * spread
    kind = flashinfer_name(model["activation"])
    pair = (gate, up) if kind in num.GATED else (up, None)
    return float(num.activate(*pair, kind, SWIGLU).abs().max())


SWIGLU = (1.702, 1.0, 7.0)


def flashinfer_name(activation: str) -> str:
    """FlashInfer's name of an activation of vLLM's."""
    names = {"relu2_no_mul": "relu2", "swigluoai": "swigluoai_uninterleave"}
    return names.get(activation, activation)


def inputs(
    stage: Any, model: dict[str, Any], tokens: int, seed: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states [tokens, hidden] BF16, routing weights FP32 and int32 ids."""
    if stage.recording:
        count = tokens * model["top-k"]
        ids = torch.arange(count, dtype=torch.int32).view(tokens, -1)
        x = torch.zeros(tokens, model["hidden"], dtype=torch.bfloat16)
        return x, torch.ones(ids.shape), ids % model["experts"]
    rng = torch.Generator("cuda").manual_seed(seed)
    x = torch.randn(tokens, model["hidden"], generator=rng, device="cuda").bfloat16()
    logits = torch.randn(tokens, model["experts"], generator=rng, device="cuda")
    weights, ids = logits.softmax(-1).topk(model["top-k"])
    return x, weights / weights.sum(-1, keepdim=True), ids.int()


def reference(
    built: Built, x: torch.Tensor, weights: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    """The layer with its dequantised weights, in FP32, on the device."""
    raw, kind = built.raw, flashinfer_name(built.model["activation"])
    out = torch.zeros(x.shape, device=x.device)
    for e in range(built.model["experts"]):
        tokens, slot = (ids == e).nonzero(as_tuple=True)
        if not len(tokens):
            continue
        w13, w2 = (_weight(raw, name, e) for name in ("w13", "w2"))
        fc1 = x[tokens].float() @ w13.T
        gate, up = fc1.chunk(2, -1) if kind in num.GATED else (fc1, None)
        if built.model["activation"] == "swigluoai":  # rows take turns
            gate, up = fc1[:, 0::2], fc1[:, 1::2]
        middle = num.activate(gate, up, kind, SWIGLU)
        share = weights[tokens, slot].float()[:, None]
        out.index_add_(0, tokens, share * (middle @ w2.T))
    return out


def _weight(raw: dict[str, torch.Tensor], name: str, e: int) -> torch.Tensor:
    scale = raw[f"{name}_weight_scale"][e].float()
    scale = scale * raw[f"{name}_weight_scale_2"][e].flatten()[0]
    return num.weight(raw[f"{name}_weight"][e], scale)


@dataclass
class Calls:
    """Arguments of the last call of FlashInfer's wrapper, and the wrapper."""

    wrapper: Any = None
    last: dict[str, Any] = field(default_factory=dict)

    def watch(self) -> Calls:
        """Note every call from here on."""
        import inspect

        from flashinfer.fused_moe import B12xMoEWrapper

        real, names = B12xMoEWrapper.run, None
        names = list(inspect.signature(real).parameters)[1:]

        def run(wrapper: Any, *args: Any, **kwargs: Any) -> Any:
            self.wrapper = wrapper
            self.last = dict(zip(names, args, strict=False)) | kwargs
            return real(wrapper, *args, **kwargs)

        run.__signature__ = inspect.signature(real)  # type: ignore[attr-defined]
        B12xMoEWrapper.run = run
        return self

    def doubled(self, stage: Any, divides: bool = False) -> torch.Tensor:
        """What the double makes of the same arguments.

        With this GPU's reciprocals, or, where it ``divides``, with its own 1 / x, as it
        is used elsewhere.
        """
        from rcp import reciprocal

        num.reciprocal = ONE_OVER if divides else reciprocal
        kernel = regime(stage)
        a, w = self.last, self.wrapper
        ids = a["token_selected_experts"]
        # Experts that no token takes are left out: there may be 500 of them.
        used = ids[ids >= 0].unique()
        used = used if len(used) else ids.new_zeros(1)
        ids = torch.where(ids >= 0, torch.searchsorted(used, ids), -1).int()
        gs1 = a.get("input_global_scale")
        gs1 = a["w1_alpha"] if gs1 is None else gs1
        fold = gs1 is not a["w1_alpha"]
        alpha = a["w1_alpha"].float() * (gs1.float() if fold else 1.0)
        count = a["w1_weight"].size(0)
        gs = tuple(
            t.float().flatten().expand(count)[used] for t in (gs1, a["fc2_input_scale"])
        )
        big = tuple(
            a[n].index_select(dim, used)
            for n, dim in (
                ("w1_weight", 0), ("w1_weight_sf", -1),
                ("w2_weight", 0), ("w2_weight_sf", -1),
            )
        )  # fmt: skip
        size, tokens = big[2].shape[2] * 2, len(a["x"])
        return num.moe(
            a["x"],
            big,
            ids,
            a["token_final_scales"].float(),
            gs,
            (alpha.flatten()[used], a["w2_alpha"].float().flatten()[used]),
            w.activation,
            (w.swiglu_alpha, w.swiglu_beta, w.swiglu_limit),
            kernel,
            size if merged(stage) else num.columns_at_once(kernel, tokens, size),
        )


def regime(stage: Any) -> str:
    """The double's name of the kernel that was asked for last.

    One before it may be direct micro, which was refused.
    """
    for key in reversed(stage.recorder.hit):
        job = stage.recorder.jobs[key]
        if job.kind in ("micro", "direct micro", "static"):
            return str(job.kind).replace(" ", "_")
        if job.kind == "dynamic":
            gated = "MoEGatedDynamicKernel" in job.text
            return "dynamic_gated" if gated else "dynamic"
    raise AssertionError("no kernel was asked for")


def merged(stage: Any) -> bool:
    """Whether the static kernel of the last call sums FC2 whole, as 0.7.4's may."""
    return "merged_groups: True" in stage.recorder.jobs[stage.recorder.hit[-1]].text


def tile(stage: Any) -> int:
    """Rows of the tile of the kernel that was asked for last; 0 if it has none."""
    jobs = [stage.recorder.jobs[key] for key in reversed(stage.recorder.hit)]
    tiles = [job.detail.get("tile") for job in jobs]
    return next((t[0] for t in tiles if t), 0)


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """Norm of the difference over the norm of the other."""
    other = other.float()
    return float((one.float() - other).norm() / other.norm())


def worst_row(one: torch.Tensor, other: torch.Tensor) -> float:
    """The same of the row where it is largest; rows of zeros must be zeros in both."""
    other = other.float()
    norm = other.norm(dim=-1)
    difference = (one.float() - other).norm(dim=-1)
    return float(torch.where(norm > 0, difference / norm, difference).max())
