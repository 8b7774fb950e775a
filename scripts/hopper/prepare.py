# SPDX-License-Identifier: Apache-2.0
"""`make hopper`, first step: a folder that a machine with a Hopper GPU runs.

    manifest.json          versions, digests, architectures, counts of what was replaced
    run.py                 what is started there, with that machine's Python
    kernels/*.so           a kernel each: FlashInfer's host code, the cubin for sm_90a
    selftest/*.cubin       the replaced instructions, right and with planted faults
    code/                  the parts, and what they share with the series' tests
    vllm/                  the patched vLLM's Python, and its tests

It needs no GPU. Kernels that were compiled before are in the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import IN_VLLM, ROOT
from scripts.base.chips import ARCHITECTURES
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.hopper import ptx, selftest
from scripts.hopper.assemble import Tools
from scripts.hopper.library import made
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models
from scripts.kernels import sweep
from scripts.kernels.versions import Environment
from scripts.series.identity import Identity
from scripts.upstream.cache import cache_dir

ENTRY = IN_VLLM / "hopper_prepare.py"
RUN = ROOT / "tests" / "hardware" / "hopper" / "run.py"
MANIFEST = "manifest.json"
SECONDS = 1200
"""Of one compilation, by the clock: only what hangs takes that long."""
CHECKED = ("kinds", "ranks_race")
"""What compute-sanitizer looks at: their kernels are made with the ABI, too."""
# The tests of the series are for both; what the other parts ask is of the same kernels.
_BOTH = ("seed",)
# What needs no kernel, or those of CHECKED.
_NONE = ("instructions", "sanitizer")
CODE = (
    "scripts/in_vllm",
    "tests/on_cpu/in_vllm",
    "tests/hardware/cuda",
    "tests/hardware/hopper",
)


@dataclass(frozen=True)
class Inputs:
    """What a bundle depends on."""

    environment: Environment
    tree: Path
    """The patched vLLM, clean."""
    series: Identity
    parts: dict[str, tuple[str, ...]]
    out: Path
    models: tuple[str, ...]
    """Of the part models."""


def wanted(parts: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """By architecture, the parts whose kernels a bundle for these parts has."""
    known = [p for p in (*cases.PARTS, *cases.PAIR) if p not in (*_NONE, *CHECKED)]
    asked = [p for p in known if not parts or p in parts]
    # Last: upstream's tests take down vLLM's process groups, which others need.
    asked.sort(key=lambda part: part in _BOTH)
    first, other = ARCHITECTURES
    return {
        first: (*CHECKED, *asked),
        other: tuple(part for part in asked if part in _BOTH),
    }


def prepare(inputs: Inputs) -> Path:
    """Make the bundle, or make it anew.

    Raises:
        Finding: A kernel cannot be compiled, translated or assembled.
        Unusable: There is no C compiler, or no ptxas.
    """
    tools = Tools.found()
    out = inputs.out
    shutil.rmtree(out, ignore_errors=True)
    (out / "kernels").mkdir(parents=True)
    kernels: dict[str, dict[str, Any]] = {}
    counts: Counter[str] = Counter()
    tests: dict[str, dict[str, int]] = {}
    rows: dict[str, Any] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for arch in ARCHITECTURES:
            if not inputs.parts.get(arch):
                kernels[arch] = {}
                continue
            waiting = dict(_compiled(inputs, arch, tools, pool, tests, rows))
            kernels[arch] = {key: one.result() for key, one in waiting.items()}
    for entry in (e for each in kernels.values() for e in each.values()):
        counts.update(entry["replaced"])
    selftest.write(tools, out / "selftest")
    _copy(inputs)
    manifest = {
        **vars(inputs.series),
        "versions": dict(inputs.environment.versions),
        "ptxas": tools.version,
        "target": ptx.TARGET,
        "multiprocessors": cases.MULTIPROCESSORS,
        "parts": inputs.parts,
        "models": inputs.models,
        "tests": tests,
        "rows": rows,
        "replaced": dict(sorted(counts.items())),
        "kinds": {
            arch: dict(Counter(entry["kind"] for entry in each.values()))
            for arch, each in kernels.items()
        },
        "kernels": kernels,
    }
    write(out / MANIFEST, json.dumps(manifest, indent=1).encode())
    return out


def _salt(inputs: Inputs) -> str:
    """Digest of what compiles a kernel."""
    total = hashlib.sha256(inputs.environment.digest.encode())
    for name in ("hopper_export.py", "kernel_fork.py"):
        total.update((ENTRY.parent / name).read_bytes())
    return total.hexdigest()[:16]


def _compiled(
    inputs: Inputs,
    arch: str,
    tools: Tools,
    pool: ThreadPoolExecutor,
    tests: dict[str, dict[str, int]],
    rows: dict[str, Any],
) -> Iterator[tuple[str, Future[dict[str, Any]]]]:
    """Each kernel of an architecture, assembled while the next is compiled.

    ``tests`` takes how many each file of the series' tests has, by capability;
    ``rows`` which rows the parts of scripts/in_vllm/hopper_rows.py have.
    """
    store = cache_dir() / "hopper"
    (store / "compiled").mkdir(parents=True, exist_ok=True)
    asked = sweep.Inputs(
        inputs.environment, inputs.tree, _no_shapes(), entry=ENTRY, store=store
    )
    request = {
        "arch": arch,
        "multiprocessors": cases.MULTIPROCESSORS,
        "root": str(ROOT),
        "parts": inputs.parts[arch],
        "models": inputs.models,
        "cache": str(store / "compiled"),
        "salt": f"{arch}-{_salt(inputs)}",
        "limits": {"seconds": SECONDS, "bytes": asked.limits.bytes},
        "processes": os.cpu_count() or 1,
    }
    checked: set[str] = set()
    for event in sweep.process(asked, arch, request):
        if event["event"] == "recorded":
            note(f"{arch}: {event['part']}, {event['rows']} rows")
            if event["part"] in CHECKED:
                checked.update(event["keys"])
            if event["named"]:
                rows[event["part"]] = event["named"]
            for capability, file, count in event["tests"]:
                tests.setdefault(capability, {})[file] = count
        if event["event"] == "gone":
            raise Finding("FlashInfer has a name no longer", where=event["name"])
        if event["event"] != "compiled":
            continue
        if event["outcome"] != "ok":
            raise Finding(
                "a kernel was not compiled",
                where=f"{event['kind']} {event['detail']}",
                found=f"{event['outcome']}: {event['text']}",
            )
        folder = store / "compiled" / event["folder"]
        what = {"kind": event["kind"], "detail": event["detail"]}
        also = event["key"] in checked
        yield (
            event["key"],
            pool.submit(made, tools, folder, inputs.out, what, also),
        )


def _no_shapes() -> Any:
    from scripts.kernels import shapes

    return shapes.Shapes(architectures={}, models=())


def _copy(inputs: Inputs) -> None:
    """The Python that runs there: this checkout's, and the patched tree's."""
    out = inputs.out
    python = shutil.ignore_patterns("__pycache__", "*.pyc", "*.so")
    for name in CODE:
        shutil.copytree(ROOT / name, out / "code" / name, ignore=python)
    for path in hopper_models.FILES:
        to = out / "code" / path.relative_to(ROOT)
        to.parent.mkdir(parents=True)
        shutil.copyfile(path, to)
    shutil.copyfile(RUN, out / "run.py")
    for name in ("vllm", "tests"):
        for path in sorted((inputs.tree / name).rglob("*")):
            if path.suffix in (".py", ".json") and path.stat().st_size < 1 << 20:
                to = out / "vllm" / path.relative_to(inputs.tree)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)
    info = out / "vllm" / f"vllm-{_version(inputs.tree)}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: vllm\nVersion: {_version(inputs.tree)}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")


def _version(tree: Path) -> str:
    import re

    text = (tree / "vllm" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r"^__version__ = version = '([^']+)'", text, re.M)
    assert found is not None, "vllm/_version.py"
    return found[1]
