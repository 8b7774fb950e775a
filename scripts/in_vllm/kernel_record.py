# SPDX-License-Identifier: Apache-2.0
"""Compilations that FlashInfer asks for, written down in place of being run.

FlashInfer 0.7.2 compiles through two doors: ``cutlass.cute.compile`` and Triton's
``kernel[grid](...)``. So does b12x, whose copy in FlashInfer or package of its own has
the same names. ``install`` puts a recorder into each. Whatever the patched vLLM
reaches then comes out as a ``Job``: what would be compiled, with the very arguments.
The names of FlashInfer that this needs are private; one that went is named.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import kernel_given
from kernel_key import call_text, describe
from kernel_names import DRIVER, NAMES, ROUTES, SM12X, module

# Shared memory of a multiprocessor of capability 12.x in bytes, as the table of
# compute capabilities in NVIDIA's CUDA programming guide has it.
_SHARED_PER_SM = 100 << 10
# Class of the object that is compiled to the name that the tables give it.
KINDS = {
    "MoEMicroKernel": "micro",
    "MoEDirectMicroKernel": "direct micro",
    "MoEStaticKernel": "static",
    "_DynamicMoELaunch": "dynamic",
    "DenseGemmKernel": "dense",
    "W4A16FusedMoeKernel": "w4a16",
    "W4A16TopKSumKernel": "w4a16 sum",
}


# Of b12x's Triton kernels, what tells one from another besides its name.
_ROUTE_SIZES = ("NUM_EXPERTS", "BLOCK_SIZE", "NUMEL_CAPACITY", "MAX_PACKED_ROUTES")


class Elsewhere(Exception):
    """The call goes to a library that nvcc compiles; its name."""


@dataclass
class Job:
    """One kernel to compile: a compile call of CuTe DSL, or a launch of Triton."""

    kind: str
    key: str
    compile: tuple[tuple[Any, ...], dict[str, Any]]
    detail: dict[str, Any]
    subscript: Any = None
    """That of ``cute.compile[subscript](...)``; None if there is none."""
    triton: bool = False
    text: str = ""
    """What the key is the digest of."""
    given: list[list[Any]] = field(default_factory=list)
    """Arguments of the first launch, as kernel_given.py tells of them."""

    def __call__(self, *args: Any, **_: Any) -> None:
        """FlashInfer launches what it believes is the compiled kernel."""
        # Described, since the tensors would keep the weights of every layer.
        self.given = self.given or kernel_given.told(args)

    def wanted(self) -> list[list[Any]] | None:
        """What it is compiled for; None if the compiled kernel itself says it."""
        if self.triton or "--enable-tvm-ffi" in self.compile[1].get("options", ""):
            return None
        return kernel_given.told(self.compile[0][1:])


class Recorder:
    """All jobs by key, and who reached which."""

    grid = False
    """Whether kernels that differ in the size of their grid alone are two."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.hit: list[str] = []
        self.probe = True
        self.tactics = False
        # Without b12x vLLM selects something else for W4A16, and says so.
        self.b12x = importlib.util.find_spec("b12x") is not None
        self.modules = {
            name: module(name)
            for name in NAMES
            if self.b12x or not name.startswith("b12x.")
        }

    def fresh(self) -> None:
        """Forget what FlashInfer believes is compiled, and who reached it."""
        dispatch = self.modules[f"{SM12X}.moe_dispatch"]
        dispatch.clear_sm120_moe_caches()
        dispatch._DIRECT_MICRO_LAUNCH_CACHE.clear()
        dispatch._DIRECT_MICRO_KERNEL_CACHE.clear()
        self.modules["flashinfer.gemm.gemm_base"]._B12X_MM_FP4_KERNEL_CACHE.clear()
        kernel_given.forget()
        if self.b12x:
            self.modules["b12x._lib.compiler"].clear_compile_cache()
        self.hit.clear()

    def add(self, job: Job) -> Job:
        job = self.jobs.setdefault(job.key, job)
        self.hit.append(job.key)
        return job

    def cute_compile(self, *args: Any, _subscript: Any = None, **kwargs: Any) -> Job:
        """In the place of ``cutlass.cute.compile``."""
        target = args[0]
        owner = getattr(target, "__self__", target)
        name = type(owner).__name__
        text = call_text(args, kwargs, self.grid)
        if _subscript is not None:
            text += f"\n{describe(_subscript)}"
        key = hashlib.sha256(text.encode()).hexdigest()
        kind, call = KINDS.get(name, name), (args, kwargs)
        return self.add(Job(kind, key, call, _detail(owner), _subscript, text=text))

    def triton_launch(self, kernel: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """In the place of ``kernel[grid](*args, **kwargs)``."""
        block = {k: v for k, v in kwargs.items() if isinstance(v, int)}
        told = [
            _told_of_int(a) if isinstance(a, int) else _told_of_tensor(a) for a in args
        ]
        text = json.dumps([kernel.cache_key, told, block], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        one, sixteen = told[-1] if isinstance(args[-1], int) else (False, False)
        rows = "1" if one else "16n" if sixteen else "n"
        name = kernel.fn.__name__.strip("_").removesuffix("_kernel")
        if name == "compact_topk_ids":
            kind, detail = "triton helper", {"block": block.get("BLOCK"), "rows": rows}
        else:
            sizes = {k: block[k] for k in _ROUTE_SIZES if k in block}
            kind, detail = "w4a16 routes", {"name": name, "rows": rows, **sizes}
        self.add(Job(kind, key, ((kernel, *args), kwargs), detail, triton=True))

    def choose(self, real: Any, tuner: Any, *args: Any) -> Any:
        """In the place of ``AutoTuner.choose_one``: with ``tactics``, try them all."""
        _, runners, _, inputs = args
        if self.tactics:
            for runner in runners:
                for tactic in runner.get_valid_tactics(inputs, None):
                    runner(inputs=inputs, tactic=tactic)
        return real(tuner, *args)


def _cutlass(*_: Any) -> Any:
    raise Elsewhere("CUTLASS")


def install(launches: bool = False) -> Recorder:
    """Put the recorder into both doors.

    Args:
        launches: Leave Triton's kernels to Triton, which launches them.

    Raises:
        Gone: A name of FlashInfer went; the message has it.
    """
    from cutlass import cute

    recorder = Recorder()
    if not launches:
        kernel_given.watch()
    cute.compile = _Door(recorder)
    driver = recorder.modules[DRIVER]
    ask = driver.get_device_attribute
    driver.get_device_attribute = lambda which, device=0: (
        _SHARED_PER_SM
        if which.name.endswith("_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR")
        else ask(which, device)
    )
    if not launches:
        _replace_triton(recorder)
    dispatch = recorder.modules[f"{SM12X}.moe_dispatch"]
    # It asks the driver; both answers are looked at.
    dispatch.compiled_direct_micro_accepts_block_dim = lambda *_: recorder.probe
    gemm = recorder.modules["flashinfer.gemm.gemm_base"]
    gemm.get_cutlass_fp4_gemm_module = _cutlass
    choose_one = gemm.AutoTuner.choose_one
    gemm.AutoTuner.choose_one = lambda *a: recorder.choose(choose_one, *a)
    return recorder


def _replace_triton(recorder: Recorder) -> None:
    if recorder.b12x:
        recorder.modules[ROUTES].launch_triton = (
            lambda kernel, _, *a, **k: recorder.triton_launch(kernel, a, k)
        )
    compact = recorder.modules[f"{SM12X}.triton_compact"]
    compact._compact_topk_ids_kernel = _Launcher(
        recorder, compact._compact_topk_ids_kernel
    )


@dataclass(eq=False)
class _Door:
    """``cute.compile``, which takes options by subscript too."""

    recorder: Recorder
    subscript: Any = None

    def __getitem__(self, subscript: Any) -> _Door:
        return _Door(self.recorder, subscript)

    def __call__(self, *args: Any, **kwargs: Any) -> Job:
        return self.recorder.cute_compile(*args, _subscript=self.subscript, **kwargs)


@dataclass
class _Launcher:
    recorder: Recorder
    kernel: Any

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return lambda *a, **k: self.recorder.triton_launch(self.kernel, a, k)


def _detail(owner: Any) -> dict[str, Any]:
    """What a reader wants to know of the kernel: its tile and its activation."""
    kernel = getattr(owner, "_kernel", owner)
    tile = getattr(kernel, "tile_shape_mnk", None)
    detail: dict[str, Any] = {}
    if tile is not None:
        detail["tile"] = [int(n) for n in tile]
    if hasattr(kernel, "moe_block_size"):
        detail["block"], detail["threads"] = kernel.moe_block_size, kernel.cta_threads
    for name in ("swap_ab", "use_prefetch", "single_token", "direct_topk_routes"):
        if getattr(kernel, name, False) is True:
            detail[name] = True
    return detail


def _told_of_tensor(value: Any) -> list[Any]:
    return [str(value.dtype), value.data_ptr() % 16 == 0]


def _told_of_int(value: int) -> list[bool]:
    """What Triton tells apart in an int: whether it is 1, or a multiple of 16."""
    return [value == 1, value % 16 == 0]
