# SPDX-License-Identifier: Apache-2.0
"""compute-sanitizer over every kind of kernel, a process for each tool and kind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import hopper_cases
from hopper_cases import TOOLS

COLUMNS = hopper_cases.COLUMNS["sanitizer"]
# The kernels of CuTe DSL: PyTorch's own are no matter of ours. initcheck has to see all
# that writes, of which PyTorch does a part.
_OURS = "kernel_cutlass"
_FILTER = ("--kernel-name", f"kns={_OURS}")
_MORE = {
    # cuda-bindings asks the driver for functions that it lacks.
    "memcheck": ("--report-api-errors", "no", *_FILTER),
    "racecheck": ("--racecheck-report", "analysis", *_FILTER),
    "initcheck": (),
    "synccheck": _FILTER,
}
_HAZARDS = re.compile(
    r"RACECHECK SUMMARY: (\d+) hazards? displayed \((\d+) errors?, (\d+)"
)
_REPORT = re.compile(r"^========= (\S.*)\n=========     at (\S+)", re.M)
SAID = "launched: "
"""Before what a rank prints of its launches, as 2 static, 3 dense."""
_OF_A_RANK = re.compile(rf"^{SAID}(.*)$", re.M)
_LAUNCHES = re.compile(r"^kinds  .*  (\d+)$", re.M)
CUT = 900
"""Characters of a report: scripts/hopper/known.py knows that there may be more."""
SECONDS = int(os.environ.get("HOPPER_SECONDS", "400"))


def rows(
    bundle: Path, capability: str, kinds: Collection[str], processes: int = 8
) -> Iterator[list[Any]]:
    """A row for each tool and kind, in the order that they end in."""
    with ThreadPoolExecutor(processes) as pool:
        waiting = [
            pool.submit(_one, bundle, capability, tool, kind)
            for tool in TOOLS
            for kind in kinds
        ]
        yield from (one.result() for one in as_completed(waiting))


def _one(bundle: Path, capability: str, tool: str, kind: str) -> list[Any]:
    out = (
        Path(os.environ.get("TMPDIR", "/tmp")) / f"{tool}-{kind.replace(' ', '-')}.json"
    )
    command = ["compute-sanitizer", "--tool", tool, "--print-limit", "100000"]
    command += [*_MORE[tool], sys.executable, str(bundle / "run.py")]
    command += ["--parts", "kinds", "--capability", capability, "--out", str(out)]
    # A tensor's memory is its own, so that what is beside it is nobody's.
    apart = {"HOPPER_KIND": kind, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    try:
        done = subprocess.run(
            command,
            env=os.environ | apart,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [tool, kind, "", "", "", f"not done within {SECONDS} s"]
    return [tool, kind, *read(tool, done.stdout)]


def read(tool: str, said: str) -> list[Any]:
    """Errors, warnings, launches and reports, each with how often, of an output."""
    reports = Counter(
        f"{what} at +{at.rpartition('+')[2]}"
        for what, at in _REPORT.findall(said)
        if at.startswith(_OURS)
    )
    told = " | ".join(f"{n} x {what}" for what, n in reports.most_common(8))
    launches = _LAUNCHES.search(said)
    if launches is None:
        return ["", "", "", "did not run: " + (told or said.strip()[-600:])]
    if tool == "racecheck":
        found = _HAZARDS.search(said)
        counts = [int(found[2]), int(found[3])] if found else [-1, -1]
        told = "" if counts == [0, 0] else _hazards(said)
    else:
        finished = "ERROR SUMMARY: " in said
        counts = [reports.total() if finished else -1, 0]
    return [*counts, int(launches[1]), told]


def read_rank(said: str) -> list[Any]:
    """Launches of each kernel, errors, warnings, launches, hazards of a rank's output.

    Launches are those that the rank counted, each replay of a graph among them.
    """
    told = _OF_A_RANK.search(said)
    if told is None:
        return ["", "", "", "", "did not run: " + said.strip()[-600:]]
    found = _HAZARDS.search(said)
    counts = [int(found[2]), int(found[3])] if found else [-1, -1]
    launches = sum(map(int, re.findall(r"(\d+) ", told[1])))
    return [told[1], *counts, launches, "" if counts == [0, 0] else _hazards(said)]


def _hazards(said: str) -> str:
    """Of each hazard its accesses, without the kernel's name."""
    lines = [
        re.sub(rf"{_OURS}\S*\+", "+", line[10:].strip())
        for line in said.splitlines()
        if line.startswith("=========")
        and ("Race" in line or "Access" in line or "access" in line)
    ]
    return " | ".join(lines)[:CUT]
