# SPDX-License-Identifier: Apache-2.0
"""A rank that dies, refuses or is another: ``ranks_faults.py FOLDER OUT``.

The engine is a process of its own, as the server's is, and starts the workers.
"""

from __future__ import annotations

import json
import os
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import vllm
from checkpoint import Format
from model import write
from offline import generate, prompts
from other_rank import NAME
from ranks import NAMED, SIZES, TWO, WHOLE, tiny
from rows import Rows, line_of
from split import LIMIT, Split, by_fork, heard, left, running, started
from told import failed_rank, logged, places, quoted, seen
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.utils import wait_for_engine_startup
from vllm.v1.executor.multiproc_executor import MultiprocExecutor, WorkerProc

OLD, OTHER = "0.7.0", "0.7.2.post1"
CAPABILITY = "12.1"
NO_CODE = sha256().hexdigest()[:8]
"""A digest of no file at all."""
DIED, ALIKE, APART = (
    quoted(start)
    for start in (
        "Worker proc VllmWorker-1 died",
        "All 2 ranks have capability SM120",
        "Ranks may run NVFP4 layers",
    )
)
NOT_STARTED, DEAD = (
    quoted(start).partition("...")[0].strip()
    for start in ("Engine core initialization", "EngineCore encountered")
)
# Where vLLM drops the rank and the reason, in the page's order.
DROPS = (
    (WorkerProc.worker_main, '"WorkerProc failed to start."'),
    (WorkerProc.wait_for_ready, '"WorkerProc initialization failed'),
    (wait_for_engine_startup, '"Engine core initialization failed.'),
    (MultiprocExecutor.start_worker_monitor, '"Worker proc %s died'),
    (EngineDeadError, '"EngineCore encountered an issue.'),
)


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    by_fork()
    checkpoint = write(
        folder / "ranks faults", tiny(SIZES[WHOLE], Format.MODELOPT)
    )  # fmt: skip
    dropped(rows)
    dead(rows, checkpoint)
    alone_refused(rows, checkpoint)
    told_apart(rows, folder, checkpoint)
    out.write_text(json.dumps(rows), encoding="utf-8")


def attempted(
    checkpoint: Path, told: dict[str, Any], split: Split = TWO, **more: Any
) -> Attempt:
    """Start with rank 1 as told, answer one prompt, and end."""
    more |= {
        "worker_cls": "other_rank.OtherRank",
        "additional_config": {NAME: {"1": told}},
    }
    found, before = Attempt(), running()
    with heard(found.lines):
        begun = time.monotonic()
        try:
            with started(checkpoint, split, **more) as llm:
                here = running() - before
                workers = llm.collective_rpc("sm12x_process")
                found.processes = [each for each in workers if each in here]
                begun = time.monotonic()
                generate(llm, prompts(1, 20), 4)
        except Exception as error:
            found.error = f"{type(error).__name__}: {error}"
        found.left = left(before, begun)
        found.seconds = time.monotonic() - begun
    return found


class Attempt:
    """What came of it.

    Attributes:
        lines: All that its processes printed.
        error: What the caller got, if anything.
        seconds: From the start, or from the prompt, to the end of all processes.
        processes: Ids of the workers, if they came up where ``running`` looks.
        left: Ids of processes that did not end.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.error = ""
        self.seconds = 0.0
        self.processes: list[int] = []
        self.left: list[int] = []

    def with_words(self, *words: str) -> list[str]:
        return [line for line in self.lines if all(each in line for each in words)]


def dropped(rows: Rows) -> None:
    lines = [line_of(function, words) for function, words in DROPS]
    missing = [line for line in lines if line not in places()]
    rows.add(
        "where vLLM drops a rank's name and reason",
        "the lines of its source that docs/gpu-owners.md names",
        f"{len(lines) - len(missing)} of {len(lines)}"
        + "".join(f"; not {line}" for line in missing),
        lines == places(),
    )  # fmt: skip


def caller(rows: Rows, step: str, found: Attempt, text: str, *words: str) -> None:
    """One row: what the caller gets, and what the page's command prints of the log."""
    shown = failed_rank(found.lines)
    got = [each for each in words if each in found.error]
    rows.add(
        f"{step}: for the caller",
        f"its error is {text} with neither of {', '.join(words)}; the command that "
        "docs/gpu-owners.md has for the log prints one line with all",
        f"{found.error[:80] or 'no error'}, with {', '.join(got) or 'neither'}; log: "
        f"{said(shown)}",
        text in found.error and not got
        and len(shown) == 1 and all(each in shown[0] for each in words),
    )  # fmt: skip


