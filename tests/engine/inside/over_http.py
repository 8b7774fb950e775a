# SPDX-License-Identifier: Apache-2.0
"""A server of vLLM's, asked at a port of the loopback."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

NAME, LIMIT = "tiny", 420.0
ARGUMENTS = (
    "--served-model-name", NAME, "--dtype", "bfloat16", "--enforce-eager",
    "--max-model-len", "512", "--max-num-batched-tokens", "64", "--max-num-seqs", "16",
    "--block-size", "32", "--kv-cache-memory-bytes", str(1 << 26),
    "--worker-extension-cls", "worker_part.WorkerPart",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OverHttp:
    """What it is asked, and where it logs."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.log = log

    def wait(self, alive: Callable[[], bool]) -> None:
        """Until it answers.

        Raises:
            RuntimeError: It does not in ``LIMIT`` seconds, or has ended.
        """
        until = time.monotonic() + LIMIT
        while time.monotonic() < until and alive():
            try:
                self.get("/health")
            except OSError:
                time.sleep(0.5)
            else:
                return
        raise RuntimeError(f"the server does not come up:\n{self.said()[-3000:]}")

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url(path), timeout=60) as answer:
            return bytes(answer.read())

    def post(
        self, path: str, headers: Mapping[str, str] = MappingProxyType({}), **body: Any
    ) -> Any:
        asked = urllib.request.Request(
            self.url(path),
            json.dumps(body).encode(),
            {"content-type": "application/json", **headers},
        )
        with urllib.request.urlopen(asked, timeout=300) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def workers(self, method: str, **kwargs: Any) -> list[Any]:
        """A method of each of the engine's workers (``VLLM_SERVER_DEV_MODE``)."""
        answer = self.post("/collective_rpc", method=method, kwargs=kwargs)
        return list(answer["results"]) if answer else []
