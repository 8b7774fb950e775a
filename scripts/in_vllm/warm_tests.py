# SPDX-License-Identifier: Apache-2.0
"""Run pytest sessions on trees of vLLM, each in a fork of one warm process.

What vLLM and its tests import from elsewhere (torch, transformers, ...) is imported
once; nothing of vLLM is, so that each fork sees its own tree alone. Reads a job a
line from stdin, as JSON:

    {"tree": folder, "files": {"tests/a.py": ["test_b"] or null}, "out": file,
     "limit": seconds}

and writes to `out` {"tests": {node id: outcome}, "broken": {file: why}, "said":
the session's last words, "ended": "in order" or how else}. A file's list names the
test functions to run, null all of them. One line `done` to stdout answers each job.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

# Read before torch is: no thread may run when the process forks.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
WARM = (
    "torch",
    "torch._inductor.compile_fx",
    "torch._dynamo",
    "torch.testing",
    "torch.distributed",
    "torch.utils.cpp_extension",
    "numpy",
    "transformers",
    "transformers.image_processing_backends",
    "transformers.modeling_utils",
    "transformers.models.auto.auto_factory",
    "PIL.Image",
    "openai",
    "openai.types.responses",
    "openai_harmony",
    "partial_json_parser",
    "llguidance",
    "cpuinfo",
    "fastapi",
    "pydantic",
    "aiohttp",
    "huggingface_hub",
    "pytest",
    "_pytest",
    "pytest_asyncio",
    "hypothesis",
    "tblib",
    "msgspec",
    "zmq",
    "cloudpickle",
    "safetensors.torch",
    "xgrammar",
    "psutil",
    "prometheus_client",
    "regex",
    "requests",
    "tqdm",
    "einops",
    "cachetools",
    "cbor2",
    "uvloop",
)
_RANK = ("passed", "skipped", "failed", "error")


class Recorder:
    """A plugin that keeps the wanted tests, and how each ends."""

    def __init__(self, files: dict[str, list[str] | None]) -> None:
        self.files = files
        self.tests: dict[str, str] = {}
        self.broken: dict[str, str] = {}

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        kept, rest = [], []
        for item in items:
            path, _, name = item.nodeid.partition("::")
            wanted = self.files.get(path)
            keep = wanted is None or name.partition("[")[0] in wanted
            (kept if keep else rest).append(item)
        items[:] = kept
        config.hook.pytest_deselected(items=rest)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.broken[report.nodeid] = str(report.longrepr)[-2000:]

    def pytest_runtest_logreport(self, report: Any) -> None:
        outcome = report.outcome
        if outcome == "failed" and report.when != "call":
            outcome = "error"
        if outcome == "passed" and report.when != "call":
            return
        worst = max(self.tests.get(report.nodeid, outcome), outcome, key=_RANK.index)
        self.tests[report.nodeid] = worst


def freeze() -> None:
    """Leave what is there out of every collection of garbage.

    vLLM's tests collect after each, which takes longer than most of them: what is
    imported is none. They unfreeze it first, for engines that have frozen what they
    hold; there is none in these sessions.
    """
    gc.freeze()
    gc.unfreeze = lambda: None


class Frozen:
    """A plugin that freezes what has been imported when all is collected."""

    def pytest_collection_finish(self) -> None:
        freeze()


def session(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job's tests in this process, from its tree."""
    import pytest

    os.chdir(job["tree"])
    sys.path.insert(0, job["tree"])
    recorder = Recorder(job["files"])
    there = [name for name in job["files"] if Path(name).is_file()]
    missing = {name: "no such file" for name in job["files"] if name not in there}
    arguments = ["-q", "--tb=short", "-p", "no:cacheprovider", "--color=no"]
    arguments += ["--continue-on-collection-errors", *job.get("arguments", ())]
    plugins = [recorder, Frozen()]
    code = int(pytest.main([*arguments, *there], plugins=plugins)) if there else 5
    broken = missing | recorder.broken
    # 0, 1, 2 and 5: all passed, some failed, not all were collected, none was.
    ended = "in order" if code in (0, 1, 2, 5) else f"with pytest's code {code}"
    return {"tests": recorder.tests, "broken": broken, "ended": ended}


def stoppable() -> None:
    """Let SIGTERM unwind, so that a fork under way is ended with this process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def apart() -> None:
    """In a fork: be the first of a group, and end at SIGTERM as any program."""
    os.setpgrp()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def ended(pid: int, limit: float, pause: float) -> tuple[int, bool]:
    """Wait for a fork that is `apart`; its wait status, and whether it was stopped.

    Nothing of its group is left afterwards, nor when an exception ends the waiting.

    Args:
        pid: The fork.
        limit: Seconds that it has.
        pause: Seconds between two looks.
    """
    with suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)  # whoever of the two comes first
    end, late = time.monotonic() + limit, False
    try:
        while not (status := os.waitpid(pid, os.WNOHANG))[0]:
            if late := time.monotonic() > end:
                break
            time.sleep(pause)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    return (os.waitpid(pid, 0) if late else status)[1], late


def child(job: dict[str, Any], log: str) -> None:
    """The fork: it never returns."""
    apart()
    fd = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    try:
        told = session(job)
        with Path(job["out"]).open("w", encoding="utf-8") as f:
            json.dump(told, f)
        sys.stdout.flush()
    except BaseException as e:
        print(f"{type(e).__name__}: {e}", flush=True)
        os._exit(70)
    # Threads that a test has left would hold up an orderly exit.
    os._exit(0)


def run(job: dict[str, Any]) -> None:
    """Fork for a job, and complete its results when the fork has ended."""
    out, log = Path(job["out"]), job["out"] + ".log"
    out.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        child(job, log)
    status, late = ended(pid, job["limit"], 0.02)
    told: dict[str, Any] = {"tests": {}, "broken": {}}
    if out.exists():
        told = json.loads(out.read_text(encoding="utf-8"))
    elif late:
        told["ended"] = f"was stopped after {job['limit']} s"
    else:
        told["ended"] = f"died, wait status {status}"
    told["said"] = Path(log).read_text(encoding="utf-8", errors="replace")[-6000:]
    Path(log).unlink()
    out.write_text(json.dumps(told), encoding="utf-8")


def warm() -> None:
    """Import what there is of what vLLM stands on."""
    for name in WARM:
        with suppress(ImportError):
            __import__(name)


def main() -> None:
    """Answer jobs until stdin ends."""
    here = str(Path(__file__).parent)
    sys.path[:] = [p for p in sys.path if p not in ("", here)]
    warm()
    stoppable()
    # What the imports say belongs to no job.
    for line in sys.stdin:
        run(json.loads(line))
        print("done", flush=True)


if __name__ == "__main__":
    main()
