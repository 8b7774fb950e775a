# SPDX-License-Identifier: Apache-2.0
"""Write a tiny checkpoint, load it as vLLM does, and say what its ranks then hold.

``python loaded_bytes.py FOLDER SPEC RANKS`` prints one number a rank: bytes of all
storages that tensors made by the loader have, each storage once. SPEC is a JSON object:
``form``, and ``linear`` for NVFP4 attention too, ``experts``, ``hidden``,
``intermediate``, ``layers``.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import socket
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [
    str(HERE.parents[1] / "cpu"),
    str(HERE.parents[2] / "engine" / "inside"),
    str(HERE.parents[3] / "scripts" / "inside"),
]
os.environ |= {
    "VLLM_HAS_FLASHINFER_CUBIN": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


def write(folder: Path, spec: dict[str, Any]) -> None:
    from checkpoint import Format
    from model import Tiny
    from model import write as write_tiny

    write_tiny(folder, Tiny(0.02, form=Format(spec.pop("form")), **spec))


def storages() -> dict[int, int]:
    import torch

    gc.collect()
    found = {}
    for value in gc.get_objects():
        # Those that vLLM keeps of the checkpoint's form, for a reload, have no memory.
        if isinstance(value, torch.Tensor) and value.device.type != "meta":
            storage = value.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
    return found


def load(folder: Path, ranks: int, rank: int, address: str) -> int:
    import platform_double

    double = platform_double.install()
    import torch
    import vllm.model_executor.model_loader
    import vllm.model_executor.models.qwen3_moe
    import vllm.utils.flashinfer

    platform_double.become(double, (12, 0))
    torch.set_num_threads(1)
    import loading
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.distributed import init_distributed_environment, parallel_state
    from vllm.model_executor.models.qwen3_moe import Qwen3MoeForCausalLM
    from vllm.model_executor.models.registry import ModelRegistry
    from vllm.v1.worker import workspace

    ModelRegistry.register_model("Qwen3MoeForCausalLM", Qwen3MoeForCausalLM)
    config = loading.engine_config(
        folder, "auto", tensor_parallel_size=ranks, distributed_executor_backend="mp"
    )
    with set_current_vllm_config(VllmConfig()):
        init_distributed_environment(ranks, rank, address, rank, "gloo")
        parallel_state.initialize_model_parallel(ranks, 1)
    workspace.init_workspace_manager(torch.device("cpu"))
    before = storages()
    with set_current_vllm_config(config):
        model = vllm.model_executor.model_loader.get_model(vllm_config=config)
    found = storages()
    assert model is not None
    return sum(size for key, size in found.items() if key not in before)


def one(folder: Path, ranks: int, rank: int, address: str, told: Any) -> None:
    told.put((rank, load(folder, ranks, rank, address)))


def main() -> int:
    folder, ranks = Path(sys.argv[1]), int(sys.argv[3])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    context = multiprocessing.get_context("spawn")
    writer = context.Process(target=write, args=(folder, json.loads(sys.argv[2])))
    writer.start()
    writer.join()
    told = context.Queue()
    processes = [
        context.Process(target=one, args=(folder, ranks, rank, address, told))
        for rank in range(ranks)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
        process.kill()
    if [writer.exitcode, *(p.exitcode for p in processes)] != [0] * (ranks + 1):
        return 1
    print(json.dumps([size for _, size in sorted(told.get() for _ in processes)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
