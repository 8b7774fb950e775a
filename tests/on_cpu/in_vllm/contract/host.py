# SPDX-License-Identifier: Apache-2.0
"""The arguments with which FlashInfer's host code launches its kernels."""

from dataclasses import dataclass
from typing import Any

from .problem import Problem


@dataclass
class Launch:
    """The arguments with which FlashInfer's host code calls a compiled kernel."""

    kind: str
    build: dict[str, Any]
    args: tuple[Any, ...]

    def __getitem__(self, name: str) -> Any:
        words = [w.split(":") for w in TABLE.split()]
        order = [w[-1] for w in words if len(w) == 1 or w[0] == self.kind]
        assert len(order) == len(self.args)
        return self.args[order.index(name)]


TABLE = """
x ids routing packed_a sfa packed_flat static:scratch scale_flat barrier epoch
static:state
dynamic:pair dynamic:head dynamic:tail dynamic:task dynamic:valid
w13 sf13 w2 sf2 rows micro:active micro:experts micro:global static:active
static:experts static:global static:virtual dynamic:write dynamic:base
input_gs alpha down_alpha down_gs out map weights
dynamic:tokens dynamic:max_rows dynamic:physical dynamic:tasks
"""


def both(p: Problem, flashinfer: Any, **kw: Any) -> tuple[Any, Any]:
    ours = p.wrapper(use_cuda_graph=True, **kw)
    ours.direct_micro_launches = False
    e, h, half = p.w2.packed.shape
    kw |= {"activation": p.activation, "device": "cpu", "use_cuda_graph": True}
    real = flashinfer.b12x.B12xMoEWrapper(e, p.ids.shape[1], h, half * 2, **kw)
    return ours, real
