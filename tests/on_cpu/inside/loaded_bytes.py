# SPDX-License-Identifier: Apache-2.0
"""Write tiny checkpoints, load them as vLLM does, and say what their ranks then hold.

``python loaded_bytes.py CASES`` prints a list, in JSON: for each case one number a
rank, bytes of all storages that tensors made by the loader have, each storage once;
null if a process of it failed. CASES is a list, in JSON, of folder, specification and
number of ranks; a specification has ``form``, and ``linear`` for NVFP4 attention too,
``experts``, ``hidden``, ``intermediate``, ``layers``. Each rank is a fork of one
process that has imported vLLM.
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
    str(HERE.parents[1] / "in_vllm"),
    str(HERE.parents[2] / "engine" / "inside"),
    str(HERE.parents[3] / "scripts" / "in_vllm"),
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
    import loading
    import platform_double
    import ready
    import torch
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.distributed import init_distributed_environment, parallel_state
    from vllm.model_executor.model_loader import get_model
    from vllm.model_executor.models.qwen3_moe import Qwen3MoeForCausalLM
    from vllm.model_executor.models.registry import ModelRegistry
    from vllm.v1.worker import workspace

    platform_double.become(ready.DOUBLE, (12, 0))
    torch.set_num_threads(1)
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
        model = get_model(vllm_config=config)
    found = storages()
    assert model is not None
    return sum(size for key, size in found.items() if key not in before)


def one(folder: Path, ranks: int, rank: int, address: str, told: Any) -> None:
    told.put((rank, load(folder, ranks, rank, address)))


def case(folder: Path, spec: dict[str, Any], ranks: int) -> list[int] | None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    context = multiprocessing.get_context("fork")
    writer = context.Process(target=write, args=(folder, spec))
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
        return None
    return [size for _, size in sorted(told.get() for _ in processes)]


def main() -> None:
    import ready

    ready.load()
    cases = json.loads(sys.argv[1])
    print(json.dumps([case(Path(folder), *more) for folder, *more in cases]))


if __name__ == "__main__":
    main()
