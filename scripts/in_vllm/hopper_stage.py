# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's SM12x kernels under the patched vLLM: written down here, run on Hopper.

The same code drives vLLM and FlashInfer twice. ``record`` does it on a CPU with the
platform double: each kernel that is reached is written down, no launch does anything.
``run`` does it on a GPU of capability 9.0: FlashInfer's Python runs as it is and is
told capability 12.x, and ``cute.compile`` gives the kernel of the bundle that has the
same key. What is asked for and is not in the bundle is an error that names it.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MANIFEST = "manifest.json"
SETTINGS = {
    "B12X_COMPILE_DISK_CACHE": "0",
    "CUTE_DSL_NO_CACHE": "1",
    "FLASHINFER_CUTE_DSL_DISABLE_CACHE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_HAS_FLASHINFER_CUBIN": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


_MODELS = (
    "vllm.model_executor.model_loader",
    "vllm.model_executor.models.qwen3_moe",
)


class NotInBundle(RuntimeError):
    """A kernel was asked for that was not prepared; its kind and its key's text."""


@dataclass
class Stage:
    """Where the parts of a run stand."""

    capability: tuple[int, int]
    multiprocessors: int
    recorder: Any
    """The recorder of scripts/in_vllm/kernel_record.py; on the GPU it finds kernels."""
    recording: bool
    only: frozenset[str] = frozenset()
    """Names of models, where not all are asked for."""
    checked: bool = False
    """Kernels are taken as compute-sanitizer has to see them: with the ABI."""
    used: dict[str, str] = field(default_factory=dict)
    """Kind of each kernel that was asked for, by key."""

    @property
    def device(self) -> str:
        return "cpu" if self.recording else "cuda"

    @contextlib.contextmanager
    def direct_micro(self, yes: bool) -> Iterator[None]:
        """FlashInfer asks the driver whether its direct micro kernel can launch."""
        before, self.recorder.probe = self.recorder.probe, yes
        self.recorder.fresh()
        try:
            yield
        finally:
            self.recorder.probe = before
            self.recorder.fresh()

    def synchronize(self) -> None:
        if not self.recording:
            import torch

            torch.cuda.synchronize()


def record(arch: str, multiprocessors: int) -> Stage:
    """Become a CPU process that writes down what it reaches.

    Args:
        arch: sm_120a or sm_121a.
        multiprocessors: What FlashInfer is told; at most what the GPU will have.
    """
    os.environ.update(SETTINGS, CUTE_DSL_ARCH=arch, VLLM_TARGET_DEVICE="cpu")
    import kernel_calls

    capability = (12, int(arch[len("sm_12") : -1]))
    kernel_calls.start(capability, multiprocessors, _MODELS)
    _register()
    _wrappers_on_the_cpu()
    recorder = _recorder(launches=False)
    _same_clusters(multiprocessors)
    return Stage(capability, multiprocessors, recorder, recording=True)


def run(bundle: Path, capability: tuple[int, int]) -> Stage:
    """Become a process on the GPU that finds its kernels in the bundle.

    Raises:
        RuntimeError: The GPU is not of capability 9.0, or has fewer multiprocessors
            than the kernels were made for.
    """
    import torch

    told = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    arch = f"sm_{capability[0]}{capability[1]}a"
    os.environ.update(SETTINGS, CUTE_DSL_ARCH=arch)
    real = torch.cuda.get_device_properties(0)
    count = told["multiprocessors"]
    if (real.major, real.minor) != (9, 0) or real.multi_processor_count < count:
        raise RuntimeError(
            f"{real.name} has capability {real.major}.{real.minor} and "
            f"{real.multi_processor_count} multiprocessors; needed are 9.0 and {count}"
        )
    _answer(real, capability, count)
    import device

    device.stand_in()
    device.start()
    device.become(capability)
    recorder = _recorder(launches=True)
    stage = Stage(capability, count, recorder, recording=False)
    _same_clusters(count)
    shelf = _Shelf(bundle, told["kernels"][arch], stage)
    recorder.cute_compile = shelf.find
    return stage


def _wrappers_on_the_cpu() -> None:
    """Upstream's class makes FlashInfer's wrapper for "cuda", whatever the platform."""
    import functools

    from flashinfer.fused_moe import B12xMoEWrapper

    real = B12xMoEWrapper.__init__

    @functools.wraps(real)
    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs | {"device": "cpu"})

    B12xMoEWrapper.__init__ = make


