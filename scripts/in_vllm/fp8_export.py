# SPDX-License-Identifier: Apache-2.0
"""Compile the kernels of FlashInfer's SM12x FP8 MoE, through its own functions.

``python fp8_export.py ARCH MULTIPROCESSORS FOLDER``, in the environment that has
FlashInfer; no GPU is needed. Each kernel gets a folder with host.o, kernel.ptx,
kernel.cubin, kernel.mlir and kernel.json, which names its symbol.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_SM12X = "flashinfer.fused_moe.cute_dsl.blackwell_sm12x"
_CUDA = 2  # of DLPack's device types
LIMIT = 7.0
# Sizes that every kernel takes; the code depends on none of them.
_EXPERTS, _HIDDEN, _INTERMEDIATE, _ROWS, _TOKENS = 4, 512, 256, 64, 16


def start(arch: str, multiprocessors: int, folder: Path) -> None:
    """Answer what is asked of the device, before FlashInfer is imported."""
    os.environ.update(
        CUTE_DSL_ARCH=arch,
        CUTE_DSL_NO_CACHE="1",
        CUTE_DSL_KEEP="ir,ptx,cubin",
        CUTE_DSL_DUMP_DIR=str(folder),
        FLASHINFER_CUTE_DSL_DISABLE_CACHE="1",
    )
    import torch

    torch.set_num_threads(1)
    minor = int(arch[len("sm_12") : -1])
    told = SimpleNamespace(
        major=12, minor=minor, multi_processor_count=multiprocessors, name="double"
    )
    torch.cuda.get_device_properties = lambda *_: told
    torch.cuda.get_device_capability = lambda *_: (12, minor)
    torch.cuda.current_stream = lambda *_: SimpleNamespace(cuda_stream=0)
    torch.cuda.current_device = lambda: 0
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = (
        ctypes.c_void_p,
        [ctypes.py_object, ctypes.c_char_p],
    )
    real = torch.Tensor.__dlpack__

    def dlpack(tensor: Any, *_: Any, **__: Any) -> Any:
        """As of a tensor on the GPU: CuTe DSL compiles for where it lies."""
        capsule = real(tensor)
        at = pointer(capsule, b"dltensor") + ctypes.sizeof(ctypes.c_void_p)
        ctypes.c_int32.from_address(at).value = _CUDA
        return capsule

    torch.Tensor.__dlpack__ = dlpack


def cases() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name of a kernel, and FlashInfer's function called so that it asks for it."""
    import importlib

    import torch

    fc1 = importlib.import_module(f"{_SM12X}.moe_fp8_fc1_act_q1")
    fc2 = importlib.import_module(f"{_SM12X}.moe_fp8_fc2_finalize")
    layout = importlib.import_module(f"{_SM12X}._moe_utils.sm12x_blockscaled_layout")
    methods = importlib.import_module(f"{_SM12X}._moe_utils.moe_epilogue").EpiMethod

    def codes(*size: int) -> Any:
        return torch.zeros(size, dtype=torch.uint8).view(torch.float8_e4m3fn)

    e, h, i = _EXPERTS, _HIDDEN, _INTERMEDIATE
    padded = layout.compute_padded_offset(_ROWS, e, layout.SF_M_ALIGN)
    ends = torch.zeros(e + 1, dtype=torch.int32)
    a, a_scale = codes(_ROWS, h), torch.zeros(h // 128, padded)
    w1, w1_scale = codes(e, 2 * i, h), torch.zeros(e, h // 128, 2 * i // 128)
    q1, q1_scale = codes(_ROWS, i), torch.zeros(fc1.out_sf_shape(_ROWS, i, e))
    w2, w2_scale = codes(e, h, i), torch.zeros(e, i // 128, h // 128)
    owner = torch.zeros(_ROWS, dtype=torch.int32)
    weight, out = torch.zeros(_ROWS), torch.zeros(_TOKENS, h, dtype=torch.bfloat16)

    def first(tile: int, **more: Any) -> Callable[[], Any]:
        return lambda: fc1.cute_dsl_sm12x_fc1_act_q1_fp8(
            a, a_scale, w1, w1_scale, ends, tile=(tile, 128, 128), out_q=q1,
            out_sf=q1_scale, **more,
        )  # fmt: skip

    def second(tile: int, pdl: bool) -> Callable[[], Any]:
        return lambda: fc2.cute_dsl_sm12x_fc2_finalize_fp8(
            q1, q1_scale, w2, w2_scale, ends, owner, weight, _TOKENS,
            tile=(tile, 128, 128), enable_pdl=pdl, out=out,
        )  # fmt: skip

    for pdl, name in ((True, ""), (False, "-nopdl")):
        for tile in (32, 64):
            yield f"fc1-{tile}{name}", first(tile, enable_pdl=pdl)
        for tile in (32, 64, 128):
            yield f"fc2-{tile}{name}", second(tile, pdl)
    for tile in (32, 64):
        yield f"fc1-{tile}-limit", first(tile, enable_pdl=True, swiglu_limit=LIMIT)
        yield f"fc1-{tile}-r2s", first(tile, epi=methods.WG_QUANT_R2S, enable_pdl=True)
    yield "fc1-8-swap", first(8, epi=methods.WG_QUANT_SWAP, enable_pdl=True)


def main() -> None:
    arch, count, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    start(arch, count, folder)
    import importlib

    from cutlass import cute

    def compiled_kernel(given: Any, *, op: Any, grid_x: int, sm_version: str) -> Any:
        """In the place of FlashInfer's: nothing is launched."""
        assert sm_version.startswith("sm_12")
        made = cute.compile(op.build(grid_x), *given)
        symbol = "k_" + part.name.replace("-", "_")
        (part / "host.o").write_bytes(made.dump_to_object(symbol))
        for kind in ("ptx", "cubin", "mlir"):
            (left,) = folder.glob(f"*.{kind}")
            left.rename(part / f"kernel.{kind}")
        told = {"symbol": symbol, "grid": grid_x, "stages": op.ab_stage}
        (part / "kernel.json").write_text(json.dumps(told), encoding="utf-8")
        return lambda *_: None

    for name in ("moe_fp8_fc1_act_q1", "moe_fp8_fc2_finalize"):
        importlib.import_module(f"{_SM12X}.{name}").compiled_kernel = compiled_kernel
    for name, ask in cases():
        part = folder / name
        part.mkdir(exist_ok=True)
        ask()
        print(name, flush=True)


if __name__ == "__main__":
    main()
