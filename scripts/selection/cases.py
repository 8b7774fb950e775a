# SPDX-License-Identifier: Apache-2.0
"""The questions of the selection matrix: machines, packages, layers and settings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import product
from pathlib import Path

from scripts.base import chips
from scripts.base.errors import Finding

LAYERS = ("MoE", "linear")
SCHEMES = ("W4A4", "W4A16")
"""Weights are NVFP4, activations NVFP4 or BF16."""
NO_GPU = "no GPU"
DEVICES = {
    "8.0": "A100",
    "8.9": "RTX 40xx, L40S",
    "9.0": "H100, H200",
    "10.0": "B200",
    "10.3": "B300",
    "12.0": "RTX PRO 6000, RTX 50xx",
    "12.1": "DGX Spark",
    NO_GPU: "",
}
"""Compute capabilities, with some devices of each, and a machine without a GPU."""
CAPABILITIES = tuple(DEVICES)
OURS = chips.CAPABILITIES
AUTO = "auto"
PLAIN = "plain"
FEATURES: dict[str, tuple[str, ...]] = {
    "MoE": (PLAIN, "EP", "DP", "LoRA", "batch invariant", "FP16", "SwiGLU limit"),
    # The others are no matter of a linear layer's selection.
    "linear": (PLAIN, "batch invariant", "FP16"),
}
SWITCH = ("all", "moe", "linear", "none")
"""Values of VLLM_SM12X_AUTO_SELECT."""
FLASHINFER = ("present", "absent", "too old")
"""The pinned one, none, and the last that lacks what the MoE backend calls."""
B12X = ("absent", "present")
"""Whether `b12x` can be imported: FlashInfer's copy beside it, else the package."""
NO_CUTLASS, BROKEN, CUDA_12 = (
    "no cutlass",
    "CuTe DSL that does not compile",
    "CUDA 12.9",
)
TROUBLES = (NO_CUTLASS, BROKEN, CUDA_12)
ONLY_OURS = frozenset({"flashinfer_cutedsl_sm12x"})
"""Named backends that upstream does not know."""


@dataclass(frozen=True)
class World:
    """Which optional packages vLLM finds.

    Attributes:
        flashinfer: One of `FLASHINFER`, or a release of `worlds.RELEASES`.
        trouble: What is wrong beside that, one of `TROUBLES`; nothing if empty.
    """

    flashinfer: str
    b12x: str
    trouble: str = ""

    def __str__(self) -> str:
        said = f"FlashInfer {self.flashinfer}, b12x {self.b12x}"
        return f"{said}, {self.trouble}" if self.trouble else said


WORLDS = tuple(World(*each) for each in product(FLASHINFER, B12X))
USUAL = World("present", "present")
"""As the pinned vLLM installs it: FlashInfer brings its copy of b12x."""


@dataclass(frozen=True)
class Case:
    """One question, in one world; `scripts/in_vllm/ask_selection.py` takes it."""

    layer: str
    scheme: str
    capability: str
    backend: str
    feature: str
    switch: str

    def fields(self) -> list[str | None]:
        """As the process takes it: None in place of `NO_GPU`."""
        return [None if each == NO_GPU else each for each in astuple(self)]

    @property
    def first_choice(self) -> str | None:
        """What the series would have selected here, if anything of its own."""
        names = {
            ("MoE", "W4A4"): "FLASHINFER_CUTEDSL_SM12X",
            ("MoE", "W4A16"): "B12X",
            ("linear", "W4A4"): "FlashInferB12xNvFp4LinearKernel",
        }
        return names.get((self.layer, self.scheme))


def all_cases(backends: dict[str, tuple[str, ...]]) -> Iterator[Case]:
    """Every question of one world, for these values of the two options."""
    for layer in LAYERS:
        dims = (SCHEMES, CAPABILITIES, backends[layer], FEATURES[layer], SWITCH)
        for scheme, capability, backend, feature, switch in product(*dims):
            yield Case(layer, scheme, capability, backend, feature, switch)


def named_backends(tree: Path) -> dict[str, tuple[str, ...]]:
    """Values of --moe-backend and --linear-backend, as the tree's code lists them.

    Raises:
        Finding: `vllm/config/kernel.py` does not list them as it did.
    """
    path = tree / "vllm/config/kernel.py"
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Subscript(
                    value=ast.Name(id="Literal"), slice=ast.Tuple(elts=values)
                ),
            ):
                found[name] = tuple(
                    str(v.value) for v in values if isinstance(v, ast.Constant)
                )
    try:
        return {"MoE": found["MoEBackend"], "linear": found["LinearBackend"]}
    except KeyError as e:
        raise Finding(
            "the backends' names are not where they were",
            where=str(path),
            expected=f"{e.args[0]} = Literal[...]",
            next="look where upstream lists them now",
        ) from None
