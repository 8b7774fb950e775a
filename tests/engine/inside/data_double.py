# SPDX-License-Identifier: Apache-2.0
"""The two collectives that data parallel experts need and vLLM's CPU platform lacks.

``CpuCommunicator`` takes the manager that gathers the tokens of all ranks and scatters
the sums, and has neither ``all_gatherv`` nor ``reduce_scatterv``. Both are doubled over
gloo. The manager, the ranks' processes and what they agree on before each call are the
real ones.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torch.distributed
from vllm.distributed.device_communicators.base_device_communicator import (
    DeviceCommunicatorBase,
)
from vllm.distributed.device_communicators.cpu_communicator import CpuCommunicator

LACKING = DeviceCommunicatorBase.all_gatherv
WORDS = "raise NotImplementedError"


def lacking() -> bool:
    """Whether the platform, without the double, stops at `WORDS` in `LACKING`."""
    inherited = CpuCommunicator.all_gatherv is LACKING
    return inherited and WORDS in inspect.getsource(LACKING)


def install() -> None:
    """In this process, and in those that it forks."""
    CpuCommunicator.all_gatherv = _all_gatherv
    CpuCommunicator.reduce_scatterv = _reduce_scatterv


def _all_gatherv(
    self: Any,
    input_: torch.Tensor | list[torch.Tensor],
    dim: int = 0,
    sizes: list[int] | None = None,
) -> torch.Tensor | list[torch.Tensor]:
    """Rows [sum(sizes), ...] of all ranks, in their order."""
    if isinstance(input_, list):
        return [_all_gatherv(self, each, dim, sizes) for each in input_]
    parts = []
    for source, rows in zip(self.ranks, _sizes(self, input_, dim, sizes), strict=True):
        part = input_.contiguous()
        if source != self.global_rank:
            part = part.new_empty(rows, *part.shape[1:])
        torch.distributed.broadcast(part, source, group=self.device_group)
        parts.append(part)
    return torch.cat(parts)


def _reduce_scatterv(
    self: Any, input_: torch.Tensor, dim: int = -1, sizes: list[int] | None = None
) -> torch.Tensor:
    """This rank's rows of the sum of all ranks, which is rounded once."""
    each = input_[: len(input_) // self.world_size]
    sizes = _sizes(self, each, dim, sizes)
    total = input_.float()
    torch.distributed.all_reduce(total, group=self.device_group)
    return total.split(sizes)[self.rank_in_group].to(input_.dtype)


def _sizes(
    self: Any, own: torch.Tensor, dim: int, sizes: list[int] | None
) -> list[int]:
    if dim != 0:
        raise ValueError(f"rows are gathered and scattered, not dimension {dim}")
    return sizes or [len(own)] * self.world_size
