# SPDX-License-Identifier: Apache-2.0
"""vLLM's OpenAI-compatible server and the real client: ``client.py FOLDER OUT LOG``.

The server is a process of its own, started as ``vllm serve`` is, and so is its engine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from openai import BadRequestError, OpenAI
from over_http import ARGUMENTS, NAME, OverHttp

COUNT = 16
TEXT = "The quick brown fox jumps over the lazy dog"
TEXTS = tuple(TEXT[: 12 + 6 * number] for number in range(6))
# 180 tokens: more than eight are left of it where five blocks of 32 are cached, as
# FlashInfer has another kernel, which rounds in another way, for up to eight.
LONG = (
    "Once upon a time there was a tiny mixture of experts. " * 3 + "And then it ended."
)


class Server(OverHttp):
    """The server at a free port of the loopback; a context."""

    def __init__(self, folder: Path, log: Path) -> None:
        super().__init__(log)
        self._command = [
            sys.executable, "-m", "vllm.entrypoints.openai.api_server",
            "--model", str(folder), "--host", "127.0.0.1", "--port", str(self.port),
            "--enable-prompt-tokens-details", *ARGUMENTS,
        ]  # fmt: skip

    def __enter__(self) -> Server:
        with self.log.open("wb") as file:
            self._process = subprocess.Popen(
                self._command, stdout=file, stderr=subprocess.STDOUT
            )
        try:
            self.wait(lambda: self._process.poll() is None)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def worker(self, method: str, **kwargs: Any) -> Any:
        """A method of the engine's one worker."""
        answers = self.workers(method, **kwargs)
        return answers[0] if answers else None


def main(folder: Path, out: Path, log: Path) -> None:
    from checkpoint import Format
    from model import Tiny, write
    from rows import Rows

    rows = Rows()
    checkpoint = write(folder / "served", Tiny(0.01, Format.COMPRESSED, linear=True))
    with Server(checkpoint, log) as server:
        client = OpenAI(base_url=server.url("/v1"), api_key="none", max_retries=0)
        talked(rows, server, client)
        reloaded(rows, server, client)
    # While it ends, upstream's API server may call its engine dead, which it stopped.
    until_its_end, ending, _ = server.said().partition("[shutdown]")
    rows.add(
        "server: end", "no traceback in its log before it was asked to end",
        f"{until_its_end.count('Traceback')} tracebacks",
        bool(ending) and "Traceback" not in until_its_end,
    )  # fmt: skip
    out.write_text(json.dumps(rows), encoding="utf-8")


def complete(client: OpenAI, text: str, **more: Any) -> Any:
    return client.completions.create(
        model=NAME, prompt=text, max_tokens=COUNT, temperature=0, logprobs=1,
        timeout=300, **more,
        extra_body={"ignore_eos": True, "return_token_ids": True},
    )  # fmt: skip


def tokens(answer: Any) -> list[int]:
    return list(answer.choices[0].token_ids)


def talked(rows: Any, server: Server, client: OpenAI) -> None:
    ours = [
        line.partition("] ")[2].partition(".")[0]
        for line in server.said().splitlines() if " on SM120: " in line
    ]  # fmt: skip
    rows.add(
        "server: selection", "the fork's experts and b12x, said once each",
        " | ".join(ours),
        sorted(ours) == [
            "NVFP4 W4A4 MoE on SM120: FLASHINFER_CUTEDSL_SM12X",
            "NVFP4 W4A4 linear on SM120: FlashInferB12xNvFp4LinearKernel",
        ],
    )  # fmt: skip
    models = [each.id for each in client.models.list()]
    rows.add("server: models", NAME, ", ".join(models), models == [NAME])
    warm = server.worker("sm12x_warm_up")
    rows.add(
        "server: warm-up", "calls of both kinds before the first request",
        f"{warm['moe']} MoE, {warm['linear']} GEMM",
        warm["moe before"] == 0 < min(warm["moe"], warm["linear"]),
    )  # fmt: skip
    alone = [complete(client, text) for text in TEXTS]
    counts = [each.usage.completion_tokens for each in alone]
    rows.add(
        "server: completions", f"{COUNT} tokens each", f"{counts}",
        counts == [COUNT] * len(TEXTS)
        and all(len(tokens(each)) == COUNT for each in alone),
    )  # fmt: skip
    server.post("/reset_prefix_cache")
    with ThreadPoolExecutor(len(TEXTS)) as pool:
        once = list(pool.map(lambda text: complete(client, text), TEXTS))
    same = sum(tokens(a) == tokens(b) for a, b in zip(once, alone, strict=True))
    first = [each.choices[0].logprobs.token_logprobs[0] for each in (*once, *alone)]
    far = max(
        abs(a - b) for a, b in zip(first[: len(once)], first[len(once) :], strict=True)
    )
    rows.add(
        "server: at once", "each as alone, as far as BF16 is",
        f"{same} of {len(TEXTS)} answers the same, first log probabilities at most "
        f"{far:.3f} apart",
        far <= 0.1,
    )  # fmt: skip
    parts = list(complete(client, TEXTS[0], stream=True))
    streamed = [t for part in parts for t in (part.choices[0].token_ids or ())]
    rows.add(
        "server: stream", "the same tokens in pieces",
        f"{len(parts)} pieces, {len(streamed)} tokens",
        streamed == tokens(alone[0]) and len(parts) > 3,
    )  # fmt: skip
    text = LONG
    start = len(server.worker("sm12x_calls")["moe"])
    one, two = complete(client, text), complete(client, text)
    largest = max(rows_ for _, rows_ in server.worker("sm12x_calls")["moe"][start:])
    hits = [each.usage.prompt_tokens_details.cached_tokens for each in (one, two)]
    rows.add(
        "server: prefix caching", "nothing, then most of the prompt",
        f"{hits[0]} then {hits[1]} of {one.usage.prompt_tokens} tokens",
        hits[0] == 0 and hits[1] == (one.usage.prompt_tokens - 1) // 32 * 32
        and tokens(one) == tokens(two),
    )  # fmt: skip
    rows.add(
        "server: chunked prefill", "64 tokens a call", f"{largest} at most",
        largest == 64 < one.usage.prompt_tokens,
    )  # fmt: skip
    chat = client.chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": "hello"}], max_tokens=COUNT,
        temperature=0, timeout=300, extra_body={"ignore_eos": True},
    )  # fmt: skip
    rows.add(
        "server: chat", f"{COUNT} tokens", f"{chat.usage.completion_tokens}",
        chat.usage.completion_tokens == COUNT and bool(chat.choices[0].message.content),
    )  # fmt: skip
    refused = ""
    try:
        client.completions.create(model=NAME, prompt="a", max_tokens=4096, timeout=300)
    except BadRequestError as error:
        refused = f"{error.status_code}"
    rows.add("server: a bad request", "400", refused or "taken", refused == "400")


def reloaded(rows: Any, server: Server, client: OpenAI) -> None:
    before = complete(client, TEXTS[1])
    where = server.worker("sm12x_addresses")
    server.worker("reload_weights")
    server.post("/reset_prefix_cache")
    after = complete(client, TEXTS[1])
    same = sum(a == b for a, b in zip(tokens(before), tokens(after), strict=True))
    stayed = where == server.worker("sm12x_addresses")
    rows.add(
        "server: weight reload", "the same tokens at the same addresses",
        f"{same} of {COUNT} tokens, {'none' if stayed else 'some'} moved",
        same == COUNT and stayed,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
