# SPDX-License-Identifier: Apache-2.0
"""What a kernel's code depends on, as text: equal texts are one compilation."""

from __future__ import annotations

import enum
import inspect
import re
from typing import Any

import torch

# Arguments of kernels that say how many blocks are launched, and nothing else;
# tests/unit/kernels holds two values of it to the same code.
_GRID_ONLY = ("max_active_clusters",)
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


class Gone(Exception):
    """FlashInfer has no longer what the proof relies on."""


def describe(value: Any) -> str:
    """All that a compilation depends on, as text that repeats from run to run.

    Raises:
        Gone: A value can be told apart only by its address.
    """
    if isinstance(value, dict):
        inner = ", ".join(f"{k}: {describe(v)}" for k, v in sorted(value.items()))
        return f"{{{inner}}}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(describe, value))}]"
    if inspect.ismethod(value):
        return f"{describe(value.__self__)}.{value.__name__}"
    if isinstance(value, type) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    name = type(value).__qualname__
    if name == "CUstream":
        return name
    if name == "_FakeTensor":
        return f"{value!r} align {value._assumed_align} {value._use_32bit_stride}"
    if name == "_Pointer":
        return f"{name} {value._dtype} {value._addr_space} {value._assumed_align}"
    plain = isinstance(value, (enum.Enum, torch.dtype, str, int, float, type(None)))
    inner = None if plain else getattr(value, "__dict__", None)
    text = repr(value) if inner is None else f"{name}{describe(inner)}"
    address = isinstance(value, int) and abs(value) >= 1 << 40
    if address or _ADDRESS.search(text):
        raise Gone(f"a way to tell one {name} from another: {text[:200]}")
    return text


def call_text(args: tuple[Any, ...], kwargs: dict[str, Any], grid: bool = False) -> str:
    """`describe` a compile call, less what the code does not depend on.

    That is an int that the kernel takes at run time, which CuTe DSL makes a
    parameter, and what only sets the size of the grid. With ``grid`` that is told
    too, since the host's code of a launch depends on it.
    """
    own = getattr(args[0], "__cache_key__", None)
    kept = [describe(args[0] if own is None else [type(args[0]), own])]
    for value, (name, hint) in zip(args[1:], parameters(args[0]), strict=False):
        number = isinstance(value, int) or type(value).__name__ == hint
        runtime = number and hint in ("Int32", "Int64")
        left_out = runtime or (name in _GRID_ONLY and not grid)
        kept.append("int" if left_out else describe(value))
    return "\n".join([*kept, describe(kwargs)])


def parameters(target: Any) -> list[tuple[str, str]]:
    """Name and last word of the type of each argument that follows the target."""
    bound = inspect.ismethod(target)
    call = target if bound else type(target).__call__
    found = list(inspect.signature(call).parameters.values())[0 if bound else 1 :]
    hints = [p.annotation for p in found]
    words = [h if isinstance(h, str) else getattr(h, "__name__", "") for h in hints]
    names = [p.name for p in found]
    return list(zip(names, (w.split(".")[-1] for w in words), strict=True))
