# SPDX-License-Identifier: Apache-2.0
"""A tiny NVFP4 mixture of experts, and what it computes.

The numbers are made as ModelOpt and compressed-tensors make them: FP4 values in
blocks of 16 with an E4M3 scale each, an FP32 scale per matrix, and a calibrated scale
for each activation. The reference uses what the checkpoint says, dequantised, and
nothing of vLLM's or FlashInfer's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import torch

BLOCK = 16
FP4_MAX, FP8_MAX = 6.0, 448.0
# The eight magnitudes of E2M1, in the order of their codes.
_E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
# Halfway between neighbours; ties are rare enough not to matter here.
_EDGES = (_E2M1[1:] + _E2M1[:-1]) / 2


class Format(Enum):
    """Who wrote the checkpoint: this decides names, and which scale is inverted."""

    # weight_scale_2 and input_scale multiply.
    MODELOPT = "modelopt"
    # weight_global_scale and input_global_scale divide.
    COMPRESSED = "compressed-tensors"


@dataclass(frozen=True)
class Swiglu:
    """Numbers of SwiGLU-OAI as a model's configuration gives them, or leaves out."""

    alpha: float | None = None
    beta: float | None = None
    limit: float | None = None


# In place of what is left out: gpt-oss's own numbers for "swigluoai", which
# torch.ops._C.swigluoai_and_mul has as defaults, and a plain SwiGLU for the other.
_SWIGLU = {
    "swigluoai": Swiglu(1.702, 1.0, 7.0),
    "swigluoai_uninterleave": Swiglu(1.0, 0.0),
}


@dataclass(frozen=True)
class Shape:
    """A mixture of experts. ``sigma`` is the spread of its Gaussian weights."""

    sigma: float
    experts: int = 4
    hidden: int = 256
    intermediate: int = 128
    top_k: int = 2
    activation: str = "silu"
    seed: int = 0
    layers: int = 1
    swiglu: Swiglu = Swiglu()

    @property
    def gated(self) -> bool:
        return not self.activation.endswith("no_mul")

    @property
    def interleaved(self) -> bool:
        """Whether rows of gate and up take turns in w13, as in gpt-oss."""
        return self.activation == "swigluoai"


@dataclass
class Matrix:
    """One quantised matrix: bytes of two FP4 codes, E4M3 scales, an FP32 scale."""

    packed: torch.Tensor
    scale: torch.Tensor
    scale_2: torch.Tensor
    input_scale: torch.Tensor = field(default_factory=lambda: torch.tensor(1.0))

    def dequantised(self) -> torch.Tensor:
        codes = torch.stack((self.packed & 0xF, self.packed >> 4), -1).flatten(-2).int()
        value = _E2M1[codes & 7] * torch.where(codes >= 8, -1.0, 1.0)
        scale = self.scale.float() * self.scale_2
        return value * scale.repeat_interleave(BLOCK, -1)


@dataclass
class Expert:
    """``gate`` is absent where the activation has no gate."""

    up: Matrix
    down: Matrix
    gate: Matrix | None


Layer = list[Expert]


def quantise(weight: torch.Tensor, amax: torch.Tensor) -> Matrix:
    """To NVFP4 with the FP32 scale that spans ``amax`` (ModelOpt's NVFP4QTensor)."""
    scale_2 = amax.float() / (FP4_MAX * FP8_MAX)
    blocks = weight.float().unflatten(-1, (-1, BLOCK))
    scale = blocks.abs().amax(-1) / (FP4_MAX * scale_2)
    scale = scale.clamp(max=FP8_MAX).to(torch.float8_e4m3fn)
    step = (scale.float() * scale_2).unsqueeze(-1)
    value = torch.where(step > 0, blocks / step, 0.0).flatten(-2)
    codes = torch.bucketize(value.abs(), _EDGES).to(torch.uint8)
    codes |= (value < 0).to(torch.uint8) << 3
    packed = codes[..., 0::2] | codes[..., 1::2] << 4
    return Matrix(packed, scale, scale_2)


def make_layers(
    shape: Shape, samples: int = 256, amplitude: float = 1.0
) -> list[Layer]:
    """Experts with Gaussian weights, their input scales calibrated on noise.

    ``amplitude`` is the noise's standard deviation: 1 as after a plain norm.
    """
    rng = torch.Generator().manual_seed(shape.seed)
    calibration = torch.randn(samples, shape.hidden, generator=rng) * amplitude
    return [
        [_expert(shape, rng, calibration) for _ in range(shape.experts)]
        for _ in range(shape.layers)
    ]


def _expert(shape: Shape, rng: torch.Generator, calibration: torch.Tensor) -> Expert:
    rows, cols = shape.intermediate, shape.hidden
    gate, up, down = (
        torch.randn(size, generator=rng) * shape.sigma
        for size in ((rows, cols), (rows, cols), (cols, rows))
    )
    amax = torch.maximum(gate.abs().max(), up.abs().max()) if shape.gated else None
    first = up.abs().max() if amax is None else amax
    made = Expert(
        up=quantise(up, first),
        down=quantise(down, down.abs().max()),
        gate=quantise(gate, first) if shape.gated else None,
    )
    span = FP4_MAX * FP8_MAX
    middle = _middle(made, calibration, shape.activation, shape.swiglu)
    made.up.input_scale = calibration.abs().max() / span
    made.down.input_scale = middle.abs().max() / span
    if made.gate is not None:
        made.gate.input_scale = made.up.input_scale.clone()
    return made


def activate(
    up: torch.Tensor, gate: torch.Tensor | None, name: str, swiglu: Swiglu
) -> torch.Tensor:
    """The activation that vLLM means by ``name``, in FP32."""
    functional = torch.nn.functional
    if gate is None:
        if name != "relu2_no_mul":
            raise ValueError(name)
        return functional.relu(up).square()
    if name == "silu":
        return functional.silu(gate) * up
    if name == "gelu_tanh":
        return functional.gelu(gate, approximate="tanh") * up
    other = _SWIGLU[name]
    alpha = other.alpha if swiglu.alpha is None else swiglu.alpha
    beta = other.beta if swiglu.beta is None else swiglu.beta
    limit = other.limit if swiglu.limit is None else swiglu.limit
    # As in gpt-oss: the gate is clamped from above only.
    gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + beta)


def _middle(
    expert: Expert, x: torch.Tensor, activation: str, swiglu: Swiglu
) -> torch.Tensor:
    up = x @ expert.up.dequantised().T
    gate = None if expert.gate is None else x @ expert.gate.dequantised().T
    return activate(up, gate, activation, swiglu)


def reference(
    layer: Layer,
    x: torch.Tensor,
    weights: torch.Tensor,
    ids: torch.Tensor,
    activation: str = "silu",
    swiglu: Swiglu = Swiglu(),  # noqa: B008  frozen
) -> torch.Tensor:
    """What the layer computes with its dequantised weights, in FP32."""
    out = torch.zeros(x.shape, dtype=torch.float32)
    for number, expert in enumerate(layer):
        share = torch.where(ids == number, weights.float(), 0.0).sum(-1, keepdim=True)
        middle = _middle(expert, x.float(), activation, swiglu)
        out += share * (middle @ expert.down.dequantised().T)
    return out
