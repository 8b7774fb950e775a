# SPDX-License-Identifier: Apache-2.0
"""Run scripts/in_vllm/kernel_sweep.py, one process an architecture, and keep results.

    kernels/compiled/<key>-<salt>/   cubin, IR and call contract of one kernel
    kernels/reached/<digest>.json    what vLLM reaches, of the same inputs

lie in the cache. A key is of a compile call; the salt of all that it runs in.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import IN_VLLM
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.kernels import shapes as shapes_file
from scripts.kernels.versions import Environment
from scripts.upstream.cache import cache_dir

ENTRY = IN_VLLM / "kernel_sweep.py"
Event = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """Of one compilation."""

    seconds: float = 180
    bytes: int = 4 << 30


@dataclass(frozen=True)
class Inputs:
    """All that a sweep depends on."""

    environment: Environment
    tree: Path
    """The patched vLLM."""
    shapes: shapes_file.Shapes
    limits: Limits = Limits()
    everything: bool = False
    """Kernels that differ in the number of tokens alone, too."""
    by_name: bool = False
    """MoE kernels are named, as of a release that automatic selection leaves."""
    entry: Path = ENTRY
    store: Path | None = None

    @property
    def folder(self) -> Path:
        return self.store or cache_dir() / "kernels"

    def salt(self) -> str:
        """Digest of what runs a compilation."""
        total = hashlib.sha256(self.environment.digest.encode())
        total.update((IN_VLLM / "kernel_fork.py").read_bytes())
        return total.hexdigest()[:16]

    def request(self, arch: str) -> dict[str, Any]:
        return {
            "arch": arch,
            "multiprocessors": self.shapes.architectures[arch],
            "cache": str(self.folder / "compiled"),
            "salt": f"{arch}-{self.salt()}",
            "limits": vars(self.limits),
            "all": self.everything,
            "by-name": self.by_name,
            "share": [(every := _architectures(self)).index(arch), len(every)],
            "models": [model.request() for model in self.shapes.models],
        }

    def digest(self, arch: str) -> str:
        """Of everything, the tree's Python included."""
        total = hashlib.sha256(json.dumps(self.request(arch), sort_keys=True).encode())
        files = [*sorted(IN_VLLM.glob("*.py")), self.entry]
        files += sorted((self.tree / "vllm").rglob("*.py"))
        for path in files:
            total.update(f"{path.name}\0".encode() + path.read_bytes())
        return total.hexdigest()


def run(
    inputs: Inputs, then: Callable[[list[Event]], object] = lambda _: None
) -> dict[str, list[Event]]:
    """Every event of every architecture; what is in the cache is not done again.

    Args:
        inputs: What to compile, and with what.
        then: Called with the events of an architecture as soon as it is done.

    Raises:
        Finding: A process ended without saying that it was done.
    """
    results: dict[str, list[Event]] = {}
    failures: list[BaseException] = []

    def one(arch: str) -> None:
        try:
            results[arch] = _architecture(inputs, arch)
            then(results[arch])
        except BaseException as e:
            failures.append(e)

    # One process an architecture, each compiling one kernel at a time.
    threads = [threading.Thread(target=one, args=(a,)) for a in _architectures(inputs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {arch: results[arch] for arch in _architectures(inputs)}


def _architectures(inputs: Inputs) -> list[str]:
    return list(inputs.shapes.architectures)


def _architecture(inputs: Inputs, arch: str) -> list[Event]:
    kept = inputs.folder / "reached" / f"{inputs.digest(arch)}.json"
    if kept.exists():
        events: list[Event] = json.loads(kept.read_text(encoding="utf-8"))
        folders = [e["folder"] for e in events if e["event"] == "compiled"]
        if all((inputs.folder / "compiled" / name).is_dir() for name in folders):
            note(f"{arch}: {len(folders)} kernels, from the cache")
            return [{**e, "kept": True} if "kept" in e else e for e in events]
    events = list(process(inputs, arch, inputs.request(arch)))
    if all(e["outcome"] == "ok" for e in events if e["event"] == "compiled"):
        write(kept, json.dumps(events).encode())
    return events


def process(
    inputs: Inputs, arch: str, asked: Any, settings: Mapping[str, str] | None = None
) -> Iterator[Event]:
    """Start `inputs.entry`, and give its events as they come.

    Args:
        inputs: For the environment, the tree and the folder.
        arch: For what is said of it.
        asked: The request, as JSON takes it.
        settings: More of its environment; PYTHONPATH comes before vLLM.

    Raises:
        Finding: It ended without saying that it was done.
    """
    request = inputs.folder / f"request-{arch}.json"
    write(request, json.dumps(asked).encode())
    more = dict(settings or {})
    paths = [more.pop("PYTHONPATH", ""), str(inputs.tree), str(IN_VLLM)]
    log = inputs.folder / f"log-{arch}.txt"
    command = [str(inputs.environment.python), str(inputs.entry), str(request)]
    path = os.pathsep.join(filter(None, paths))
    environment = os.environ | {"PYTHONPATH": path} | more
    last, done, total = "", 0, 0
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                event: Event = json.loads(line)
                last = event["event"]
                if last == "reached":
                    total = event["chosen"]
                    note(
                        f"{arch}: {event['total']} kernels reached, {total} to compile"
                    )
                if last in ("compiled", "exported"):
                    done += 1
                    if done % 10 == 0 or done == total or event["outcome"] != "ok":
                        note(f"{arch}: {done} of {total} compiled")
                yield event
        except BaseException:
            process.kill()
            raise
    code = process.returncode
    if code or last not in ("done", "gone"):
        said = log.read_text(encoding="utf-8", errors="replace").strip()
        raise Finding(
            f"the patched vLLM could not be driven on {arch}",
            where=str(log),
            expected="every event up to done",
            found=f"exit status {code} after {last or 'nothing'}\n{said[-1500:]}",
            next="make kernels runs on from there",
        )
