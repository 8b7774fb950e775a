# SPDX-License-Identifier: Apache-2.0
"""Write down which kernels the parts of ``make hopper`` reach, and compile them.

Started by scripts/hopper as kernel_sweep.py is, ``python hopper_prepare.py
request.json``. Of each kernel the folder in the cache gets host.o, kernel.ptx and
kernel.json; events are lines of JSON on stdout.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import hopper_cases
import hopper_export
import hopper_rows
import hopper_stage
import kernel_fork
import kernel_sweep

SETTINGS = hopper_stage.SETTINGS | {
    "CUTE_DSL_DUMP_DIR": ".",
    "CUTE_DSL_KEEP": "ptx",
    "OMP_NUM_THREADS": "1",
    "VLLM_TARGET_DEVICE": "cpu",
}


class Preparing:
    """One request: record the parts, compile what they reached."""

    def __init__(self, request: dict[str, Any], events: Any) -> None:
        self.request, self.events = request, events

    say = kernel_sweep.Sweep.say

    def run(self) -> None:
        import gc

        from cutlass import cute

        real = cute.compile
        stage = hopper_stage.record(
            self.request["arch"], self.request["multiprocessors"]
        )
        stage.only = frozenset(self.request["models"])
        hopper_stage.tests_on_path(Path(self.request["root"]))
        for name in self.request["parts"]:
            part, before = importlib.import_module(name), set(stage.recorder.jobs)
            told = list(part.rows(stage))
            new = [key for key in stage.recorder.jobs if key not in before]
            # Of each file of tests how many there are.
            tests = [[r[1], r[0], sum(r[2:5])] for r in told if name == "seed"]
            columns, by = part.COLUMNS, hopper_cases.NAMED.get(name)
            called = hopper_rows.names(columns, told, by) if by else ()
            named = hopper_rows.folded(called)
            said = {"rows": len(told), "keys": new, "tests": tests, "named": named}
            self.say("recorded", part=name, **said)
            gc.collect()
        cute.compile = real
        kernel_fork.prepare()
        kernel_fork._cute = hopper_export.export
        hopper_export.atoms_of_16_bits()
        jobs = [job for job in stage.recorder.jobs.values() if not job.triton]
        self.say("reached", total=len(jobs), groups=0, chosen=len(jobs))
        # The longest first.
        jobs.sort(key=lambda j: (j.kind != "dynamic", j.kind))
        workers = []
        for share in range(self.request["processes"]):
            workers.append(os.fork())
            if workers[-1] == 0:
                self.compile(jobs[share :: self.request["processes"]], real)
        ends = [os.waitpid(worker, 0)[1] for worker in workers]
        if any(ends):
            raise RuntimeError(f"a compiling process ended with {ends}")
        self.say("done")

    def compile(self, jobs: list[Any], real: Any) -> None:
        """In a forked process: compile what the cache has not, and leave."""
        status = 1
        try:
            cache, salt = Path(self.request["cache"]), self.request["salt"]
            limits = self.request["limits"]
            for job in jobs:
                folder = cache / f"{job.key[:40]}-{salt}"
                told = {"kept": (folder / "kernel.json").exists(), "outcome": "ok"}
                if not told["kept"]:
                    told |= kernel_fork.compile_apart(
                        job,
                        real,
                        self.request["arch"],
                        folder,
                        limits["seconds"],
                        limits["bytes"],
                    )
                what = {"kind": job.kind, "detail": job.detail}
                self.say("compiled", key=job.key, folder=folder.name, **what, **told)
            status = 0
        finally:
            self.events.flush()
            os._exit(status)


if __name__ == "__main__":
    kernel_sweep.main(Preparing, SETTINGS)
