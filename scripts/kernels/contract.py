# SPDX-License-Identifier: Apache-2.0
"""The signature that a kernel was compiled with against the call that reaches it.

FlashInfer's own functions are driven on CPU tensors up to the launch, by the patched
vLLM. There TVM-FFI refuses the device, and prints what the kernel was compiled for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_SIGNATURE = re.compile(r"`\w+\((.*)\)`", re.S)
_PARAMETER = re.compile(r"(\w+): (Tensor\(\[([^\]]*)\], (\w+)\)|\w+)")


def problems(message: str, given: Sequence[Sequence[Any]]) -> list[str]:
    """What does not fit; empty if all of it does.

    Args:
        message: TVM-FFI's error, which has the signature.
        given: Of each argument ``["tensor", dtype, shape, strides]`` or ``["int"]``,
            as scripts/inside/kernel_fork.py writes it.

    >>> message = (
    ...     "Mismatched Tensor on argument #0 when calling: `f(x: Tensor([n0, 4], "
    ... )
    >>> message += "bfloat16), p: DataPointer)`, expected device_type=cuda"
    >>> problems(message, [["tensor", "bfloat16", [9, 4], [4, 1]], ["int"]])
    []
    >>> problems(message, [["tensor", "float16", [9, 4], [4, 1]], ["int"]])
    ['x: compiled for bfloat16, called with float16']
    """
    told = _SIGNATURE.search(message)
    if told is None:
        return [f"no signature in: {message[:300]}"]
    wanted = [p for p in _PARAMETER.findall(told[1]) if p[1] != "None"]
    if len(wanted) != len(given):
        return [f"compiled for {len(wanted)} arguments, called with {len(given)}"]
    found: list[str] = []
    symbols: dict[str, int] = {}
    for (name, kind, dims, dtype), argument in zip(wanted, given, strict=True):
        is_tensor = kind.startswith("Tensor(")
        if is_tensor != (argument[0] == "tensor"):
            found.append(f"{name}: compiled for {kind}, called with {argument[0]}")
        elif is_tensor:
            found += _tensor(name, dims, dtype, argument, symbols)
    if "expected device_type" not in message:
        found.append(f"stopped at another thing than the device: {message[-200:]}")
    return found


def _tensor(
    name: str, dims: str, dtype: str, given: Sequence[Any], symbols: dict[str, int]
) -> list[str]:
    _, its_dtype, shape, strides = given
    if its_dtype.replace("_", "") != dtype.replace("_", ""):
        return [f"{name}: compiled for {dtype}, called with {its_dtype}"]
    wanted = [dim.strip() for dim in dims.split(",") if dim.strip()]
    fits = len(wanted) == len(shape) and all(
        (symbols.setdefault(dim, size) if not dim.isdigit() else int(dim)) == size
        for dim, size in zip(wanted, shape, strict=False)
    )
    if not fits:
        return [f"{name}: compiled for [{', '.join(wanted)}], called with {shape}"]
    # Every tensor of these signatures is compact in some order of its dimensions.
    covered = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size > 1 and stride != covered:
            return [f"{name}: called with strides {strides}, which leave gaps"]
        covered *= size
    return []
