# SPDX-License-Identifier: Apache-2.0
"""The same through vLLM's Ray executor on two nodes: ``ranks_ray.py FOLDER OUT``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray_data
import ray_double
import ray_faults
import sm12x_double
from checkpoint import Format
from model import write
from offline import agreeing
from ranks import NAMED, PADDED, REFUSED, SIZES, TWO, given, tiny
from ranks_data import SHARES, bytes_counted, forked, judged
from rows import Rows
from split import (
    COUNT,
    LIMIT,
    Said,
    Split,
    apart,
    ask,
    by_fork,
    heard,
    left,
    running,
    started,
)
from told import commands, logged, quoted, seen

UP = (
    "Creating a new placement group",
    "tensor_parallel_size=2 is bigger than a reserved",
)
THERE = quoted("world_size=2 rank=1 local_rank=0")
SHOWN_WITHIN = 60.0
"""Seconds in which Ray shows on the first node what a worker of the second printed."""
ENGINES = ("Creating placement groups for data parallel",)
ONE_EACH = {TWO: Format.MODELOPT, Split(pipeline=2): Format.COMPRESSED}
"""Splits with a rank on each node, and what they load."""
BOTH = Split(tensor=2, pipeline=2)
WHY = f"intermediate size {REFUSED // 2} per rank, which is no multiple of 16"


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    by_fork()
    size = SIZES[PADDED]
    checkpoints = {
        form: write(folder / f"ranks ray {form.value}", tiny(size, form))
        for form in Format
    }
    forms = ONE_EACH | {BOTH: Format.MODELOPT}
    checkpoint = checkpoints[Format.MODELOPT]
    sm12x_double.install()
    (whole,) = forked(folder, checkpoint, NAMED, [None])
    want: dict[Split, Said] = {}
    for split, form in forms.items():
        with started(checkpoints[form], split, **NAMED) as llm:
            want[split] = ask(llm, *given())
    # Ray packs: with one of its resource a node two processes are on two nodes.
    with ray_faults.Server() as server, ray_double.cluster(each=1) as nodes:
        unnamed(rows, checkpoint)
        ray_double.name_resource()
        for split, form in ONE_EACH.items():
            spread(rows, checkpoints[form], on_ray(split), want[split], nodes)
        refused(rows, folder)
        shared(rows, checkpoint, whole)
        ray_faults.faults(rows, server, nodes, checkpoint, on_ray(TWO))
    with ray_double.cluster(each=2) as nodes:
        spread(rows, checkpoint, on_ray(BOTH), want[BOTH], nodes)
    out.write_text(json.dumps(rows), encoding="utf-8")


def on_ray(split: Split) -> Split:
    return replace(split, backend="ray")


def unnamed(rows: Rows, checkpoint: Path) -> None:
    """Without the name that is doubled, vLLM refuses."""
    from vllm.v1.executor import ray_utils

    words = "does not support ray."
    ended = ""
    try:
        with started(checkpoint, on_ray(TWO)):
            pass
    except Exception as error:
        ended = str(error)
    rows.not_run(
        "Ray on a CPU without a double of its resource", words in ended,
        ray_utils.initialize_ray_cluster, f"the CPU platform {words}", words,
    )  # fmt: skip


def spread(
    rows: Rows, checkpoint: Path, split: Split, want: Said, cluster: ray_double.Nodes
) -> None:
    """A model over both nodes; its bits are those of the mp executor."""
    log: list[str] = []
    with heard(log) as so_far, started(checkpoint, split, **NAMED) as llm:
        said = ask(llm, *given())
        kernels = llm.collective_rpc("sm12x_kernels")
        nodes = set(llm.collective_rpc("sm12x_node"))
        until = time.monotonic() + SHOWN_WITHIN * (split.name == TWO.name)
        while not second_shown(so_far()) and time.monotonic() < until:
            time.sleep(0.2)
    ray_double.free()
    if split.name == TWO.name:
        logged(rows, "TP 2 through Ray: log", UP, log)
        second(rows, cluster, log)
    far = apart(said, want)
    ours = [rank["moe"] == ["FlashInferCuteDSLSM12xExperts"] for rank in kernels]
    rows.add(
        f"{split.name} through Ray", "the bits of the mp executor, on two nodes",
        f"{len(ours)} actors on {len(nodes)} nodes; error {far}; "
        f"{agreeing(said.tokens, want.tokens)} of {COUNT * 4} tokens",
        said.equals(want) and all(ours) and len(ours) == split.tensor * split.pipeline
        and len(nodes) == ray_double.NODES,
    )  # fmt: skip


def second_shown(log: list[str]) -> list[str]:
    """Lines of the second node's worker that Ray shows on the first."""
    return seen(THERE, log, before=f"ip={ray_double.SECOND}")


