# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself: its day, its packages, the bundle that it is of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from scripts.hopper import ptx
from scripts.hopper.tables import runs

_PACKAGES = ("driver", "torch", "CUDA of torch", "python", "nvidia-cutlass-dsl")
_SAME = ("flashinfer-python", "nvidia-cutlass-dsl")
"""Of all runs of a record: they make the kernels' host code."""
_FIRST = date(2026, 11, 29)
"""Nobody ran a translated kernel before."""
_VERSION = re.compile(r"\d+(\.\w+)+(\+\w+)?")
KINDS = ("dense", "direct micro", "dynamic", "micro", "static", "w4a16", "w4a16 sum")
"""Of the kernels of a bundle for all parts, as its manifest names them."""
REPLACED = (*ptx._KNOWN, "setmaxnreg")
"""What the PTX of such a bundle has."""


def untrue(record: Mapping[str, Any], manifest: Mapping[str, Any] | None) -> list[str]:
    """What of it cannot be, a line each.

    Args:
        record: Of one run, or of several.
        manifest: Of the bundle that lies here, if one does: one of them is of it.
    """
    found = [line for run in runs(record) for line in _of_run(run)]
    for name in _SAME:
        if len(told := {str(run["machine"].get(name)) for run in runs(record)}) > 1:
            found.append(f"machine: runs of one record have {name} {sorted(told)}")
    if manifest is not None:
        others = [_others(run["bundle"], manifest) for run in runs(record)]
        found += others[0] if all(others) else ()
    return found


def _of_run(run: Mapping[str, Any]) -> Iterator[str]:
    bundle = run["bundle"]
    yield from _machine(run["machine"])
    if not _VERSION.fullmatch(bundle["ptxas"]):
        yield f"bundle: ptxas is {bundle['ptxas']!r}, no version"
    kernels = bundle["kinds"].get("sm_120a", {})
    for what, counts, names in (
        ("kernel", kernels, KINDS),
        ("replaced instruction", bundle["replaced"], REPLACED),
    ):
        for name in names:
            if counts.get(name, 0) < 1:
                yield f"bundle: the number of {what} {name} is none"
    for name in bundle["replaced"]:
        if name not in REPLACED and ptx._packed(name) is None:
            yield f"bundle: {name} is none that is replaced"
    yield from _kernels(bundle)


_REPLACED_IN = {
    ptx._MMA: ("dense", "dynamic", "micro", "static"),
    ptx._TO_E2M1: ("dynamic", "micro", "static"),
}
"""An instruction, and kinds of kernels each of which has it."""


def _kernels(bundle: Mapping[str, Any]) -> Iterator[str]:
    """Of each architecture: whether there are kernels for its parts, and like tests."""
    for arch, parts in bundle["parts"].items():
        if parts and not sum(bundle["kinds"].get(arch, {}).values()):
            yield f"bundle: no kernel of {arch}, though it has parts"
    if (
        len({json.dumps(tests, sort_keys=True) for tests in bundle["tests"].values()})
        > 1
    ):
        yield "bundle: a file has other numbers of tests at another capability"
    for name, kinds in _REPLACED_IN.items():
        least = sum(
            n for of in bundle["kinds"].values() for k, n in of.items() if k in kinds
        )
        if bundle["replaced"].get(name, 0) < least:
            yield f"bundle: {name} is replaced less than once in each kernel"


def _others(bundle: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """In what a bundle is not the one that lies here, which has this manifest."""
    return [
        f"bundle: {key} is not that of the one that lies here: {_short(value)}"
        for key, value in bundle.items()
        if value != manifest.get(key)
    ]


def _machine(machine: Mapping[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"[1-9]\d* MiB", machine.get("memory", "")):
        yield f"machine: memory is {machine.get('memory')!r}, no MiB"
    cuda = str(machine.get("CUDA of torch"))
    if machine["torch"].partition("+cu")[2] not in ("", cuda.replace(".", "")):
        yield f"machine: torch is {machine['torch']}, and its CUDA {cuda}"
    for name in _PACKAGES:
        if not _VERSION.fullmatch(str(machine.get(name))):
            yield f"machine: {name} is {machine.get(name)!r}, no version"
    try:
        day = date.fromisoformat(machine["date"])
    except ValueError:
        yield f"machine: date is {machine['date']!r}, no day"
    else:
        today = datetime.now(UTC).date()
        if not _FIRST <= day <= today:
            yield f"machine: date is {day}, not within {_FIRST} and {today}"


def _short(value: Any) -> str:
    return json.dumps(value)[:200]
