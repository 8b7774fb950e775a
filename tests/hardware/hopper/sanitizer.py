# SPDX-License-Identifier: Apache-2.0
"""compute-sanitizer over every kind of kernel, a process for each tool and kind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

COLUMNS = ("tool", "kind", "errors", "warnings", "launches", "first report")
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
KINDS = (
    "micro", "direct micro", "static", "dynamic", "dynamic gated", "micro relu2",
    "static relu2", "dense",
)  # fmt: skip
# Only the kernels of CuTe DSL: PyTorch's own are no matter of ours.
_FILTER = ("--kernel-regex", "kns=kernel_cutlass")
_HAZARDS = re.compile(
    r"RACECHECK SUMMARY: (\d+) hazards? displayed \((\d+) errors?, (\d+)"
)
_ERRORS = re.compile(r"ERROR SUMMARY: (\d+) errors?")
_LAUNCHES = re.compile(r"^kinds  .*  (\d+)$", re.M)
SECONDS = 400


def rows(bundle: Path, capability: str, processes: int = 6) -> Iterator[list[Any]]:
    """A row for each tool and kind, in the order that they end in."""
    with ThreadPoolExecutor(processes) as pool:
        waiting = [
            pool.submit(_one, bundle, capability, tool, kind)
            for tool in TOOLS
            for kind in KINDS
        ]
        yield from (one.result() for one in waiting)


def _one(bundle: Path, capability: str, tool: str, kind: str) -> list[Any]:
    out = (
        Path(os.environ.get("TMPDIR", "/tmp")) / f"{tool}-{kind.replace(' ', '-')}.json"
    )
    command = ["compute-sanitizer", "--tool", tool, *_FILTER]
    if tool == "memcheck":
        # cuda-bindings asks the driver for functions that it lacks.
        command += ["--report-api-errors", "no"]
    if tool == "racecheck":
        command += ["--racecheck-report", "analysis"]
    command += [sys.executable, str(bundle / "run.py"), "--parts", "kinds"]
    command += ["--capability", capability, "--out", str(out)]
    environment = os.environ | {"HOPPER_KIND": kind}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [tool, kind, "", "", "", f"not done within {SECONDS} s"]
    said = done.stdout
    launches = _LAUNCHES.search(said)
    if launches is None:
        return [tool, kind, "", "", "", "did not run: " + said.strip()[-600:]]
    lines = [line[10:] for line in said.splitlines() if line.startswith("=========")]
    if tool == "racecheck":
        found = _HAZARDS.search(said)
        counts = (int(found[2]), int(found[3])) if found else (-1, -1)
    else:
        error = _ERRORS.search(said)
        counts = (int(error[1]) if error else -1, 0)
    report = "" if counts == (0, 0) else " | ".join(lines[1:9])[:900]
    return [tool, kind, *counts, int(launches[1]), report]
