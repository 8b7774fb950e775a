# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's disk cache of MoE kernels for one kind of GPU, filled ahead of time.

What the cache is and how FlashInfer keys it stands in scripts/in_vllm/kernel_cache.py.
Its direct micro kernel, its GEMM and Triton's kernels are in no cache of FlashInfer's,
and are compiled at each start, or kept by Triton.
"""

from __future__ import annotations

import json
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from scripts import IN_VLLM
from scripts.base.errors import Finding, Unusable
from scripts.base.files import write
from scripts.kernels import sweep

ENTRY = IN_VLLM / "kernel_cache.py"
MANIFEST = "kernel-cache.json"
# What a machine with such a GPU has for a processor, where there is one kind only.
_MACHINE = {"sm_121a": "aarch64"}


@dataclass(frozen=True)
class Cache:
    """A folder that FLASHINFER_WORKSPACE_BASE may name."""

    folder: Path
    entries: tuple[str, ...]
    size: int
    """Bytes of the object files."""
    looked: bool
    """Whether a FlashInfer at its later place found every entry without compiling."""


def require(arch: str, site: PurePosixPath, out: Path) -> None:
    """Refuse what cannot become a cache, before anything is made ready for it.

    Args:
        arch: The GPU's architecture.
        site: Folder of packages that has FlashInfer where the cache will be used.
        out: Is replaced if it is an older cache.

    Raises:
        Unusable: The files would not fit the processor, or `out` is something else.
    """
    here = platform.machine()
    if here != _MACHINE.get(arch, here):
        raise Unusable(
            "the object files would not fit the processor",
            where=arch,
            expected=f"{_MACHINE[arch]}, since they have host code",
            found=here,
            next=f"run it on a machine of {_MACHINE[arch]}; it needs no GPU",
        )
    if not site.is_absolute():
        raise Unusable(
            "FlashInfer's key has absolute paths",
            where=str(site),
            expected="the absolute path of site-packages in the image",
            next="make kernel-cache ARCH=... SITE=/path/of/site-packages",
        )
    empty = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    if not (empty or (out / MANIFEST).exists()):
        raise Unusable(
            "this is no kernel cache",
            where=str(out),
            expected=f"nothing there, or a folder with {MANIFEST}",
            next="choose another folder: make kernel-cache OUT=...",
        )


def fill(inputs: sweep.Inputs, site: PurePosixPath, out: Path) -> Cache:
    """Compile and export every entry that the layers reach.

    Args:
        inputs: Of one architecture.
        site: As for `require`.
        out: As for `require`.

    Raises:
        Finding: A kernel was not compiled, or an entry is not found afterwards.
        Unusable: As `require`.
    """
    (arch,) = inputs.shapes.architectures
    require(arch, site, out)
    shutil.rmtree(out, ignore_errors=True)
    # First, so that what a killed run leaves is known for what it is.
    write(out / MANIFEST, b'{"whole": false}\n')
    told = _run(inputs, site, out)
    names = []
    for event in told:
        if event["event"] == "exported":
            if event["outcome"] != "ok":
                raise Finding(
                    "a kernel was not compiled",
                    where=event["name"],
                    found=f"{event['outcome']}: {event['text']}",
                )
            names.append(event["name"])
    shutil.rmtree(out / "parts", ignore_errors=True)
    looked = (Path(site) / "flashinfer" / "__init__.py").exists()
    if looked:
        look(inputs, site, out, names)
    objects = list(out.rglob("*.o"))
    made = Cache(out, tuple(names), sum(o.stat().st_size for o in objects), looked)
    write(out / MANIFEST, json.dumps(_manifest(inputs, site, made), indent=1).encode())
    return made


def look(
    inputs: sweep.Inputs, site: PurePosixPath, out: Path, names: list[str]
) -> None:
    """Drive the FlashInfer that lies in `site`, which may compile nothing.

    Raises:
        Finding: It does not find an entry.
    """
    told = _run(inputs, site, out, PYTHONPATH=str(site), FLASHINFER_DISABLE_JIT="1")
    found = {event["name"] for event in told if event["event"] == "found"}
    missing = {event["name"] for event in told if event["event"] == "missing"}
    if missing or found != set(names):
        lost = sorted(missing | (set(names) - found))
        raise Finding(
            "FlashInfer does not find what was made for it",
            where=str(site),
            expected=f"{len(names)} entries",
            found=f"{len(found)}; lacks {', '.join(lost)[:300]}",
            next="see that its release and cutlass-dsl are those of upstream.lock",
        )


def _run(
    inputs: sweep.Inputs, site: PurePosixPath, out: Path, **settings: str
) -> list[sweep.Event]:
    (arch,) = inputs.shapes.architectures
    request = inputs.request(arch) | {"cache": str(out / "parts"), "site": str(site)}
    for model in request["models"]:
        model["linear"] = []
        model["moe"] = [case for case in model["moe"] if case["method"] == "NVFP4"]
    settings["FLASHINFER_WORKSPACE_BASE"] = str(out.absolute())
    return list(sweep.process(inputs, arch, request, settings))


def _manifest(inputs: sweep.Inputs, site: PurePosixPath, made: Cache) -> dict[str, Any]:
    ((arch, count),) = inputs.shapes.architectures.items()
    return {
        "whole": True,
        "tested on hardware": False,
        "architecture": arch,
        "multiprocessors": count,
        "machine": platform.machine(),
        "site": str(site),
        "versions": dict(inputs.environment.versions),
        "models": [m.name for m in inputs.shapes.models],
        "entries": list(made.entries),
        "found by FlashInfer in its place": made.looked,
    }
