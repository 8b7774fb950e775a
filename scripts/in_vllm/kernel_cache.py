# SPDX-License-Identifier: Apache-2.0
"""Fill FlashInfer's disk cache of CuTe DSL kernels ahead of time, or look it through.

FlashInfer 0.7.2 keeps what ``cute.compile`` makes of the micro, static and dynamic
kernel as object files (flashinfer/jit/cute_dsl_core.py)::

    $FLASHINFER_WORKSPACE_BASE/.cache/flashinfer/VERSION/ARCH/cached_ops/
        b12x_moe_smNNNa_cute_dsl/NAME_DIGEST.o    digest of every codegen parameter
        b12x_moe_smNNNa_cute_dsl/meta.json        arch, cutlass-dsl, source_sha256

``source_sha256`` is over the absolute paths of ten source files besides their text, so
a cache is good for one place of site-packages only, which the request names. The files
have host code, so they are good for this machine's kind of processor only.

Started as kernel_sweep.py is, ``python kernel_cache.py request.json``, with
FLASHINFER_WORKSPACE_BASE set. With FLASHINFER_DISABLE_JIT=1 nothing is compiled: an
entry that FlashInfer does not find is told.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import kernel_fork
import kernel_sweep
from kernel_record import Job

_SETTINGS = {k: v for k, v in kernel_sweep.SETTINGS.items() if "CACHE" not in k}
_SETTINGS |= {"CUTE_DSL_KEEP": "", "B12X_COMPILE_DISK_CACHE": "0"}
_SETTINGS["CUTE_DSL_NO_CACHE"] = "1"  # CuTe DSL's own, beside FlashInfer's


class Filling(kernel_sweep.Sweep):
    """Every entry that the layers of the request want, compiled and exported."""

    ready = False

    def experts(self, model: dict[str, Any]) -> None:
        if not self.ready:
            self.prepare()
        super().experts(model)

    def prepare(self) -> None:
        """Stand before FlashInfer's cache; vLLM and FlashInfer are imported by now."""
        from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_dispatch
        from flashinfer.jit import cute_dsl_core

        self.ready, self.core = True, cute_dsl_core
        self.entries: dict[str, tuple[str, Job, tuple[str, ...]]] = {}
        self.looking = os.environ.get("FLASHINFER_DISABLE_JIT") == "1"
        if self.looking:
            load = cute_dsl_core.JitSpecCuteDsl._load_from_disk
            cute_dsl_core.JitSpecCuteDsl._load_from_disk = lambda spec: self.found(
                spec, load(spec)
            )
            self.real = cute_dsl_core.build_and_load_cute_dsl_kernel
        moe_dispatch.build_and_load_cute_dsl_kernel = self.wanted

    def wanted(
        self, module: str, name: str, compile_fn: Any, extra_key_files: Any
    ) -> Any:
        """In the place of FlashInfer's ``build_and_load_cute_dsl_kernel``."""
        if self.looking:
            from flashinfer.jit.core import MissingJITCacheError

            try:
                return self.real(module, name, compile_fn, extra_key_files)
            except MissingJITCacheError:
                self.say("missing", name=name)
                return _launched(name)
        if name not in self.entries:
            # Not `Recorder.add`: the grid is in the object file, though not in its key.
            jobs, self.recorder.jobs = self.recorder.jobs, {}
            job = compile_fn()
            self.recorder.jobs |= jobs
            self.entries[name] = (module, job, tuple(extra_key_files))
        return self.entries[name][1]

    def found(self, spec: Any, kernel: Any) -> Job:
        """An object file was loaded by FlashInfer itself; its launch is doubled."""
        assert callable(kernel)
        self.say("found", name=spec.kernel_name)
        return _launched(spec.kernel_name)

    def chosen(self) -> list[Any]:
        return [job for _, job, _ in self.entries.values()]

    def compile(self, chosen: list[Any], real: Any, arch: str) -> None:
        limits, cache = self.request["limits"], Path(self.request["cache"])
        kernel_fork._cute = self.export
        for name, (_, job, _) in self.entries.items():
            folder = cache / name
            job.kind, self.name = name, name
            told = kernel_fork.compile_apart(
                job, real, arch, folder, limits["seconds"], limits["bytes"]
            )
            self.say("exported", name=name, **told)

    def export(self, job: Job, real: Any, _arch: str, _part: Path) -> None:
        """In the forked process: compile, and let FlashInfer keep it."""
        module, _, sources = self.entries[self.name]
        args, kwargs = job.compile
        compiled = real(*args, **kwargs)
        spec = self.core.JitSpecCuteDsl(
            module, self.name, lambda: compiled, self.digest(sources)
        )
        spec.compile_and_persist()
        if not spec.is_compiled:  # FlashInfer only logs what went wrong
            raise RuntimeError(f"{spec.object_path} was not written")

    def digest(self, sources: tuple[str, ...]) -> str:
        """``cute_dsl_core._hash_source_files`` of the sources in their later place."""
        import flashinfer

        here, there = str(Path(flashinfer.__file__).parent.parent), self.request["site"]
        total = hashlib.sha256()
        for path in sorted(sources):
            total.update(there.encode() + path.removeprefix(here).encode())
            total.update(Path(path).read_bytes())
        return total.hexdigest()


def _launched(name: str) -> Job:
    return Job(name, name, ((), {}), {})


if __name__ == "__main__":
    os.environ.pop("FLASHINFER_CUTE_DSL_DISABLE_CACHE", None)
    kernel_sweep.main(Filling, _SETTINGS)
