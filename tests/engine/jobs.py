# SPDX-License-Identifier: Apache-2.0
"""The engine's processes: what each is asked, and what it found, kept by digest."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from scripts import IN_VLLM, ROOT
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.upstream import environments
from tests.engine.contained import contained
from tests.engine.place import COMPILED, INSIDE, RAY, SERIES, SERVER, place

SIGMAS = ("0.05", "0.01", "0.003")
Found = list[dict[str, Any]]


@dataclass(frozen=True)
class Job:
    """One process.

    Attributes:
        script: Which of ``inside``.
        side: ``fork`` or ``upstream``: the tree that it runs on.
        arguments: Behind its folder and where it writes.
        limit: Seconds after which it is ended.
        packages: Requirement files whose packages it has beside the others.
        variables: Of its environment, by name, which have to be there when it starts.
    """

    script: str
    side: str = "fork"
    arguments: tuple[str, ...] = ()
    limit: float = 1800
    packages: tuple[Path, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{Path(self.script).stem}-{self.side}"


STEPS = Job("steps.py")
SERVED = Job("client.py")
DRAFT = Job("draft.py")
FORK = Job("compare.py", "fork", ("fork", *SIGMAS))
# After FORK, whose checkpoints and reference it takes.
UPSTREAM = Job("compare.py", "upstream", ("upstream", *SIGMAS))
RANKS = Job("ranks.py", limit=3600)
MIXED = Job("ranks_mixed.py")
DATA = Job("ranks_data.py")
FAULTS = Job("ranks_faults.py")
NODES = Job("ranks_nodes.py")
# Else Ray, which reads it when it is imported, makes one line of those of two workers
# that differ in numbers alone, as their ranks.
_ALL_LINES = (("RAY_DEDUP_LOGS", "0"),)
ON_RAY = Job("ranks_ray.py", limit=3600, packages=(RAY,), variables=_ALL_LINES)
TYPED = Job("typed_ray.py", packages=(RAY,))


def digest(trees: Sequence[str]) -> str:
    """Of all that the answers follow from, but the machine.

    Args:
        trees: git's ids of the trees that are run.
    """
    files = [*INSIDE.glob("*.py"), *(SERIES / "in_vllm").rglob("*.py")]
    files.append(INSIDE.with_name("place.py"))
    for name in ("platform_double", "ask_selection", "expert_bytes"):
        files.append(IN_VLLM / f"{name}.py")
    files.append(ROOT / "docs" / "gpu-owners.md")  # what it says of a log is a claim
    files += [environments.REQUIREMENTS, environments.FLASHINFER, COMPILED, SERVER, RAY]
    total = sha256(" ".join(trees).encode())
    for path in sorted(files):
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def run(job: Job, tree: Path, below: Path) -> Found:
    """Run a job on a tree, or read what it found.

    Args:
        job: Which.
        tree: A source tree of the pin.
        below: A folder for its checkpoints and logs, which is its digest's own: what
            has been found there is not looked for again.

    Raises:
        Finding: It ended badly; the message has the end of its log.
        Unusable: The environment cannot be made.
    """
    out = _out(job, below)
    if out.exists():
        return _read(out)
    where = place(tree, below / job.side, job.packages)
    note(f"running {job.name}; log: {below / f'{job.name}.log'}")
    unfinished, log = below / f"{job.name}.part", below / f"{job.name}.log"
    arguments = [str(below / "models"), str(unfinished), *job.arguments]
    if job == SERVED:
        arguments.append(str(below / "server.log"))
    below.mkdir(parents=True, exist_ok=True)
    began, used = time.monotonic(), _processor()
    with log.open("wb") as file, contained() as more:
        try:
            done = subprocess.run(
                [where.python, INSIDE / job.script, *arguments],
                cwd=below,
                env=where.environ(
                    SM12X_ENGINE_CAPABILITY="12.0",
                    VLLM_SERVER_DEV_MODE="1",
                    VLLM_LOGGING_LEVEL="INFO",
                    **dict(job.variables),
                    **more,
                ),
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=job.limit,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            done = 124
    took, used = time.monotonic() - began, _processor() - used
    note(f"{job.name} took {took:.0f} s, and {used:.0f} s of the processor")
    if done or not unfinished.exists():
        raise Finding(
            f"the engine's process {job.name} ended with {done}",
            where=str(log),
            found=log.read_text(encoding="utf-8", errors="replace")[-2500:].strip(),
            next="read the log, fix it, and run it again; what was found stays",
        )
    found = _read(unfinished)
    write(out, unfinished.read_bytes())
    unfinished.unlink()
    return found


def forget(job: Job, below: Path) -> None:
    """Let the next ``run`` look again for what was found."""
    _out(job, below).unlink(missing_ok=True)


def _out(job: Job, below: Path) -> Path:
    return below / f"{job.name}.json"


def _processor() -> float:
    """Seconds of it that the processes below this one, which have ended, have had."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read(path: Path) -> Found:
    found: Found = json.loads(path.read_text(encoding="utf-8"))
    return found
