# SPDX-License-Identifier: Apache-2.0
"""Two processes of ``run.py``, each with a GPU of its own, and what they found."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PORT, CHECK = "HOPPER_PORT", "HOPPER_CHECK"
RANK = int(os.environ["HOPPER_RANK"]) if "HOPPER_RANK" in os.environ else None
"""Of this process; None where it is not one of two."""
SECONDS = int(os.environ.get("HOPPER_SECONDS", "400"))


def both(
    part: str, capability: tuple[int, int], before: Sequence[str] = (), **more: str
) -> list[list[Any]]:
    """Rows of a part by rank.

    Args:
        part: Which.
        capability: What the GPUs are told to be.
        before: A command that runs Python, as compute-sanitizer is.
        **more: Environment of both.

    Raises:
        RuntimeError: There is one GPU, a rank ended badly, or they did not come to
            their end; the message names the rank and has the end of its words.
    """
    with tempfile.TemporaryDirectory() as folder:
        started(Path(folder), part, capability, before, **more)
        found = []
        for rank in (0, 1):
            text = (Path(folder) / f"{rank}.json").read_text(encoding="utf-8")
            found.append(json.loads(text)["parts"][part]["rows"])
        return found


def started(
    folder: Path,
    part: str,
    capability: tuple[int, int],
    before: Sequence[str] = (),
    **more: str,
) -> list[str]:
    """Run both; what each of them said. Arguments and errors as of ``both``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [*before, sys.executable, str(Path(sys.argv[0]).resolve())]
    command += ["--parts", part, "--capability", ".".join(map(str, capability))]
    ranks = []
    for rank in (0, 1):
        own = {PORT: port, "HOPPER_RANK": str(rank), "CUDA_VISIBLE_DEVICES": str(rank)}
        with (folder / f"{rank}.log").open("wb") as log:
            ranks.append(
                subprocess.Popen(
                    [*command, "--out", str(folder / f"{rank}.json")],
                    env=os.environ | own | more,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    try:
        ended = _ended(ranks, time.monotonic() + SECONDS)
    finally:
        for one in ranks:
            one.kill()
            one.wait()
    said = [
        (folder / f"{rank}.log").read_text(encoding="utf-8", errors="replace")
        for rank in (0, 1)
    ]
    if ended is not None:
        why = ranks[ended].returncode
        raise RuntimeError(f"rank {ended} ended with {why}: {said[ended][-1500:]}")
    return said


def _ended(ranks: Sequence[subprocess.Popen[bytes]], until: float) -> int | None:
    """The first rank that ended badly, or that did not end; None if both are well.

    What ends badly is not waited for by the other, which stands in NCCL.
    """
    while True:
        codes = [one.poll() for one in ranks]
        bad = next((rank for rank, code in enumerate(codes) if code), None)
        if bad is not None:
            return bad
        if all(code == 0 for code in codes):
            return None
        if time.monotonic() > until:
            return next(rank for rank, code in enumerate(codes) if code is None)
        time.sleep(0.2)
