# SPDX-License-Identifier: Apache-2.0
"""From a sweep's events and artefacts to one row a kernel, and the findings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.base import decode
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.kernels import contract, cubin, mlir
from scripts.kernels.names import names_of, selection
from scripts.kernels.problems import Kind, Problem, of_events
from scripts.kernels.sweep import Event, Inputs

SHARED_LIMIT = 101_376
"""Bytes of shared memory that a block may have on SM120 and SM121 (99 KiB)."""
REGISTER_FILE = 65_536
"""32-bit registers of a multiprocessor; a block's threads share them."""
# Another name for other fields of cubin.Code: what is there is read as it was written.
_COUNTS = "counts"


@dataclass(frozen=True)
class Kernel:
    """One compiled kernel; sizes in bytes, of several functions the largest."""

    registers: int
    stack: int
    local_stores: int
    local_loads: int
    static_shared: int
    dynamic_shared: int
    threads: int
    mma: int
    size: int
    sha256: str
    code: str


@dataclass(frozen=True)
class Report:
    kernels: Mapping[str, Kernel]
    """By ``architecture/label``."""
    problems: tuple[Problem, ...]
    selected: tuple[str, ...]
    """Which class vLLM chose for which layer, one line each."""
    reached: Mapping[str, int]
    """By architecture: kernels that were reached, compiled or not."""
    grouped: Mapping[str, int] = field(default_factory=dict)
    """The same, of those that differ in the number of tokens alone one."""


def build(
    inputs: Inputs, events: Mapping[str, list[Event]], tools: cubin.Tools
) -> Report:
    """Read every artefact; two at a time, and none twice."""
    kernels: dict[str, Kernel] = {}
    problems: list[Problem] = []
    selected: list[str] = []
    reached: dict[str, int] = {}
    grouped: dict[str, int] = {}
    jobs: list[tuple[str, str, Path, Event]] = []
    for arch, told in events.items():
        names = names_of(told)
        problems += of_events(arch, told, names)
        for event in told:
            if event["event"] == "reached":
                reached[arch], grouped[arch] = event["total"], event["groups"]
            if event["event"] in ("selected", "refused", "elsewhere"):
                selected.append(f"{arch}/{selection(event)}")
            elif event["event"] == "compiled" and event["outcome"] == "ok":
                folder = inputs.folder / "compiled" / event["folder"]
                jobs.append((arch, names[event["key"]], folder, event))
    note(f"reading {len(jobs)} cubins")
    shared_code = _SharedCode(inputs.folder / _COUNTS, tools)
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda job: _inspect(job[2], job[3], shared_code), jobs)
        for (arch, name, *_), read in zip(jobs, done, strict=True):
            where = f"{arch}/{name}"
            if isinstance(read, Finding):
                problems.append(Problem(Kind.UNREADABLE, where, str(read)))
                continue
            found, its_arch, calls = read
            kernels[where] = found
            problems += limits(where, arch, its_arch, found)
            problems += [Problem(Kind.CONTRACT, where, text) for text in calls]
    return Report(
        dict(sorted(kernels.items())),
        tuple(problems),
        tuple(selected),
        reached,
        grouped,
    )


def read_ahead(inputs: Inputs, events: Iterable[Event], tools: cubin.Tools) -> None:
    """Count the instructions while the other architecture is still compiled.

    What cannot be read `build` tells of.
    """
    code_of = _SharedCode(inputs.folder / _COUNTS, tools)
    for event in events:
        if event["event"] == "compiled" and event["outcome"] == "ok":
            path = inputs.folder / "compiled" / event["folder"] / "kernel.cubin"
            with suppress(Finding, OSError):
                code_of.of(path, cubin.read(path, tools).code)


@dataclass(frozen=True)
class _SharedCode:
    """Instructions counted once, however many cubins have them."""

    folder: Path
    tools: cubin.Tools

    def of(self, path: Path, digest: str) -> cubin.Code:
        kept = self.folder / f"{digest}.json"
        if kept.exists():
            what = "the count of a cubin's instructions is none"
            return decode.read(kept, cubin.Code, what, f"rm {kept}")
        code = cubin.disassemble(path, self.tools)
        write(kept, json.dumps(asdict(code)).encode())
        return code


def _inspect(
    folder: Path, event: Event, code_of: _SharedCode
) -> tuple[Kernel, str, list[str]] | Finding:
    try:
        path = folder / "kernel.cubin"
        made = cubin.read(path, code_of.tools)
        code = code_of.of(path, made.code)
        threads, dynamic, calls = _host(folder, event)
    except Finding as e:
        return e
    kernel = Kernel(
        registers=max(f.registers for f in made.functions),
        stack=max(f.stack for f in made.functions),
        local_stores=code.local_stores,
        local_loads=code.local_loads,
        static_shared=max(f.static_shared for f in made.functions),
        dynamic_shared=dynamic,
        threads=threads,
        mma=code.mma,
        size=made.size,
        sha256=made.sha256,
        code=made.code,
    )
    return kernel, made.arch, calls


def _host(folder: Path, event: Event) -> tuple[int, int, list[str]]:
    """Threads, dynamic shared memory, and what does not fit in the call."""
    if (folder / "kernel.json").exists():
        told = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
        return told["threads"], told["shared"], []
    ir = gzip.decompress((folder / "kernel.mlir.gz").read_bytes()).decode()
    found = mlir.launches(ir).values()
    says = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    if event["wanted"] is None:
        wrong = contract.problems(says["signature"], event["given"])
    else:
        wrong = contract.by_place(event["wanted"], event["given"])
    return (
        max(launch.threads for launch in found),
        max(launch.dynamic_shared for launch in found),
        wrong,
    )


def limits(where: str, arch: str, its_arch: str, k: Kernel) -> Iterable[Problem]:
    """What of the kernel the device has not, or another device has."""
    if its_arch != arch:
        text = f"asked for {arch}, compiled for {its_arch}"
        yield Problem(Kind.ARCHITECTURE, where, text)
    if (total := k.static_shared + k.dynamic_shared) > SHARED_LIMIT:
        text = f"{total:,} bytes, {SHARED_LIMIT:,} is all that a block may have"
        yield Problem(Kind.SHARED, where, text)
    # The hardware hands registers out to a warp in steps of 8 a thread.
    if (total := -(-k.registers // 8) * 8 * k.threads) > REGISTER_FILE:
        text = (
            f"{k.threads} threads of {k.registers} want {total:,} of {REGISTER_FILE:,}"
        )
        yield Problem(Kind.REGISTERS, where, text)


def as_data(report: Report, versions: Mapping[str, str]) -> dict[str, Any]:
    """The report as JSON takes it."""
    return {
        "versions": dict(versions),
        "reached": dict(report.reached),
        "but for tokens": dict(report.grouped),
        "kernels": {name: asdict(kernel) for name, kernel in report.kernels.items()},
        "problems": [
            {"kind": p.kind.value, "where": p.where, "text": p.text}
            for p in report.problems
        ],
        "selected": list(report.selected),
    }
