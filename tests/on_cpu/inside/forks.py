# SPDX-License-Identifier: Apache-2.0
"""Run pytest sessions, each in a fork of one process that has imported vLLM.

Two thirds of what a module takes is the import of PyTorch and vLLM. Reads a job a line
from stdin, as JSON: {"arguments": pytest's, "environment": {name: value}, "said":
file}. Answers with the wait status of the fork, whose output goes to `said`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest


def session(job: dict[str, Any]) -> int:
    """Run one job's tests in this process, as `python -m pytest` would; the code."""
    said = os.open(str(job["said"]), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    for fd in (1, 2):
        os.dup2(said, fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(job["environment"])
    return int(pytest.main(job["arguments"]))


def main() -> None:
    """Answer jobs until stdin ends."""
    # As `python -m pytest` has it; and what pytest.ini adds.
    here = Path.cwd()
    sys.path[:1] = [str(here), str(here.parents[2] / "scripts" / "in_vllm")]
    import ready

    ready.load()
    # Pages that no collection of garbage touches stay shared.
    gc.collect()
    gc.freeze()
    with os.fdopen(os.dup(0), "rb", buffering=0) as jobs:
        for line in jobs:
            if not (pid := os.fork()):
                sys.exit(session(json.loads(line)))
            print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    main()
