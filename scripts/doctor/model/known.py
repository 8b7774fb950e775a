# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint is, on whatever GPU: its model, matrices, and what is odd."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property

from scripts.doctor.model import inventory, sizes
from scripts.doctor.model.against import against
from scripts.doctor.model.checkpoint import TEXT, Checkpoint
from scripts.doctor.model.families import FP32_GATES, Model, model, not_known
from scripts.doctor.model.fields import Fields
from scripts.doctor.model.formats import Format
from scripts.doctor.model.layers import (
    Kind,
    Matrix,
    asked_as,
    gather,
    kind_of,
    pattern,
)
from scripts.doctor.model.quantization import Rules, rules
from scripts.doctor.remark import Remark, note


@dataclass(frozen=True)
class Known:
    """A checkpoint, read once for all that is asked of it."""

    checkpoint: Checkpoint
    model: Model
    matrices: tuple[Matrix, ...]
    kv: str | None
    remarks: tuple[Remark, ...]
    _held: dict[tuple[Matrix, int, str], sizes.Held | sizes.Indivisible] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What `held` found before: what is nearest is looked for in many assessments."""

    @cached_property
    def alike(self) -> tuple[tuple[Matrix, int], ...]:
        """Matrices of which all is alike but the layer's number: one, and how many."""
        found: dict[Hashable, list[Matrix]] = {}
        for matrix in self.matrices:
            parts = [replace(part, name=pattern(part.name)) for part in matrix.parts]
            one = replace(matrix, name=pattern(matrix.name), parts=tuple(parts))
            key = one, self.model.kv_head(matrix.name)
            found.setdefault(key, []).append(matrix)
        return tuple((same[0], len(same)) for same in found.values())

    def held(
        self, matrix: Matrix, ranks: int, backend: str
    ) -> sizes.Held | sizes.Indivisible:
        """What a rank holds of a matrix, or why vLLM cannot share it.

        Args:
            matrix: One of `alike`.
            ranks: Tensor-parallel size.
            backend: What runs it; see `sizes.held`.
        """
        key = matrix, ranks, backend
        if key not in self._held:
            try:
                head = self.model.kv_head(matrix.name)
                self._held[key] = sizes.held(matrix, ranks, head, backend)
            except sizes.Indivisible as error:
                self._held[key] = error.with_traceback(None)
        return self._held[key]


def know(checkpoint: Checkpoint) -> Known:
    """What a checkpoint is.

    Raises:
        Finding: Its files contradict themselves, or lack what vLLM needs.
        Unusable: It is of a family or quantization that is not known here.
    """
    config, text = Fields(checkpoint.config), Fields(checkpoint.text)
    for name in TEXT:
        config.inner(name)
    found = model(config, text)
    described = rules(checkpoint.quantization)
    layers = len(found.mixers)
    remarks = list(checkpoint.remarks)
    modules = found.modules
    if checkpoint.tensors is not None:
        made, more = inventory.modules(checkpoint.tensors, described, layers)
        remarks += [*more, *against(modules, made, found)]
        # vLLM reads no lm_head where the embedding is one.
        modules = tuple(m for m in made if not found.tied or m.name != "lm_head")
    elif not modules:
        raise not_known(found.family or config.text("model_type"))
    if not found.family:
        remarks.append(
            note(
                f"model_type {config.text('model_type') or 'missing'} is not known "
                "here: the KV cache is counted as that of attention in every layer",
                "see what vLLM logs at start",
            )
        )
    if found.unregistered:
        remarks.append(
            note(
                f"vLLM may not load it: {found.unregistered} is no architecture that "
                "is known here",
                "start vllm serve, which says at once whether it does",
            )
        )
    if config.inner("vision_config") is not None and not any(
        kind_of(module.name, layers) is Kind.VISION for module in modules
    ):
        remarks.append(
            note(
                "config.json has a vision tower and no size of it, so that its bytes "
                "are not counted",
                "take config.json from the checkpoint's publisher again",
            )
        )
    matrices, more = gather(modules, described, layers)
    matrices = [_as_vllm(each, described, found.family) for each in matrices]
    return Known(checkpoint, found, tuple(matrices), described.kv, (*remarks, *more))


def _as_vllm(matrix: Matrix, described: Rules, family: str) -> Matrix:
    """The format that vLLM makes it of, where the file alone does not decide."""
    if matrix.form is Format.NVFP4:
        # The description says whether activations are FP4 too.
        said = described.form(asked_as(matrix.parts[0].name))
        return replace(matrix, form=said) if said is Format.NVFP4_A16 else matrix
    gate = matrix.kind is Kind.ROUTER and matrix.name.endswith(".gate")
    if gate and family in FP32_GATES:
        return replace(matrix, form=Format.FP32)
    return matrix
