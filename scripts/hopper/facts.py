# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself: its day, its packages, the bundle that it is of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from scripts.hopper import ptx

_PACKAGES = ("driver", "torch", "python", "nvidia-cutlass-dsl")
_VERSION = re.compile(r"\d+(\.\w+)+(\+\w+)?")
KINDS = ("dense", "direct micro", "dynamic", "micro", "static", "w4a16", "w4a16 sum")
"""Of the kernels of a bundle for all parts, as its manifest names them."""
REPLACED = (*ptx._KNOWN, "setmaxnreg")
"""What the PTX of such a bundle has."""


def untrue(record: Mapping[str, Any], manifest: Mapping[str, Any] | None) -> list[str]:
    """What of it cannot be, a line each.

    Args:
        record: Of one run.
        manifest: Of the bundle that lies here, if one does.
    """
    bundle = record["bundle"]
    found = [*_machine(record["machine"])]
    if "rows" not in bundle:
        found.append("bundle: it does not say which rows it was prepared for")
    kernels = bundle["kinds"].get("sm_120a", {})
    for what, counts, names in (
        ("kernel", kernels, KINDS),
        ("replaced instruction", bundle["replaced"], REPLACED),
    ):
        none = [name for name in names if not _is_count(counts.get(name))]
        found += [f"bundle: the number of {what} {name} is none" for name in none]
    if manifest is not None:
        found += [
            f"bundle: {key} is not that of the one that lies here: {_short(value)}"
            for key, value in bundle.items()
            if value != manifest.get(key)
        ]
    return found


def _machine(machine: Mapping[str, Any]) -> Iterator[str]:
    for name in _PACKAGES:
        if not _VERSION.fullmatch(str(machine.get(name))):
            yield f"machine: {name} is {machine.get(name)!r}, no version"
    try:
        day = date.fromisoformat(machine["date"])
    except ValueError:
        yield f"machine: date is {machine['date']!r}, no day"
    else:
        if day > (today := datetime.now(UTC).date()):
            yield f"machine: date is {day}, and today is {today}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _short(value: Any) -> str:
    return json.dumps(value)[:200]
