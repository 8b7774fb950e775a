# SPDX-License-Identifier: Apache-2.0
"""vLLM in this process on the real CUDA device, with or without its compiled files.

A source tree has none: then empty modules stand for them, and the few operations that
only say what a capability can do answer by vLLM's own table (``platform_double``).
The platform is vLLM's own ``CudaPlatform``, which asks the driver.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("VLLM_HAS_FLASHINFER_CUBIN", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

_COMPILED = "vllm._C_stable_libtorch"
# Imported with the models; attention is built with them and never runs here.
_ATTENTION = "vllm.vllm_flash_attn"


def stand_in() -> bool:
    """Let a tree without compiled files import; whether it has none."""
    import torch

    spec = importlib.util.find_spec("vllm")
    assert spec is not None and spec.origin is not None, "there is no vLLM to import"
    if list(Path(spec.origin).parent.glob("_C_stable_libtorch*")):
        return False
    sys.modules[_COMPILED] = ModuleType(_COMPILED)
    sys.modules[_ATTENTION] = ModuleType(_ATTENTION)
    sys.modules[_ATTENTION].__getattr__ = _absent  # type: ignore[method-assign]
    import platform_double

    class Keep:
        library: Any = None

    platform_double._stub_capability_ops(Keep)
    sys.modules[_COMPILED].keep = Keep  # type: ignore[attr-defined]
    assert torch.cuda.is_available(), "there is no CUDA device"
    return True


def _absent(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)

    def call(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"{_ATTENTION}.{name}: there are no compiled files")

    return call


def facts() -> dict[str, str]:
    """The device, the software and the day, as the record names them."""
    import torch

    query = "--query-gpu=name,driver_version,memory.total"
    said = subprocess.run(
        ["nvidia-smi", query, "--format=csv,noheader", "--id=0"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    name, driver, memory = said.split(", ")
    major, minor = torch.cuda.get_device_capability()
    return {
        "device": name,
        "capability": f"{major}.{minor}",
        "memory": memory,
        "driver": driver,
        "torch": torch.__version__,
        "CUDA of torch": str(torch.version.cuda),
        "python": sys.version.split()[0],
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def start() -> None:
    """What a worker makes before it loads a model: one rank, and the workspaces."""
    import loading
    import torch
    import vllm.platforms
    from vllm.v1.worker import workspace

    platform = vllm.platforms.current_platform
    assert platform.is_cuda(), f"vLLM stands on {platform!r}"
    loading.start()
    workspace.reset_workspace_manager()
    workspace.init_workspace_manager(torch.device("cuda"))


def become(capability: tuple[int, int]) -> None:
    """Let vLLM take the device for one of this capability."""
    import platform_double
    import vllm.platforms
    from vllm.platforms.interface import DeviceCapability

    cls = type(vllm.platforms.current_platform)
    told = DeviceCapability(*capability)
    cls.get_device_capability = classmethod(lambda *_, **__: told)
    platform_double.clear_caches()


@contextmanager
def as_sm120() -> Iterator[None]:
    """As ``become``, so that SM12x backends are allowed, and back at the end."""
    import platform_double
    import vllm.platforms

    cls = type(vllm.platforms.current_platform)
    own = cls.__dict__.get("get_device_capability")
    become((12, 0))
    try:
        yield
    finally:
        if own is None:
            del cls.get_device_capability
        else:
            cls.get_device_capability = own
        platform_double.clear_caches()
