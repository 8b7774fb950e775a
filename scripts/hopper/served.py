# SPDX-License-Identifier: Apache-2.0
"""What of `make engine` runs with the real kernels, and what stops the rest.

On the GPU's machine is vLLM's Python alone: its compiled files, 65 MB, do not travel
with a bundle, and FlashInfer has to be told that the GPU is of capability 12.x, which
is done in the process that calls the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

_COMPILED = "vllm/platforms/cuda.py: import vllm._C_stable_libtorch"
_CORE = "vllm/v1/engine/core_client.py: multiprocess_mode"
_WORKER = "vllm/v1/executor/multiproc_executor.py: def make_worker_process"
_RAY = "vllm/v1/executor/ray_executor_v2.py: class RayExecutorV2"
_OTHERS = (
    "a worker is a process of its own, which would ask for kernels of capability 9.0"
)


@dataclass(frozen=True)
class Served:
    """A part of `make engine`, by its name there."""

    part: str
    runs: str
    """What of it ran with the real kernels, and in which part of make hopper."""
    stops: str
    """File of vLLM, and words of the line in it that stops the rest."""
    why: str


ENGINE = (
    Served(
        "steps",
        "load, warm-up, tokens eager and in CUDA graphs (engine); reload and sleep of "
        "layers (graphs)",
        _COMPILED,
        "norms, rotary embedding, routing and buffers are stood in for as far as the "
        "part engine calls them; its other steps were not tried",
    ),
    Served(
        "logits",
        "errors of layers, both classes (errors)",
        _COMPILED,
        "as of steps; an engine in BF16, which it is compared with, was not tried",
    ),
    Served(
        "server",
        "nothing",
        _CORE,
        "with a server the engine is a process of its own, which would ask for "
        "kernels of capability 9.0",
    ),
    Served(
        "draft",
        "nothing",
        _COMPILED,
        "nothing stands in for what a draft calls beside the layers; not tried",
    ),
    Served("ranks", "layers split over two GPUs (ranks)", _WORKER, _OTHERS),
    Served("data", "nothing", _CORE, _OTHERS),
    Served("faults", "nothing", _WORKER, f"{_OTHERS}; it has no claim on a kernel"),
    Served("nodes", "nothing", _WORKER, f"{_OTHERS}; there was one machine"),
    Served("ray", "nothing", _RAY, f"{_OTHERS}; there was one machine"),
)
