# SPDX-License-Identifier: Apache-2.0
"""A layer with made weights, and the choices of scales that a caller has."""

from dataclasses import dataclass
from typing import Any

import torch

from . import b12x_double as double
from . import b12x_numerics as num

SIGMAS = (0.05, 0.02, 0.01, 0.005, 0.003)
FP4 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
FULL = 6.0 * 448.0


def to_mma(scale: torch.Tensor) -> torch.Tensor:
    """Plain block scales [E, rows, cols] as the view that a vLLM layer passes."""
    e, rows, cols = scale.shape
    row_pad, col_pad = -rows % 128, -cols % 4
    full = torch.nn.functional.pad(scale, (0, col_pad, 0, row_pad))
    m, k = full.shape[1] // 128, full.shape[2] // 4
    stored = full.view(e, m, 4, 32, k, 4).permute(0, 1, 4, 3, 2, 5).contiguous()
    stored = stored.to(torch.float8_e4m3fn)
    return stored.permute(3, 4, 1, 5, 2, 0)


@dataclass
class Weight:
    """A weight as a checkpoint has it: value = packed * scale * scale_2."""

    packed: torch.Tensor
    scale: torch.Tensor  # [E, rows, K/16], E4M3 values as floats
    scale_2: torch.Tensor  # [E], amax / (6 * 448)

    @property
    def value(self) -> torch.Tensor:
        return num.weight(self.packed, self.scale) * self.scale_2[:, None, None]

    def expert(self, e: int) -> torch.Tensor:
        """``value`` of one expert."""
        return num.weight(self.packed[e], self.scale[e]) * self.scale_2[e]

    @classmethod
    def of(cls, w: torch.Tensor) -> "Weight":
        scale_2 = w.abs().amax((1, 2)) / FULL
        blocks = w.unflatten(-1, (-1, 16)) / scale_2[:, None, None, None]
        scale = (blocks.abs().amax(-1) / 6).to(torch.float8_e4m3fn).float()
        q = num.round_e2m1(blocks / scale[..., None]).flatten(-2)
        codes = torch.searchsorted(torch.tensor(FP4), q.abs()) + 8 * (q < 0)
        packed = (codes[..., 0::2] | codes[..., 1::2] << 4).to(torch.uint8)
        return cls(packed, scale, scale_2)

    def swapped(self) -> "Weight":
        """[gate, up] rows as [up, gate]."""
        half = self.packed.shape[1] // 2
        return Weight(
            self.packed.roll(half, 1).contiguous(),
            self.scale.roll(half, 1),
            self.scale_2,
        )


