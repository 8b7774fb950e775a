# SPDX-License-Identifier: Apache-2.0
"""A server as docs/gpu-owners.md tells to type it, and what it answers.

All of the command is run as it stands there, but for names.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import ray_double
import sm12x_double
import vllm.entrypoints.cli.serve
import vllm.entrypoints.openai.api_server  # noqa: F401  so that forks have it
from offline import prompts
from over_http import ARGUMENTS, NAME, OverHttp
from split import COUNT

CAPABILITY = "12.1"  # the page's Sparks
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
NAMES = {"192.168.100.1": FIRST, "192.168.100.2": SECOND, "enp1s0f0": "lo"}
VLLM = "env/bin/vllm"
COUNTED_WITHIN = 2.0
"""Seconds in which a server counts what it has answered."""
Answers = list[tuple[list[int], list[float]]]
"""Tokens and their log probabilities, by prompt."""


def answers(server: OverHttp, copy: int | None = None) -> Answers:
    """To prompts that go in one after the other, to that copy of the engine if any."""
    to = {} if copy is None else {"X-data-parallel-rank": str(copy)}
    given = [
        server.post(
            "/v1/completions", to, model=NAME, prompt=prompt, max_tokens=COUNT,
            temperature=0, logprobs=1, ignore_eos=True, return_token_ids=True,
        )["choices"][0]
        for prompt in prompts(3, 20)
    ]  # fmt: skip
    return [(each["token_ids"], each["logprobs"]["token_logprobs"]) for each in given]


def lengths(said: Answers) -> list[int]:
    """Tokens of each answer; ``COUNT`` of each are asked for."""
    return [len(tokens) for tokens, _ in said]


def of_copies(server: OverHttp) -> tuple[list[Answers], list[list[int]]]:
    """What each of two copies answers, and how many requests each finished then."""
    said, done = [], []
    for copy in range(2):
        before = _finished(server)
        said.append(answers(server, copy))
        time.sleep(COUNTED_WITHIN)
        after = _finished(server)
        done.append([b - a for a, b in zip(before, after, strict=True)])
    return said, done


def _finished(server: OverHttp) -> list[int]:
    """Requests by copy, as the server's metrics have them."""
    line = r'^vllm:request_success_total\{.*?engine="(\d+)".*\} (\S+)$'
    counts = Counter[str]()
    for engine, count in re.findall(line, server.get("/metrics").decode(), re.M):
        counts[engine] += int(float(count))
    return [counts[str(copy)] for copy in range(2)]


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
