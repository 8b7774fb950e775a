# SPDX-License-Identifier: Apache-2.0
"""Two nodes by vLLM's own multi-node mode: ``ranks_nodes.py FOLDER OUT``.

What docs/gpu-owners.md tells to type is run as it stands there, but for names: both
nodes are this machine, with an address each.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.error import URLError

import ray_double
import sm12x_double
import vllm.entrypoints.cli.serve
import vllm.entrypoints.openai.api_server
from checkpoint import Format
from model import write
from offline import prompts
from other_rank import NAME as NAME_OF_TOLD
from over_http import ARGUMENTS, NAME, OverHttp, free_port
from ranks import NAMED, SIZES, WHOLE, tiny
from ranks_faults import OLD, runs, said
from rows import Rows
from split import COUNT, LIMIT, by_fork
from told import HERE, commands, failed_rank, logged, quoted, seen

CAPABILITY = "12.1"  # the page's Sparks
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
NAMES = {"192.168.100.1": FIRST, "192.168.100.2": SECOND, "enp1s0f0": "lo"}
VLLM = "env/bin/vllm"
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
    one, *_ = commands("Two GPUs in one machine")
    with Command(one, checkpoint, logs / "one machine.log") as server:
        server.wait(server.alive)
        want = answers(server)
    rows.add(
        "vllm serve, two ranks on one machine", "an answer, as the page has it typed",
        f"{len(want)} answers of {[len(tokens) for tokens, _ in want]} tokens",
        [len(tokens) for tokens, _ in want] == [COUNT] * len(want),
    )  # fmt: skip
    port = str(free_port())
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
        dead(rows, first, second)
    refused(rows, checkpoint, logs)
    out.write_text(json.dumps(rows), encoding="utf-8")


def both(checkpoint: Path, logs: Path, name: str, *more: str) -> list[Command]:
    """The commands of the two nodes, with more words."""
    blocks = commands("Two DGX Sparks, without Ray")
    return [
        Command(block, checkpoint, logs / f"{name} {number}.log", *more)
        for number, block in enumerate(blocks)
    ]


def answers(server: OverHttp) -> list[tuple[list[int], list[float]]]:
    """Tokens and their log probabilities, of prompts that go in one after the other."""
    given = [
        server.post(
            "/v1/completions", model=NAME, prompt=prompt, max_tokens=COUNT,
            temperature=0, logprobs=1, ignore_eos=True, return_token_ids=True,
        )["choices"][0]
        for prompt in prompts(3, 20)
    ]  # fmt: skip
    return [(each["token_ids"], each["logprobs"]["token_logprobs"]) for each in given]


def dead(rows: Rows, first: Command, second: Command) -> None:
    """The rank of the second node dies: it is seen there, and in time on the first."""
    ranks = [int(each) for each in first.workers("sm12x_process")]
    os.kill(ranks[1], signal.SIGKILL)
    begun, ended = time.monotonic(), ""
    try:
        answers(first)
    except (URLError, OSError) as error:
        ended = f"{type(error).__name__}: {error}"
    left = ranks
    while time.monotonic() - begun < LIMIT:
        left = [each for each in ranks if runs(each)]
        if not (left or first.alive() or second.alive()):
            break
        time.sleep(0.2)
    took = time.monotonic() - begun
    there = seen(DIED, second.said().splitlines())
    broken = seen(BROKEN, first.said().splitlines())
    rows.add(
        "two nodes without Ray: a rank of the second dies",
        "one line there names it, the first says why its request failed, all end "
        f"within {LIMIT:.0f} s",
        f"{ended or 'no error'}, {len(left)} of {len(ranks)} workers left after "
        f"{took:.0f} s; there: {len(there)} line; first: "
        f"{broken[0].partition('RuntimeError: ')[2][:160] if broken else 'nothing'}",
        bool(ended and broken) and len(there) == 1 and not left and took < LIMIT,
    )  # fmt: skip


def refused(rows: Rows, checkpoint: Path, logs: Path) -> None:
    """The rank of the second node refuses its FlashInfer: the first ends, too."""
    first, second = both(
        checkpoint, logs, "refusing node", "--master-port", str(free_port()),
        "--moe-backend", NAMED["moe_backend"], "--worker-cls", "other_rank.OtherRank",
        "--additional-config", json.dumps({NAME_OF_TOLD: {"1": {"flashinfer": OLD}}}),
    )  # fmt: skip
    begun = time.monotonic()
    with second, first:
        while time.monotonic() - begun < LIMIT and (first.alive() or second.alive()):
            time.sleep(0.2)
        took = time.monotonic() - begun
        left = [first.alive(), second.alive()].count(True)
    here, there = (failed_rank(node.said().splitlines()) for node in (first, second))
    reason = f"flashinfer-python {OLD} is older"
    rows.add(
        "two nodes without Ray: a rank of the second refuses",
        f"the command of docs/gpu-owners.md prints why there, both end within "
        f"{LIMIT:.0f} s",
        f"{left} of 2 left after {took:.0f} s; there: {said(there)}; first: "
        f"{said(here)}",
        len(there) == 1 and "Worker_TP1" in there[0] and reason in there[0]
        and len(here) == 1 and reason not in here[0] and not left,
    )  # fmt: skip


class Command(OverHttp):
    """One block of the page in a fork of this process; a context."""

    def __init__(
        self,
        block: str,
        checkpoint: Path,
        log: Path,
        *more: str,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(log)
        names = NAMES | {"MODEL": shlex.quote(str(checkpoint))}
        exported, argv = parsed(block, VLLM, names)
        argv += [*ARGUMENTS, "--port", str(self.port), *more]
        context = multiprocessing.get_context("fork")
        self._process = context.Process(
            target=_run, args=({**environ, **exported}, argv, log)
        )

    def __enter__(self) -> Command:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join(60)
        self._process.kill()
        self._process.join()

    def alive(self) -> bool:
        return self._process.is_alive()


def parsed(
    block: str, program: str, names: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """What a block exports, and its one command, with other names in it.

    Raises:
        ValueError: It has another number of commands, or runs another program.
    """
    environ: dict[str, str] = {}
    argvs: list[list[str]] = []
    for there, name in names.items():
        block = block.replace(there, name)
    for line in block.replace("\\\n", "").splitlines():
        words = shlex.split(line)
        if words[0] == "export":
            environ.update(word.split("=", 1) for word in words[1:])
        else:
            argvs.append(words)
    (argv,) = argvs
    if argv[0] != program:
        raise ValueError(f"the page runs {argv[0]}, not {program}")
    return environ, argv


def _run(environ: dict[str, str], argv: Sequence[str], log: Path) -> None:
    os.environ.update(environ | {"SM12X_ENGINE_CAPABILITY": CAPABILITY})
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # Ranks of one machine would sum through shared memory, and round otherwise.
    ray_double.far_apart()
    sm12x_double.become(CAPABILITY)
    sys.argv = list(argv)
    from vllm.entrypoints.cli.main import main

    main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
