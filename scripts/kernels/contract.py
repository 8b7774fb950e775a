# SPDX-License-Identifier: Apache-2.0
"""The signature that a kernel was compiled with against the call that reaches it.

FlashInfer's own functions are driven on CPU tensors up to the launch, by the patched
vLLM. There TVM-FFI refuses the device, and prints what the kernel was compiled for.
A kernel that is compiled without TVM-FFI checks nothing and says nothing: there the
arguments of the compilation stand for the signature, place by place.
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
        given: Of each argument a list, as scripts/in_vllm/kernel_given.py writes it.

    >>> message = (
    ...     "Mismatched Tensor on argument #0 when calling: `f(x: Tensor([n0, 4], "
    ... )
    >>> message += "bfloat16), p: DataPointer)`, expected device_type=cuda"
    >>> problems(message, [["tensor", "bfloat16", [9, 4], [4, 1], [16, 0]], ["int"]])
    []
    >>> problems(message, [["tensor", "float16", [9, 4], [4, 1], [16, 0]], ["int"]])
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
    _, its_dtype, shape, strides, _ = given
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


def by_place(
    wanted: Sequence[Sequence[Any]], given: Sequence[Sequence[Any]]
) -> list[str]:
    """What does not fit in a call of a kernel that was compiled without TVM-FFI.

    Sizes are not compared: the kernel computes them from its constants and from the
    numbers that it is called with. Where an argument is not read by this variant, any
    tensor that is also passed as another argument may stand in for it.

    Args:
        wanted: Arguments of the compilation, as scripts/in_vllm/kernel_given.py
            writes them.
        given: Those of the launch.

    >>> pointer = ["pointer", "Float32", "gmem", 16, [16, 0]]
    >>> by_place([[*pointer, None]], [[*pointer, "float32"]])
    []
    >>> by_place([[*pointer, None]], [[*pointer, "bfloat16"]])
    ['argument 0: a pointer to Float32, given a tensor of bfloat16']
    """
    if not given:
        return ["compiled, and never called"]
    if len(wanted) != len(given):
        return [f"compiled for {len(wanted)} arguments, called with {len(given)}"]
    fitting = {
        tuple(its[4])
        for one, its in zip(wanted, given, strict=True)
        if one[0] == its[0] == "pointer" and _may_hold(one[1], its[5])
    }
    found = []
    for at, (one, its) in enumerate(zip(wanted, given, strict=True)):
        said = _place(one, its, stands_in=len(its) > 4 and tuple(its[4]) in fitting)
        if said:
            found.append(f"argument {at}: {said}")
    return found


def _place(one: Sequence[Any], its: Sequence[Any], *, stands_in: bool) -> str:
    if one[0] != its[0]:
        return f"compiled for {one[0]}, called with {its[0]}"
    if one[0] == "pointer":
        if one[1:4] != its[1:4]:
            return f"compiled for a pointer to {one[1:4]}, called with {its[1:4]}"
        if not (_may_hold(one[1], its[5]) or stands_in):
            return f"a pointer to {one[1]}, given a tensor of {its[5]}"
    if one[0] == "tensor":
        if one[1].lower() != its[1] or len(one[2]) != len(its[2]):
            called = f"{its[1]} of {len(its[2])} dimensions"
            return f"compiled for {one[1]} of {len(one[2])}, called with {called}"
        if its[4][0] < one[4][0]:
            return f"an address that {one[4][0]} does not divide"
        if list(its[3]) != [1]:
            return f"called with strides {its[3]}, which leave gaps"
    return ""


_RAW = frozenset({"uint8", "int8", "uint32", "int32"})
"""What weights and block scales are stored in, packed."""


def _may_hold(element: str, dtype: str | None) -> bool:
    """Whether a kernel may read a tensor of `dtype` as elements of that CuTe type.

    >>> _may_hold("BFloat16", "bfloat16"), _may_hold("Int64", "int32")
    (True, False)
    >>> _may_hold("Uint8", "float8_e4m3fn"), _may_hold("Float32", "int32")
    (True, False)
    """
    if dtype is None:
        return False
    raw = element.lower() in _RAW and (dtype in _RAW or dtype.startswith("float"))
    return element.lower() == dtype or raw
