# SPDX-License-Identifier: Apache-2.0
"""Arguments of a kernel as JSON: what it is compiled for, and what it is called with.

Each is ``["tensor", dtype, shape, strides, address]``, ``["pointer", dtype, address
space, alignment, address, dtype of the tensor there]``, or one word of another kind. Of
an address only its lowest bits are told, and which arguments share it.
"""

from __future__ import annotations

from typing import Any

import torch

_DTYPE_OF: dict[int, str] = {}
_data_ptr = torch.Tensor.data_ptr


def watch() -> None:
    """Remember the dtype of each tensor whose address is asked for."""

    def data_ptr(tensor: torch.Tensor) -> int:
        address = _data_ptr(tensor)
        _DTYPE_OF[address] = _name(tensor.dtype)
        return address

    torch.Tensor.data_ptr = data_ptr


def forget() -> None:
    """Addresses are used again once a layer is gone."""
    _DTYPE_OF.clear()


def told(arguments: tuple[Any, ...]) -> list[list[Any]]:
    """Each argument of a call, or of a compilation."""
    places: dict[int, int] = {}
    return [_one(argument, places) for argument in arguments]


def _one(value: Any, places: dict[int, int]) -> list[Any]:
    if isinstance(value, torch.Tensor):
        shape, strides = list(value.shape), list(value.stride())
        at = _place(_data_ptr(value), places)
        return ["tensor", _name(value.dtype), shape, strides, at]
    kind = type(value).__name__
    if kind == "_Pointer":
        address = value._pointer
        at = _place(address, places)
        space = value._addr_space.name
        to = value._dtype.__name__
        return ["pointer", to, space, value._assumed_align, at, _DTYPE_OF.get(address)]
    if kind == "_FakeTensor":
        shape, strides = list(map(str, value.shape)), list(map(str, value.stride))
        at = [value._assumed_align, -1]
        return ["tensor", value.dtype.__name__, shape, strides, at]
    return [kind]


def _place(address: int, places: dict[int, int]) -> list[int]:
    """The power of two that divides an address, up to 256, and its number here."""
    number = places.setdefault(address, len(places))
    return [min(address & -address, 256) if address else 256, number]


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