def dead(rows: Rows, checkpoint: Path) -> None:
    """One dies; that the ranks are alike was said before."""
    found = attempted(checkpoint, {"dies": True})
    named = seen(DIED, found.lines)
    rows.add(
        "a rank that dies",
        f"one line names it, the caller gets an error, all end within {LIMIT:.0f} s",
        f"{found.error[:80] or 'no error'}; {len(found.processes)} workers; "
        f"{len(found.left)} processes left; {len(named)} line: {said(named)}",
        bool(found.error) and len(named) == 1 and len(found.processes) == 2
        and not found.left and found.seconds < LIMIT,
    )  # fmt: skip
    caller(rows, "a rank that dies", found, DEAD, "VllmWorker-1", "died unexpectedly")
    alike = seen(ALIKE, found.lines)
    rows.add(
        "ranks that are alike", "the log says so once, at start",
        f"{len(alike)} line: {said(alike)}",
        len(alike) == 1 and NO_CODE not in alike[0],
    )  # fmt: skip


def alone_refused(rows: Rows, checkpoint: Path) -> None:
    found = attempted(checkpoint, {"flashinfer": OLD}, **NAMED)
    named = found.with_words("Worker_TP1", OLD, "Error")
    others = found.with_words("Worker_TP0", OLD, "Error")
    logged(
        rows, "a rank that refuses: log", ["WorkerProc failed to start"], found.lines
    )
    rows.add(
        "a rank that refuses its FlashInfer",
        f"it alone says why, and all end within {LIMIT:.0f} s",
        f"{found.error[:80] or 'no error'}; {len(found.left)} processes left; log: "
        f"{said(named)}",
        bool(found.error and named) and not others and not found.left
        and found.seconds < LIMIT,
    )  # fmt: skip
    caller(
        rows, "a rank that refuses", found, NOT_STARTED, "Worker_TP1",
        f"flashinfer-python {OLD} is older",
    )  # fmt: skip


def told_apart(rows: Rows, folder: Path, checkpoint: Path) -> None:
    """Another FlashInfer, capability and series: all work by name, and are told."""
    chosen = NAMED | {"linear_backend": "flashinfer_b12x"}
    other = folder / "other code" / "utils"
    other.mkdir(parents=True, exist_ok=True)
    (other / "sm12x.py").write_text("of another series\n", encoding="utf-8")
    told = {"flashinfer": OTHER, "capability": CAPABILITY, "code": str(other.parent)}
    found = attempted(checkpoint, told, **chosen)
    named = seen(APART, found.lines)
    for what, words in (
        ("another FlashInfer", f"{OTHER} on rank 1"),
        ("another capability", "SM120 on rank 0, SM121 on rank 1"),
        ("another series", f"vLLM's code: {_digest()} on rank 0, "),
    ):
        rows.add(
            f"a rank with {what}", "the log warns of it once, at start; all work",
            f"{len(named)} line: {said(named)}; {found.error[:80] or 'no error'}",
            len(named) == 1 and words in named[0] and not found.error,
        )  # fmt: skip


def _digest() -> str:
    """What the series says of vLLM's code as it is here."""
    from vllm.utils.sm12x_ranks import _digest

    return _digest(Path(vllm.__file__).parent)


def said(lines: list[str]) -> str:
    """The first line without its time and place, in short."""
    return lines[0].rpartition("] ")[2][:300] if lines else "nothing"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
