# SPDX-License-Identifier: Apache-2.0
"""What docs/gpu-owners.md tells to type for Ray: ``typed_ray.py FOLDER OUT``.

Run as it stands there, but for names, addresses, and what Ray finds by itself on a
machine with a GPU. The job ends the nodes: ``ray stop`` would end everybody's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ray_double
import sm12x_double
from checkpoint import Format
from model import write
from one_machine import answered
from over_http import OverHttp, free_port
from ranks import SIZES, WHOLE, tiny
from ranks_ray import ENGINES, THERE, UP
from rows import Rows
from split import by_fork
from told import commands, logged, seen
from typed import CAPABILITY, NAMES, Command, answers, of_copies, parsed

RAY, LOGS = "env/bin/ray", "/tmp/ray/session_latest/logs"
# Ray takes 127.0.0.1 for a name of the machine's other address.
ADDRESSES = {"192.168.100.1": "127.0.1.1", "192.168.100.2": "127.0.1.2"}
# What it finds itself on a machine with one GPU.
FOUND = ("--num-gpus=1", "--num-cpus=1", f"--object-store-memory={100 << 20}")
UP_WITHIN = 120.0


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    by_fork()
    sm12x_double.install()
    ray_double.prepare(ray_double.far_apart)
    more = {
        "SM12X_ENGINE_CAPABILITY": CAPABILITY,
        "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
    }
    os.environ.update(ray_double.PATIENCE | more)
    NAMES.update(ADDRESSES)
    checkpoint = write(folder / "ranks typed", tiny(SIZES[WHOLE], Format.MODELOPT))
    one, *_ = commands("Two GPUs in one machine")
    want, _ = served(one, checkpoint, out.parent / "ray one machine.log")
    blocks = commands("Two DGX Sparks, with Ray")
    port = str(free_port())
    first, second = (Node.started(each, port) for each in blocks if "ray start" in each)
    status = shown()
    rows.add(
        "ray start on two nodes", "ray status shows two nodes and two GPUs",
        "; ".join(status), len(status) == 3 and "/2.0 GPU" in status[-1],
    )  # fmt: skip
    two, copies = (each for each in blocks if "env/bin/vllm" in each)
    (grep,) = (each for each in blocks if LOGS in each)
    got, log = served(
        two, checkpoint, out.parent / "ray tensor.log", exported=first.exported
    )
    logged(rows, "vllm serve through Ray: log", UP, log)
    rows.add(
        "vllm serve through Ray", "the bits of two ranks of one machine, on two nodes",
        f"{sum(a == b for a, b in zip(got, want, strict=True))} of {len(want)} "
        f"answers, with their log probabilities; {second.came_up(grep)} rank on the "
        "second node",
        got == want and second.came_up(grep) == 1,
    )  # fmt: skip
    (got, done), log = served(
        copies, checkpoint, out.parent / "ray data.log", of_copies, first.exported
    )
    logged(rows, "vllm serve, copies through Ray: log", ENGINES, log)
    answered(rows, "vllm serve, copies through Ray", got, done)
    ranks = second.came_up(grep) - 1
    rows.add(
        "vllm serve, copies through Ray: nodes", "a rank on the second node",
        f"{ranks} rank on the second node", ranks == 1,
    )  # fmt: skip
    out.write_text(json.dumps(rows), encoding="utf-8")


def served(
    block: str,
    checkpoint: Path,
    log: Path,
    ask: Callable[[OverHttp], Any] = answers,
    exported: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Any, list[str]]:
    """What the block's server says in a shell with these variables, and its log."""
    with Command(block, checkpoint, log, environ=exported) as server:
        server.wait(server.alive)
        return ask(server), server.said().splitlines()


@dataclass(frozen=True)
class Node:
    """A node that a block of the page has started.

    Attributes:
        exported: Variables of the shell that it was started in.
        logs: Where it writes what its workers print.
    """

    exported: dict[str, str]
    logs: Path

    @classmethod
    def started(cls, block: str, port: str) -> Node:
        exported, argv = parsed(block, RAY, NAMES | {"6379": port})
        folder = Path(tempfile.gettempdir(), "ray")  # Ray's own default
        more = ["--include-dashboard=false"]
        if "--head" not in argv:  # a machine of its own has one of its own
            folder = Path(tempfile.mkdtemp(prefix="ray"))
            more = [f"--temp-dir={folder}"]
        ray(*argv[1:], *FOUND, *more, environ=exported)
        return cls(exported, folder / "session_latest" / "logs")

    def came_up(self, grep: str) -> int:
        """Second ranks on this node, by the page's command for its log."""
        said = subprocess.run(
            grep.replace(LOGS, str(self.logs)), shell=True, check=False,
            capture_output=True, text=True,
        ).stdout  # fmt: skip
        return len(seen(THERE, said.splitlines()))


def ray(*argv: str, environ: Mapping[str, str] | None = None) -> str:
    """What the page's ``ray`` says of these words."""
    done = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *argv],
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    print(done.stdout, flush=True)
    done.check_returncode()
    return done.stdout


def shown() -> list[str]:
    """Lines of ``ray status`` on nodes and GPUs, when it has them."""
    until = time.monotonic() + UP_WITHIN
    while True:
        lines = [line.strip() for line in ray("status").splitlines()]
        found = [line for line in lines if line.startswith("1 node_")]
        found += [line for line in lines if line.endswith(" GPU")]
        if len(found) >= 3 or time.monotonic() > until:
            return found
        time.sleep(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
