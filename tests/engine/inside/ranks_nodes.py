# SPDX-License-Identifier: Apache-2.0
"""Two nodes by vLLM's own multi-node mode: ``ranks_nodes.py FOLDER OUT``.

What docs/gpu-owners.md tells to type is run as it stands there, but for names: both
nodes are this machine, with an address each.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from urllib.error import URLError

import one_machine
import sm12x_double
import vllm
from checkpoint import Format
from model import write
from other_rank import NAME as NAME_OF_TOLD
from over_http import free_port
from ranks import NAMED, SIZES, WHOLE, tiny
from ranks_faults import OLD, said
from rows import Rows
from split import LIMIT, by_fork, left, running
from told import HERE, commands, failed_rank, logged, quoted, seen
from typed import FIRST, Command, answers

LINES = (
    (
        "DP group leader: node_rank=0",
        "All 2 ranks have capability SM121",
        "NVFP4 W4A4 MoE on SM121",
    ),
    (
        "Launching vLLM",
        "world_size=2 rank=1 local_rank=0",
        "NVFP4 W4A4 MoE on SM121",
    ),
)
DIED, BROKEN = map(
    quoted, ("Worker proc VllmWorker-1 died", "Worker failed with error")
)


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    by_fork()
    sm12x_double.install()
    checkpoint = write(folder / "ranks nodes", tiny(SIZES[WHOLE], Format.MODELOPT))
    logs = out.parent
    want = one_machine.typed(rows, checkpoint, logs)
    port = str(free_port())
    before = running()
    nodes = both(checkpoint, logs, "node", "--master-port", port)
    first, second = nodes
    with second, first:
        first.wait(lambda: first.alive() and second.alive())
        got = answers(first)
        rows.add(
            "vllm serve, two nodes without Ray", "the bits of two ranks of one machine",
            f"{sum(a == b for a, b in zip(got, want, strict=True))} of {len(want)} "
            "answers, with their log probabilities",
            got == want,
        )  # fmt: skip
        here = HERE | {
            "192.168.100.1:29501": f"{FIRST}:{port}",
            # A wheel of the series has the version of its release.
            re.findall(r"v[\d.]+\+sm12x\.\d+", quoted("Launching vLLM"))[0]:
                f"v{vllm.__version__}",
        }  # fmt: skip
        for number, (node, starts) in enumerate(zip(nodes, LINES, strict=True)):
            step = f"two nodes without Ray: log of node {number}"
            logged(rows, step, starts, node.said().splitlines(), here)
        dead(rows, first, second, before)
    refused(rows, checkpoint, logs)
    out.write_text(json.dumps(rows), encoding="utf-8")


def both(checkpoint: Path, logs: Path, name: str, *more: str) -> list[Command]:
    """The commands of the two nodes, with more words."""
    blocks = commands("Two DGX Sparks, without Ray")
    return [
        Command(block, checkpoint, logs / f"{name} {number}.log", *more)
        for number, block in enumerate(blocks)
    ]


def dead(rows: Rows, first: Command, second: Command, before: set[int]) -> None:
    """The rank of the second node dies: it is seen there, and in time on the first.

    Args:
        rows: Where it goes.
        first: The first node, and
        second: the second.
        before: What ran before both.
    """
    ranks = [int(each) for each in first.workers("sm12x_process")]
    os.kill(ranks[1], signal.SIGKILL)
    begun, ended = time.monotonic(), ""
    try:
        answers(first)
    except (URLError, OSError) as error:
        ended = f"{type(error).__name__}: {error}"
    remain = left(before, begun)
    took = time.monotonic() - begun
    there = seen(DIED, second.said().splitlines())
    broken = seen(BROKEN, first.said().splitlines())
    rows.add(
        "two nodes without Ray: a rank of the second dies",
        "one line there names it, the first says why its request failed, all end "
        f"within {LIMIT:.0f} s",
        f"{ended or 'no error'}, {len(remain)} processes left after "
        f"{took:.0f} s; there: {len(there)} line; first: "
        f"{broken[0].partition('RuntimeError: ')[2][:160] if broken else 'nothing'}",
        bool(ended and broken) and len(there) == 1 and not remain and took < LIMIT,
    )  # fmt: skip


def refused(rows: Rows, checkpoint: Path, logs: Path) -> None:
    """The rank of the second node refuses its FlashInfer: the first ends, too."""
    first, second = both(
        checkpoint, logs, "refusing node", "--master-port", str(free_port()),
        "--moe-backend", NAMED["moe_backend"], "--worker-cls", "other_rank.OtherRank",
        "--additional-config", json.dumps({NAME_OF_TOLD: {"1": {"flashinfer": OLD}}}),
    )  # fmt: skip
    before, begun = running(), time.monotonic()
    with second, first:
        remain = left(before, begun)
        took = time.monotonic() - begun
    here, there = (failed_rank(node.said().splitlines()) for node in (first, second))
    reason = f"flashinfer-python {OLD} is older"
    rows.add(
        "two nodes without Ray: a rank of the second refuses",
        f"the command of docs/gpu-owners.md prints why there, all end within "
        f"{LIMIT:.0f} s",
        f"{len(remain)} processes left after {took:.0f} s; there: {said(there)}; "
        f"first: {said(here)}",
        len(there) == 1 and "Worker_TP1" in there[0] and reason in there[0]
        and len(here) == 1 and reason not in here[0] and not remain
        and took < LIMIT,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