def second(rows: Rows, cluster: ray_double.Nodes, log: list[str]) -> None:
    """The second rank's line: in its own node's log alone, and shown by Ray."""
    there = "/tmp/ray/session_latest/logs"
    (command,) = (
        each for each in commands("Two DGX Sparks, with Ray") if there in each
    )
    own = []
    for folder in cluster.logs:
        said = subprocess.run(
            command.replace(there, str(folder)), shell=True, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip
        own.append(seen(THERE, said.splitlines()))
    shown = second_shown(log)
    counts = [len(lines) for lines in own]
    rows.add(
        "TP 2 through Ray: the second node's log",
        "the line that docs/gpu-owners.md quotes, there alone, and shown by Ray",
        f"{counts} lines by node; {len(shown)} shown on the first",
        counts == [0, 1] and len(shown) == 1,
    )  # fmt: skip


def shared(rows: Rows, checkpoint: Path, whole: Any) -> None:
    """Data parallelism by actors of vLLM's own, an engine on each node."""
    log: list[str] = []
    with heard(log):
        found = ray_data.asked(checkpoint, NAMED)
    ray_double.free()
    logged(rows, "DP 2 through Ray: log", ENGINES, log)
    for number in range(len(SHARES)):
        judged(rows, "DP 2 through Ray", number, whole, found)
    model = tiny(SIZES[PADDED], Format.MODELOPT)
    bytes_counted(rows, "DP 2 through Ray", model, found, NAMED)
    nodes = {each["node"] for each in found}
    rows.add(
        "DP 2 through Ray: nodes", "an engine on each node",
        f"{len(found)} engines on {len(nodes)} nodes", len(nodes) == ray_double.NODES,
    )  # fmt: skip


def refused(rows: Rows, folder: Path) -> None:
    """A size that no rank can take ends the start through Ray, too."""
    checkpoint = write(folder / "ranks ray no", tiny(REFUSED, Format.MODELOPT))
    lines: list[str] = []
    ended, before, begun = "", running(), time.monotonic()
    with heard(lines) as so_far:
        try:
            with started(checkpoint, on_ray(TWO), **NAMED):
                pass
        except Exception as error:
            ended = f"{type(error).__name__}: {error}"
        # Ray says of the other when nobody asks for its answer any more.
        while len(_refusing(so_far(), ended)) < 2 and time.monotonic() - begun < LIMIT:
            time.sleep(0.2)
    ray_double.free()
    remain = left(before, begun)
    took = time.monotonic() - begun
    ranks = _refusing(lines, ended)
    rows.add(
        f"TP 2 through Ray, intermediate size of {REFUSED // 2} a rank",
        "the error that the caller gets has the reason, the log has the other rank's, "
        f"all end within {LIMIT:.0f} s",
        f"{ended.partition(':')[0] or 'it started'}, "
        f"{'with' if WHY in ended else 'without'} {WHY}; {len(ranks)} ranks say it; "
        f"{len(remain)} processes left after {took:.0f} s",
        WHY in ended and len(ranks) == 2 and not remain and took < LIMIT,
    )  # fmt: skip


def _refusing(log: list[str], ended: str) -> set[str]:
    """Processes that refuse with the reason, in the log or in what the caller gets."""
    traceback = r"initialize_worker\(\)\S* \(pid=(\d+).*?^ValueError: ([^\n]*)"
    found = re.findall(traceback, "\n".join([*log, ended]), re.S | re.M)
    return {process for process, reason in found if WHY in reason}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
