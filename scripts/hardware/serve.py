# SPDX-License-Identifier: Apache-2.0
"""A model served over HTTP with each MoE backend in turn, by vLLM's own benchmark.

`vllm serve` and `vllm bench serve` of the installed wheel; a server a backend and
round, since two of one model do not fit on one card.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.base.console import note

BACKENDS = (
    "flashinfer_cutedsl_sm12x",
    "flashinfer_cutlass",
    "marlin",
    "flashinfer_b12x",
    "b12x",
)
"""MoE backends of vLLM that are compared, the series' own first."""
CONCURRENT = (1, 8)
_INPUT, _OUTPUT, _PROMPTS = 1024, 128, 8
FIGURES = {
    "output_throughput": "tokens/s",
    "median_ttft_ms": "ms to the first token",
    "median_tpot_ms": "ms a token",
}
COLUMNS = ["backend", "concurrent", "figure", "median", "least", "most", "rounds"]
_START_SECONDS = 1800.0


def table(
    program: Path, model: str, rounds: int, seconds: float = _START_SECONDS
) -> dict[str, Any]:
    """Serve `model` with each backend, `rounds` times in turns.

    Args:
        program: The `vllm` of the environment.
        model: As `vllm serve` takes it.
        rounds: How often each backend has its turn.
        seconds: How long a server may take to answer.

    Returns:
        Columns, rows, and a note for each backend that did not serve.
    """
    found: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    notes: dict[str, str] = {}
    for number in range(rounds):
        for backend in BACKENDS:
            if backend in notes:
                continue
            note(f"round {number + 1} of {rounds}: {backend}")
            try:
                with server(program, model, backend, seconds) as port:
                    for many in CONCURRENT:
                        told = client(program, model, port, many)
                        for figure in FIGURES:
                            found[backend, many, figure].append(told[figure])
            except (RuntimeError, subprocess.SubprocessError) as error:
                notes[backend] = f"not served: {backend}: {error}"
    rows = [
        [
            *(backend, many, FIGURES[figure]),
            *(round(f(values), 3) for f in (statistics.median, min, max)),
            len(values),
        ]
        for (backend, many, figure), values in found.items()
    ]
    title = f"{model}, {_INPUT} tokens in, {_OUTPUT} out, served over HTTP"
    return {
        "title": title,
        "columns": COLUMNS,
        "rows": rows,
        "notes": list(notes.values()),
        "ok": bool(rows),
    }


@contextmanager
def server(program: Path, model: str, backend: str, seconds: float) -> Iterator[int]:
    """A server with this MoE backend; gives its port once it answers.

    Raises:
        RuntimeError: It ended, or did not answer in time; the end of its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [str(program), "serve", model, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--moe-backend", backend]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + seconds
            while not answers(port):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    said = log.read()[-2000:].strip().splitlines() or ["no word"]
                    raise RuntimeError(said[-1])
                time.sleep(0.2)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(port: int) -> bool:
    """Whether a server says that it is well."""
    try:
        address = f"http://127.0.0.1:{port}/health"
        with urllib.request.urlopen(address, timeout=5) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def client(program: Path, model: str, port: int, many: int) -> dict[str, float]:
    """One run of `vllm bench serve` with `many` requests at once.

    Raises:
        RuntimeError: It failed, or left out a figure or a request.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [str(program), "bench", "serve", "--model", model]
        command += ["--base-url", f"http://127.0.0.1:{port}", "--ignore-eos"]
        command += ["--dataset-name", "random", "--max-concurrency", str(many)]
        command += ["--random-input-len", str(_INPUT)]
        command += ["--random-output-len", str(_OUTPUT)]
        command += ["--num-prompts", str(_PROMPTS * many), "--num-warmups", str(many)]
        command += ["--save-result", "--result-dir", folder]
        command += ["--result-filename", "result.json"]
        done = subprocess.run(
            command, stdout=sys.stderr.fileno(), check=False, timeout=3600
        )
        out = Path(folder) / "result.json"
        if done.returncode or not out.is_file():
            raise RuntimeError(f"vllm bench serve: exit status {done.returncode}")
        told: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    if told.get("completed") != _PROMPTS * many:
        raise RuntimeError(f"{told.get('completed')} of {_PROMPTS * many} requests")
    return {figure: float(told[figure]) for figure in FIGURES}
