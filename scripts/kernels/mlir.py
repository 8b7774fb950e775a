# SPDX-License-Identifier: Apache-2.0
"""What the IR that CuTe DSL keeps says of a launch: dynamic shared memory, threads.

Neither is in a cubin, and compiling alone does not compare the memory with what the
device has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.base.errors import Finding

_ALIAS = re.compile(r"^(!memref_\w+) = (!cute\.memref<.*>)$", re.M)
_MEMREF = re.compile(r'!cute\.memref<\w*?(\d+)\w*, smem, (?:align<\d+>, )?"(\d+):1">')
_KERNEL = re.compile(r"^ *cuda\.kernel @(\w+)\(", re.M)
_END = re.compile(r"^ *(?:cuda\.kernel|func\.func) ", re.M)
_ALLOCATED = re.compile(
    r"cute\.memref\.alloca\(\) \{smem[^\n]*\} : (!\S+(?: \S+)*)$", re.M
)
_CONFIG = re.compile(
    r"(%\w+) = cuda\.launch_cfg\.create<[^>]*> \(blockDim = \(([^)]*)\), "
    r"dynamicSmemBytes = (%\w+)"
)
_SIZE = re.compile(r"(%\w+) = cute\.kernel_smem_size @kernels::@(\w+)")
_LAUNCH = re.compile(r"cuda\.launch_ex @kernels::@(\w+)<(%\w+)>")
_CONSTANT = re.compile(r"%c(\d+)_i(?:32|64)(?:_\d+)?")


@dataclass(frozen=True)
class Launch:
    """How the host launches one kernel."""

    threads: int
    """Of a block."""
    dynamic_shared: int
    """Bytes."""


def launches(text: str) -> Mapping[str, Launch]:
    """By name of the kernel.

    Raises:
        Finding: The IR does not say it, so that it is not known.
    """
    allocated = _allocations(text)
    sizes = dict(_SIZE.findall(text))
    configs = {name: (block, size) for name, block, size in _CONFIG.findall(text)}
    found = {}
    for kernel, config in _LAUNCH.findall(text):
        if config not in configs:
            raise _unknown(kernel, f"no configuration {config}")
        block, size = configs[config]
        threads = 1
        for part in block.split(", "):
            threads *= _constant(kernel, part)
        if size in sizes:
            if sizes[size] not in allocated:
                raise _unknown(kernel, f"the size of {sizes[size]}")
            shared = allocated[sizes[size]]
        else:
            shared = _constant(kernel, size)
        found[kernel] = Launch(threads, shared)
    if not found:
        raise _unknown("the kernel", "no launch")
    return found


def _allocations(text: str) -> dict[str, int]:
    """Bytes of dynamic shared memory that each kernel's body allocates."""
    aliases = dict(_ALIAS.findall(text))
    result = {}
    for start in _KERNEL.finditer(text):
        end = _END.search(text, start.end())
        body = text[start.end() : end.start() if end else len(text)]
        total = 0
        for kind in _ALLOCATED.findall(body):
            memref = _MEMREF.fullmatch(aliases.get(kind, kind))
            if memref is None:
                raise _unknown(start[1], f"the size of {aliases.get(kind, kind)}")
            total += int(memref[1]) * int(memref[2]) // 8
        result[start[1]] = total
    return result


def _constant(kernel: str, word: str) -> int:
    told = _CONSTANT.fullmatch(word)
    if told is None:
        raise _unknown(kernel, f"{word}, which is no constant")
    return int(told[1])


def _unknown(kernel: str, found: str) -> Finding:
    return Finding(
        "the IR does not say how a kernel is launched",
        where=kernel,
        expected="cuda.launch_ex with constant threads and shared memory",
        found=found,
        next="read scripts/kernels/mlir.py against the IR of this cutlass-dsl",
    )
