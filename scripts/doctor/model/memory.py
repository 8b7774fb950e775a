# SPDX-License-Identifier: Apache-2.0
"""What a rank's memory goes to, and what is left for the KV cache.

Predicted are weights, padding and the MoE scratch. All else is an estimate, and is
called so: its formula stands beside it, and nothing of it was measured on SM12x.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.doctor.model.gpus import GIB, Gpu

UTILIZATION = 0.92
"""vLLM's default of --gpu-memory-utilization."""
SHARED = 0.85
"""The same on unified memory, as recipes of eugr/spark-vllm-docker have it."""
_MIB = 1 << 20
_ATTENTION = 394 * _MIB
"""vLLM's default of VLLM_FLASHINFER_WORKSPACE_BUFFER_SIZE."""
_CONTEXT = 500 * _MIB
_NCCL = 400 * _MIB
_GRAPHS = 300 * _MIB
_SAMPLER = 4


@dataclass(frozen=True)
class Item:
    """One use of memory.

    Attributes:
        exact: Whether it is predicted, and held to vLLM by a test; else an estimate.
        how: Where the number is from.
    """

    name: str
    nbytes: int
    exact: bool
    how: str


@dataclass(frozen=True)
class Budget:
    """The memory of one GPU.

    Attributes:
        total: Bytes that PyTorch sees.
        utilization: Share of them that vLLM may take.
        items: What it takes before the KV cache.
    """

    total: int
    utilization: float
    items: tuple[Item, ...]

    @property
    def taken(self) -> int:
        return sum(item.nbytes for item in self.items)

    @property
    def system(self) -> int:
        """What vLLM leaves alone."""
        return self.total - int(self.total * self.utilization)

    @property
    def left(self) -> int:
        """For the KV cache; below 0 if not even the rest fits."""
        return int(self.total * self.utilization) - self.taken


@dataclass(frozen=True)
class Step:
    """Sizes of the largest step that vLLM runs before it measures what is left.

    Attributes:
        widest: Numbers a token that the widest layer of a rank writes.
        scratch: Bytes of the MoE kernels, for all layers together.
        own_scratch: Whether that is FlashInfer's allocator's, and not an estimate.
    """

    tokens: int
    seqs: int
    hidden: int
    widest: int
    vocabulary: int
    scratch: int
    own_scratch: bool


def utilization(gpu: Gpu) -> float:
    return SHARED if gpu.unified else UTILIZATION


def budget(
    gpu: Gpu, ranks: int, weights: int, padding: int, buffers: int, step: Step
) -> Budget:
    """What memory goes to.

    Args:
        gpu: Each of them.
        ranks: Tensor-parallel size.
        weights: Bytes of a rank, padding included.
        padding: Bytes thereof that no checkpoint has.
        buffers: Bytes of tables that are made at load, as those of rotary embeddings.
        step: The largest step.
    """
    layer = 2 * step.tokens * (4 * step.hidden + 2 * step.widest)
    logits = _SAMPLER * 4 * step.seqs * step.vocabulary
    items = [
        Item(
            "weights",
            weights,
            True,
            f"of this checkpoint; {gib(padding)} of it are padding for its kernels",
        ),
        Item("tables", buffers, True, "cosines and sines, made at load"),
        Item(
            "MoE scratch",
            step.scratch,
            step.own_scratch,
            "FlashInfer's allocator, shared by all layers"
            if step.own_scratch
            else "inputs and outputs of both GEMMs of all chosen experts",
        ),
        Item(
            "activations",
            max(layer, logits),
            False,
            f"the larger of {step.tokens:,} tokens in the widest layer and the logits "
            f"of {step.seqs:,} sequences, four times in FP32",
        ),
        Item("attention workspace", _ATTENTION, False, "vLLM's buffer for FlashInfer"),
        Item("CUDA graphs", _GRAPHS, False, "a guess; vLLM measures it at start"),
        Item("CUDA context", _CONTEXT, False, "a guess; driver and loaded kernels"),
    ]
    if ranks > 1:
        items.append(Item("NCCL", _NCCL, False, "a guess; its buffers"))
    kept = tuple(item for item in items if item.nbytes)
    return Budget(gpu.memory, utilization(gpu), kept)


def gib(nbytes: float) -> str:
    """As printed.

    >>> gib(3 << 29)
    '1.50 GiB'
    """
    return f"{nbytes / GIB:.2f} GiB"