@dataclass
class Problem:
    """A layer as vLLM loads it, rows of w13 in the order [gate, up]."""

    x: torch.Tensor
    ids: torch.Tensor
    routing: torch.Tensor
    w13: Weight
    w2: Weight
    activation: str
    swiglu: tuple[float, float, float | None] = (1.702, 1.0, 7.0)

    @classmethod
    def make(
        cls, *, e: int = 4, h: int = 256, i: int = 128, k: int = 2, tokens: int = 33,
        sigma: float = 0.02, activation: str = "silu", seed: int = 0,
        spread: float = 1.0, uneven: float = 0.0,
    ) -> "Problem":  # fmt: skip
        g = torch.Generator().manual_seed(seed)

        def normal(*size: int) -> torch.Tensor:
            return torch.randn(*size, generator=g)

        def gauss(rows: int, cols: int) -> Weight:
            w = normal(e, rows, cols // 16, 16) * sigma
            if uneven:
                w *= (uneven * normal(e, rows, cols // 16, 1)).exp()
            factor = spread ** torch.linspace(-1, 1, e)[:, None, None]
            return Weight.of(w.flatten(2) * factor)

        rows = i * (2 if activation in num.GATED else 1)
        logits = normal(tokens, e)
        routing, ids = logits.softmax(-1).topk(k)
        return cls(
            normal(tokens, h).bfloat16(), ids.int(), routing / routing.sum(-1, True),
            gauss(rows, h), gauss(h, i), activation,
        )  # fmt: skip

    def middle(self, e: int) -> torch.Tensor:
        gate, up = self.x.float() @ self.w13.expert(e).T, None
        if self.activation in num.GATED:
            gate, up = gate.chunk(2, -1)
        return num.activate(gate, up, self.activation, self.swiglu)

    def reference(self) -> torch.Tensor:
        """No rounding of activations; the weights as the checkpoint means them."""
        out = torch.zeros(self.x.shape, dtype=torch.float32)
        for e in range(len(self.w2.packed)):
            share = (self.routing * (self.ids == e)).sum(1, keepdim=True)
            out += share * (self.middle(e) @ self.w2.expert(e).T)
        return out

    def input_scales(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Per expert, as ModelOpt does: amax / (6 * 448) over the tokens it gets."""
        a13, a2 = [], []
        for e in range(len(self.w2.packed)):
            hit = (self.ids == e).any(1)
            a13.append(
                self.x[hit].abs().max().float() if hit.any() else torch.tensor(1e-3)
            )
            a2.append(
                self.middle(e)[hit].abs().max() if hit.any() else torch.tensor(1e-3)
            )
        return torch.stack(a13) / FULL, torch.stack(a2) / FULL

    def wrapper(self, **kw: Any) -> double.B12xMoEWrapperDouble:
        kw = {"device": "cpu", "activation": self.activation} | kw
        if self.activation == "swigluoai_uninterleave":
            kw["swiglu_limit"] = self.swiglu[2]
        e, h, half = self.w2.packed.shape
        return double.B12xMoEWrapperDouble(e, self.ids.shape[1], h, half * 2, **kw)

    def arguments(self, **change: Any) -> dict[str, Any]:
        """Everything that is not a matter of choosing scales."""
        w13 = self.w13.swapped() if self.activation in num.GATED else self.w13
        return {
            "x": self.x, "w1_weight": w13.packed, "w1_weight_sf": to_mma(w13.scale),
            "w2_weight": self.w2.packed, "w2_weight_sf": to_mma(self.w2.scale),
            "token_selected_experts": self.ids, "token_final_scales": self.routing,
        } | change  # fmt: skip

    def error(self, scales: dict[str, Any], **wrapper: Any) -> float:
        out = self.wrapper(**wrapper).run(**self.arguments() | scales).float()
        want = self.reference()
        return float((out - want).norm() / want.norm())

    # The choices of scales that a caller has.

    def baked(self) -> dict[str, Any]:
        """Upstream's: the block scales times scale_2, in E4M3, and one everywhere."""
        w13 = self.w13.swapped() if self.activation in num.GATED else self.w13
        one = torch.ones_like(w13.scale_2)
        bake = [to_mma(w.scale * w.scale_2[:, None, None]) for w in (w13, self.w2)]
        return {
            "w1_weight_sf": bake[0], "w2_weight_sf": bake[1],
            "w1_alpha": one, "w2_alpha": one, "fc2_input_scale": one,
        }  # fmt: skip

    def separate(self, a13: Any = 1.0, a2: Any = 1.0) -> dict[str, Any]:
        """The weights' scale in the alphas, the activations' in their own arguments."""
        one = torch.ones_like(self.w2.scale_2)
        return {
            "w1_alpha": self.w13.scale_2, "input_global_scale": one * a13,
            "w2_alpha": self.w2.scale_2 * a2, "fc2_input_scale": one * a2,
        }  # fmt: skip

    def calibrated(self, per_expert: bool = False) -> dict[str, Any]:
        a13, a2 = self.input_scales()
        return self.separate(*((a13, a2) if per_expert else (a13.max(), a2.max())))


REGIMES = {
    "direct_micro": (1, 256, 128, True),
    "micro": (1, 256, 128, False),
    "static": (64, 256, 128, True),
    "dynamic_gated": (600, 256, 128, True),
    "dynamic": (600, 256, 640, True),
}
