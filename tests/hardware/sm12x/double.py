# SPDX-License-Identifier: Apache-2.0
"""The machine of an SM12x owner, doubled on a CPU: a pytest plugin, and for scripts.

The platform says SM120, "cuda" means the CPU, and the PyTorch double of the contract
stands in the place of FlashInfer's MoE kernel. It is there to try the tools with; what
comes out says nothing of the hardware.
"""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [
    str(Path(__file__).resolve().parent),
    str(ROOT / "scripts" / "in_vllm"),
    str(ROOT / "tests" / "on_cpu" / "in_vllm"),
]
os.environ.setdefault("VLLM_HAS_FLASHINFER_CUBIN", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

import platform_double  # noqa: E402

_PLATFORM = platform_double.install()

import torch  # noqa: E402
from cuda_is_cpu import CudaIsCpu  # noqa: E402


def start() -> None:
    """Become the doubled machine; vLLM is imported on the way."""
    import vllm.model_executor.model_loader
    import vllm.model_executor.models.qwen3_moe
    import vllm.utils.flashinfer  # noqa: F401  imported while "unspecified"
    from contract.b12x_double import B12xMoEWrapperDouble
    from standin import replace_wrapper
    from vllm.v1.worker import workspace

    platform_double.become(_PLATFORM, (12, 0))

    class Double(B12xMoEWrapperDouble):
        def __init__(self, *args: Any, device: str = "cuda", **kwargs: Any) -> None:
            super().__init__(*args, device="cpu", **kwargs)

    Double.__signature__ = inspect.signature(B12xMoEWrapperDouble)  # type: ignore[attr-defined]
    replace_wrapper(Double)
    # vLLM's tests make a workspace only where PyTorch has an accelerator.
    workspace.reset_workspace_manager = _workspace
    _workspace()
    CudaIsCpu().__enter__()
    torch.set_num_threads(1)


def _workspace() -> None:
    from vllm.v1.worker import workspace

    workspace._manager = None
    workspace.init_workspace_manager(torch.device("cpu"))


def pytest_configure() -> None:
    """Before the first conftest of vLLM's tests is read."""
    start()