def _register() -> None:
    """Name the model's class, which vLLM would look for in another process."""
    from vllm.model_executor.models.qwen3_moe import Qwen3MoeForCausalLM
    from vllm.model_executor.models.registry import ModelRegistry

    ModelRegistry.register_model("Qwen3MoeForCausalLM", Qwen3MoeForCausalLM)


def _recorder(launches: bool) -> Any:
    import kernel_record

    kernel_record.Recorder.grid = True
    return kernel_record.install(launches)


def _same_clusters(count: int) -> None:
    """Blocks of which one fits a multiprocessor; CuTe DSL would ask the real driver."""
    from cutlass import utils

    utils.HardwareInfo.get_max_active_clusters = lambda _, size: count // size


def _answer(real: Any, capability: tuple[int, int], count: int) -> None:
    """Let PyTorch say what an SM12x device would; Triton has asked it before."""
    import torch
    import triton

    driver = triton.runtime.driver.active
    target = driver.get_current_target()
    driver.get_current_target = lambda: target
    told = {name: getattr(real, name) for name in dir(real) if name[0] != "_"}
    told |= {"major": capability[0], "minor": capability[1]}
    told |= {"multi_processor_count": count, "shared_memory_per_block_optin": 101376}
    properties = SimpleNamespace(**told)
    torch.cuda.get_device_properties = lambda *_: properties
    torch.cuda.get_device_capability = lambda *_: capability


@dataclass
class _Shelf:
    """The bundle's kernels of one architecture."""

    bundle: Path
    kernels: dict[str, Any]
    stage: Stage
    loaded: dict[str, Any] = field(default_factory=dict)

    def find(self, *args: Any, _subscript: Any = None, **kwargs: Any) -> Any:
        """In the place of ``cutlass.cute.compile``: the kernel with that key."""
        recorder = self.stage.recorder
        job = type(recorder).cute_compile(
            recorder, *args, _subscript=_subscript, **kwargs
        )
        self.stage.used[job.key] = job.kind
        if job.key not in self.loaded:
            self.loaded[job.key] = self._load(job)
        return self.loaded[job.key]

    def _load(self, job: Any) -> Any:
        from cutlass import cute

        entry = self.kernels.get(job.key)
        if entry is None:
            raise NotInBundle(f"{job.kind} {job.detail} ({job.key[:12]}): {job.text}")
        name = entry["checked" if self.stage.checked else "library"]
        library = str(self.bundle / name)
        module = cute.runtime.load_module(library, enable_tvm_ffi=entry["tvm_ffi"])
        kernel = module[entry["symbol"]]
        rest = _left_out(job) if entry["tvm_ffi"] else []
        return (lambda *given: kernel(*given, *rest)) if rest else kernel


def _left_out(job: Any) -> list[Any]:
    """Defaults of the last parameters, which the caller of a compilation left out.

    CuTe DSL's own object adds them to each call; a loaded function has to be given all.
    """
    target, *given = job.compile[0]
    parameters = list(inspect.signature(target).parameters.values())[len(given) :]
    found = [p.default for p in parameters if p.default is not p.empty]
    # A function is for the compiler alone, as an epilogue is.
    return [default for default in found if not callable(default)]


def tests_on_path(root: Path) -> None:
    """Let the modules that the parts share with the series' tests be imported."""
    for folder in (
        "tests/on_cpu/in_vllm",
        "tests/hardware/cuda",
        "tests/hardware/hopper",
    ):
        sys.path.insert(0, str(root / folder))
