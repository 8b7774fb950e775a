# SPDX-License-Identifier: Apache-2.0
"""Find what the patched vLLM reaches on one architecture, and compile it.

Started by scripts/kernels in the environment that has FlashInfer, with the patched
tree on PYTHONPATH: ``python kernel_sweep.py request.json``. Events are lines of JSON
on stdout; what libraries print goes to stderr.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import kernel_cover

SETTINGS = {
    "B12X_COMPILE_DISK_CACHE": "0",
    # Where a forked compilation stands; CuTe DSL reads these when it is imported.
    "CUTE_DSL_DUMP_DIR": ".",
    # The IR as it was traced: to clean it takes a fifth of the whole compilation.
    "CUTE_DSL_KEEP": "ir-debug,cubin",
    "CUTE_DSL_NO_CACHE": "1",
    "FLASHINFER_CUTE_DSL_DISABLE_CACHE": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_HAS_FLASHINFER_CUBIN": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_TARGET_DEVICE": "cpu",
}
_NAMED = "flashinfer_cutedsl_sm12x"
# A tile has 64 rows at least: of more than that, the first and the last of each.
_ROWS = [*range(1, 65), *(m for n in range(64, 512, 64) for m in (n + 1, n + 64))]
_ROWS += range(576, 8193, 64)


class Sweep:
    """One request, from the layers that it names to their cubins."""

    def __init__(self, request: dict[str, Any], events: Any) -> None:
        self.request, self.events = request, events
        self.told: set[tuple[Any, ...]] = set()
        self.cover = kernel_cover.Cover(*request["share"])

    def say(self, event: str, **more: Any) -> None:
        print(json.dumps({"event": event, **more}), file=self.events, flush=True)

    def run(self) -> None:
        import kernel_calls
        import kernel_fork
        import kernel_key
        import kernel_record
        from cutlass import cute

        arch = self.request["arch"]
        capability = (12, int(arch[len("sm_12") : -1]))
        kernel_calls.start(capability, self.request["multiprocessors"])
        gc.freeze()  # vLLM's objects stay; each layer's are collected on their own
        real = cute.compile
        try:
            self.recorder = kernel_record.install()
            for model in self.request["models"]:
                self.experts(model)
                self.linears(model)
        except kernel_key.Gone as e:
            self.say("gone", name=str(e))
            return
        finally:
            cute.compile = real
        kernel_fork.prepare()
        chosen = self.chosen()
        total = len(self.recorder.jobs)
        groups = self.cover.differ()
        self.say("reached", total=total, groups=groups, chosen=len(chosen))
        self.compile(chosen, real, arch)
        self.say("done")

    def backend(self, case: dict[str, Any]) -> str:
        """Which --moe-backend a case is for."""
        if case["backend"] != "auto" or not self.request.get("by-name"):
            return str(case["backend"])
        return "b12x" if case["method"].startswith("W4A16") else _NAMED

    def experts(self, model: dict[str, Any]) -> None:
        """Every kernel of the model's experts, at each number of ranks."""
        import kernel_calls

        self.model = model
        for case in model["moe"]:
            size = model["intermediate"] // case["tp"]
            limit = case["max-tokens"]
            w4a16 = case["method"].startswith("W4A16")
            where = {"model": model["name"], "layer": "moe", "w4a16": w4a16, **case}
            try:
                chosen, call = kernel_calls.moe(
                    model, size, limit, case["method"], self.backend(case)
                )
            except ValueError as e:
                self.say("refused", **where, text=str(e)[:600])
                continue
            self.say("selected", **where, kernel=chosen)
            if call is None:
                continue
            # Past 1024 rows b12x has one kernel; FlashInfer says where its own end.
            last = 1024 // model["top-k"] if w4a16 else call.key.static_tokens()
            counts = {*range(1, last + 8), limit}
            counts |= {1 << i for i in range(14)}
            scanned: set[str] = set()
            if w4a16:
                # b12x plans a number of tokens once, and vLLM warms it up itself.
                self.recorder.probe = True
                self.recorder.fresh()
                for tokens in sorted(n for n in counts if n <= limit):
                    self.call(call, tokens, where)
                continue
            # Whether FlashInfer's probe of the driver says yes or no.
            for self.recorder.probe in (True, False):
                self.recorder.fresh()
                for tokens in sorted(n for n in counts if n <= limit):
                    scanned |= self.call(call, tokens, where)
            warmed: set[str] = set()
            for self.recorder.probe in (True, False):
                self.recorder.fresh()
                for tokens in call.warmup():
                    warmed |= self.call(call, tokens, None)
            for key in sorted(scanned - warmed):
                job = self.recorder.jobs[key]
                self.say("cold", **where, key=key, kind=job.kind)

    def linears(self, model: dict[str, Any]) -> None:
        """Every GEMM of the model's linear layers, at each number of ranks."""
        import kernel_calls

        self.model = model
        for case in model["linear"]:
            where = {"model": model["name"], "layer": "linear", **case}
            chosen, call = kernel_calls.linear(case["n"], case["k"], case["backend"])
            self.say("selected", **where, kernel=chosen)
            self.recorder.probe = True
            for self.recorder.tactics in (False, True):
                self.recorder.fresh()
                for tokens in _ROWS[:: 16 if self.recorder.tactics else 1]:
                    if self.call(call, tokens, where) == {"elsewhere"}:
                        break
            self.recorder.tactics = False

    def call(self, call: Any, tokens: int, where: dict[str, Any] | None) -> set[str]:
        """Run the layer; tell of the kernels that it reaches for the first time."""
        from kernel_record import Elsewhere

        self.recorder.hit.clear()
        try:
            call(tokens)
        except Elsewhere as e:
            if where is not None and not self.recorder.tactics:
                self.say("elsewhere", **where, tokens=tokens, library=str(e))
            return {"elsewhere"}
        for key in self.recorder.hit if where is not None else ():
            # Where it was reached first is said; counts of tokens ascend.
            if (key, *where.values()) not in self.told:
                self.told.add((key, *where.values()))
                job = self.recorder.jobs[key]
                told = {"kind": job.kind, "detail": job.detail, "tokens": tokens}
                why = {"probe": self.recorder.probe, "tuned": self.recorder.tactics}
                if self.recorder.probe:
                    self.cover.note(self.model, where, job, self.recorder.tactics)
                self.say("kernel", **where, key=key, **told, **why)
        return set(self.recorder.hit)

    def chosen(self) -> list[Any]:
        """Kernels that stand for all of their kind; or all."""
        jobs = self.recorder.jobs
        if self.request["all"]:
            return list(jobs.values())
        return [jobs[key] for key in self.cover.chosen()]

    def compile(self, chosen: list[Any], real: Any, arch: str) -> None:
        """Compile what the cache has not, the longest first."""
        import kernel_fork

        order = ["dynamic", "static", "micro", "direct micro", "w4a16"]
        rank = {kind: i for i, kind in enumerate(order)}
        cache, salt = Path(self.request["cache"]), self.request["salt"]
        limits = self.request["limits"]
        for job in sorted(chosen, key=lambda j: rank.get(j.kind, len(rank))):
            folder = cache / f"{job.key[:40]}-{salt}"
            if (folder / "result.json").exists():
                told = json.loads((folder / "result.json").read_text("utf-8"))
                self.compiled(job, folder, told | {"kept": True})
                continue
            told = kernel_fork.compile_apart(
                job, real, arch, folder, limits["seconds"], limits["bytes"]
            )
            self.compiled(job, folder, told | {"kept": False})

    def compiled(self, job: Any, folder: Path, told: dict[str, Any]) -> None:
        call = {"given": job.given, "wanted": job.wanted()}
        self.say("compiled", key=job.key, folder=folder.name, **call, **told)


def main(kind: type[Sweep] = Sweep, settings: dict[str, str] = SETTINGS) -> None:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.environ.update(settings, CUTE_DSL_ARCH=request["arch"])
    # FlashInfer and CuTe DSL warn of the driver that is not there.
    warnings.simplefilter("ignore")
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    kind(request, events).run()


if __name__ == "__main__":
    main()
