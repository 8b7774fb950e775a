# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's B12xMoEWrapper in an engine: the contract's double, and what it did.

The double keeps each call with its tensors; an engine makes thousands, so that they
are replaced by a line each here.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from contract.b12x_double import B12xMoEWrapperDouble


@dataclass(frozen=True)
class Did:
    """One call of ``run``.

    Attributes:
        regime: FlashInfer's kernel, as ``direct_micro`` or ``dynamic``.
        tokens: Rows of x.
        conversions: Arguments that FlashInfer would allocate anew.
    """

    regime: str
    tokens: int
    conversions: tuple[str, ...]


MADE: list[Wrapper] = []
"""All wrappers of this process, oldest first."""

DID: list[Did] = []
"""Calls of all wrappers, oldest first."""

_EACH_CALL = ("x", "token_selected_experts", "token_final_scales")


class Wrapper(B12xMoEWrapperDouble):
    """The double on the CPU, whatever device it is given.

    ``addresses`` are those of weights and scales in its last call, by name.
    """

    def __init__(self, *args: Any, device: str = "cuda", **kwargs: Any) -> None:
        super().__init__(*args, device="cpu", **kwargs)
        self.addresses: tuple[tuple[str, int], ...] = ()
        MADE.append(self)

    def run(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        out = super().run(*args, **kwargs)
        call = self.calls.pop()
        held = {n: t for n, t in call.args.items() if n not in _EACH_CALL}
        held["folded w1_alpha"] = call.alpha
        self.addresses = tuple(sorted((n, t.data_ptr()) for n, t in held.items()))
        DID.append(Did(call.regime, call.num_tokens, call.conversions))
        return out


# vLLM binds its calls to the signatures (patch 0002).
Wrapper.__signature__ = inspect.signature(B12xMoEWrapperDouble)
Wrapper.run.__signature__ = inspect.signature(B12xMoEWrapperDouble.run)
