# SPDX-License-Identifier: Apache-2.0
"""A rank on the second node of Ray that dies, refuses or is another than the first.

As with ``vllm serve``, the engine is a process of its own, which alone is connected to
Ray. What is forked from one that is connected cannot be, so that the process in the
server's place is forked before.
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

import ray_double
from ranks import NAMED
from ranks_faults import APART, OLD, OTHER, Attempt, attempted, said
from rows import Rows
from split import LIMIT, Split
from told import quoted, seen

DIED, WHERE, REFUSED = map(
    quoted,
    (
        "RayWorkerProc rank=[1] died",
        "A worker died or was killed",
        "ray.exceptions.RayTaskError(ValueError)",
    ),
)
HERE = {"192.168.100.2": ray_double.SECOND}


class Server:
    """The process in the server's place; it ends with the block."""

    def __enter__(self) -> Server:
        context = multiprocessing.get_context("fork")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,))
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join()

    def attempted(self, address: str, *asked: Any) -> Attempt:
        """What ``ranks_faults.attempted`` says there, on the cluster of that address.

        Raises:
            RuntimeError: The process has ended, or says nothing in time.
        """
        self._pipe.send((address, *asked))
        if not self._pipe.poll(3 * LIMIT):
            raise RuntimeError("the process in the server's place says nothing")
        found: Attempt = self._pipe.recv()
        return found


def _serve(pipe: Any) -> None:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    ray_double.name_resource()
    while asked := pipe.recv():
        address, *arguments = asked
        ray_double.find(address)
        pipe.send(attempted(*arguments, **NAMED))


def faults(
    rows: Rows,
    server: Server,
    cluster: ray_double.Nodes,
    checkpoint: Path,
    split: Split,
) -> None:
    """One that is another and dies with the first prompt; one that refuses."""
    told = {"flashinfer": OTHER, "dies": True}
    found = server.attempted(cluster.address, checkpoint, told, split)
    apart = seen(APART, found.lines)
    rows.add(
        "a rank with another FlashInfer, through Ray",
        "the log warns of it once, at start",
        f"{len(apart)} line: {said(apart)}",
        len(apart) == 1 and f"{OTHER} on rank 1" in apart[0],
    )  # fmt: skip
    named = seen(DIED, found.lines)
    where = seen(WHERE, found.lines, here=HERE)
    rows.add(
        "a rank that dies, through Ray",
        "one line names it, Ray says where and how, the caller gets an error, all end "
        f"within {LIMIT:.0f} s",
        f"{found.error[:80] or 'no error'}; {len(found.processes)} workers, "
        f"{len(found.left)} processes left after {found.seconds:.0f} s; "
        f"{len(named)} line: {said(named)}; {len(where)} of Ray",
        bool(found.error) and len(named) == len(where) == 1 < len(found.processes)
        and not found.left and found.seconds < LIMIT,
    )  # fmt: skip
    found = server.attempted(cluster.address, checkpoint, {"flashinfer": OLD}, split)
    named = seen(REFUSED, found.lines, here=HERE)
    why = found.with_words("EngineCore", "ValueError: ", OLD)
    all_refused = found.with_words("RayTaskError")
    rows.add(
        "a rank that refuses its FlashInfer, through Ray",
        f"its machine alone is named, with why; all end within {LIMIT:.0f} s",
        f"{found.error[:80] or 'no error'}, {len(found.left)} processes left after "
        f"{found.seconds:.0f} s; "
        f"{len(named)} of {len(all_refused)} name it; log: {said(why)}",
        bool(found.error and why) and 0 < len(named) == len(all_refused)
        and not found.left and found.seconds < LIMIT,
    )  # fmt: skip
