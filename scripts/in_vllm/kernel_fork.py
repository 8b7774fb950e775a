# SPDX-License-Identifier: Apache-2.0
"""One compilation in a process of its own, with a limit of time and of memory.

The process is forked, since importing vLLM and FlashInfer takes longer than to
compile. Nothing may have been compiled before in the process that forks.
"""

from __future__ import annotations

import contextlib
import gc
import gzip
import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from kernel_record import Job

_PAGE = os.sysconf("SC_PAGE_SIZE")


def prepare() -> None:
    """Do once what every forked process would do for itself.

    The first error of TVM-FFI reads the debug information of every library that is
    loaded, which takes as long as to compile a small kernel; each compilation ends
    with one, the refused call.
    """
    import tvm_ffi

    with contextlib.suppress(Exception):
        tvm_ffi.load_module("/nonexistent/library.so")
    gc.collect()
    gc.freeze()  # so that a forked process copies few pages


def compile_apart(
    job: Job, real_compile: Any, arch: str, folder: Path, seconds: float, memory: int
) -> dict[str, Any]:
    """Compile the job and put what came out into ``folder``.

    Args:
        job: What the recorder wrote down.
        real_compile: ``cutlass.cute.compile`` as it was.
        arch: sm_120a or sm_121a.
        folder: Is there only if all went well: kernel.cubin, and the IR as it was
            traced (kernel.mlir.gz), or what Triton says in place of it.
        seconds: Limit of wall time.
        memory: Limit of memory on top of the process that forks, in bytes.

    Returns:
        ``outcome`` (ok, error, crash, timeout or memory), ``text`` of a failure,
        ``seconds`` of CPU time and ``peak`` in bytes.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    before = _resident(os.getpid())
    pid = os.fork()
    if pid == 0:
        _child(job, real_compile, arch, part)
    peak, outcome, end = 0, "", time.monotonic() + seconds
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            break
        peak = max(peak, _resident(pid) - before)
        if not outcome and peak > memory:
            outcome = "memory"
        elif not outcome and time.monotonic() > end:
            outcome = "timeout"
        if outcome:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    text = _read(part / "error.txt")
    if not outcome and status:
        died = os.WIFSIGNALED(status)
        outcome = "crash" if died else "error"
        if died:
            text = f"signal {os.WTERMSIG(status)}; {_read(part / 'log.txt')[-1500:]}"
    used = usage.ru_utime + usage.ru_stime
    result = {
        "outcome": outcome or "ok",
        "text": text,
        "seconds": round(used, 2),
        "peak": peak,
    }
    if result["outcome"] != "ok":
        shutil.rmtree(part)
        return result
    shutil.rmtree(folder, ignore_errors=True)
    (part / "result.json").write_text(json.dumps(result), encoding="utf-8")
    part.rename(folder)
    return result


def _child(job: Job, real_compile: Any, arch: str, part: Path) -> None:
    """Compile and leave; never returns."""
    status = 1
    try:
        log = os.open(part / "log.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        gc.disable()  # an allocation-heavy trace of a few seconds
        (_triton if job.triton else _cute)(job, real_compile, arch, part)
        status = 0
    except BaseException as e:
        said = "".join(traceback.format_exception_only(e)).strip()
        place = traceback.extract_tb(e.__traceback__)[-1]
        text = f"{said}\n{place.filename}:{place.lineno}"
        (part / "error.txt").write_text(text[-3000:], encoding="utf-8")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _cute(job: Job, real_compile: Any, arch: str, part: Path) -> None:
    dump = part / "dump"
    dump.mkdir()
    os.chdir(dump)
    args, kwargs = job.compile
    if job.subscript is not None:
        real_compile = real_compile[job.subscript]
    compiled = real_compile(*args, **kwargs)
    (ir,) = dump.glob("*.mlir")
    (cubin,) = dump.glob("*.cubin")
    (part / "kernel.mlir.gz").write_bytes(gzip.compress(ir.read_bytes(), 1, mtime=0))
    cubin.rename(part / "kernel.cubin")
    signature = None
    if job.given and "--enable-tvm-ffi" in kwargs.get("options", ""):
        # On CPU tensors it stops before the launch, and says what it was made for.
        try:
            compiled(*map(_stand_in, job.given))
        except Exception as e:
            signature = str(e)
        else:
            raise RuntimeError("the kernel was launched on CPU tensors")
    told = json.dumps({"signature": signature})
    (part / "contract.json").write_text(told, encoding="utf-8")
    shutil.rmtree(dump)


def _triton(job: Job, _: Any, arch: str, part: Path) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, make_backend
    from triton.runtime.jit import create_function_from_signature

    os.environ["TRITON_CACHE_DIR"] = str(part / "dump")
    (kernel, *args), kwargs = job.compile
    target = GPUTarget("cuda", int(arch.removeprefix("sm_").rstrip("a")), 32)
    backend = make_backend(target)
    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
    bound, special, _options = bind(*args, **kwargs)
    packed = kernel._pack_args(backend, kwargs, bound, special, _options)
    options, signature, constants, attributes = packed
    source = ASTSource(kernel, signature, constants, attributes)
    made = triton.compile(source, target=target, options=options.__dict__)
    (part / "kernel.cubin").write_bytes(made.asm["cubin"])
    shutil.rmtree(part / "dump")
    told = {"shared": made.metadata.shared, "threads": made.metadata.num_warps * 32}
    (part / "kernel.json").write_text(json.dumps(told), encoding="utf-8")


def _stand_in(given: list[Any]) -> Any:
    """A CPU tensor like that of the call, its memory never touched; or a number."""
    if given[0] != "tensor":
        return 16  # as aligned as any pointer
    _, dtype, shape, stride, _ = given
    return torch.empty_strided(shape, stride, dtype=getattr(torch, dtype))


def _resident(pid: int) -> int:
    try:
        words = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        return int(words[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
