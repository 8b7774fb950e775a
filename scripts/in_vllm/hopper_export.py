# SPDX-License-Identifier: Apache-2.0
"""What `make hopper` keeps of a compilation: the host's code, and the PTX."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any


def export(job: Any, real: Any, _arch: str, part: Path) -> None:
    """In the forked process: compile, and keep the host's code and the PTX."""
    os.chdir(part)
    args, kwargs = job.compile
    if job.subscript is not None:
        real = real[job.subscript]
    compiled = real(*args, **kwargs)
    symbol = f"k_{job.key[:24]}"
    tvm_ffi = "--enable-tvm-ffi" in kwargs.get("options", "")
    if tvm_ffi:
        compiled.export_to_c("host.o", function_name=symbol)
    else:
        # Not export_to_c, whose C header has no word for some arguments.
        Path("host.o").write_bytes(compiled.dump_to_object(symbol))
    text = compiled.__ptx__
    if len(text) < 4096 and Path(text).is_file():
        text = Path(text).read_text(encoding="utf-8")
    for left in Path().glob("*.ptx"):
        left.unlink()
    Path("kernel.ptx").write_text(text, encoding="utf-8")
    told = {"symbol": symbol, "tvm_ffi": tvm_ffi, "text": job.text}
    Path("kernel.json").write_text(json.dumps(told), encoding="utf-8")


def atoms_of_16_bits() -> None:
    """Let TMA move FP4 operands as pairs of bytes: the same bytes in the same places.

    Hopper's unit knows no format of 4 bits, and the tensor map and the coordinates
    have to be made for the same one.
    """
    import cutlass
    from cutlass.cute.nvgpu import cpasync

    real = cpasync.make_tiled_tma_atom

    @functools.wraps(real)
    def make(op: Any, tensor: Any, *args: Any, **kwargs: Any) -> Any:
        if tensor.element_type is cutlass.Float4E2M1FN:
            assert kwargs.get("internal_type") is None, kwargs
            kwargs["internal_type"] = cutlass.Int16
        return real(op, tensor, *args, **kwargs)

    cpasync.make_tiled_tma_atom = make
