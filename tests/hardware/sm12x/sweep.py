# SPDX-License-Identifier: Apache-2.0
"""Microseconds of one MoE and one linear layer by number of tokens, each backend.

``python sweep.py OUT BACKENDS [--double]``: layers of Qwen3-30B-A3B's sizes through
vLLM's own loader. BACKENDS are vLLM's names with commas between, the series' first.
They take turns in each round; a cell is the median, with the 10th and 90th percentile
beside it. With ``--double`` the layers are tiny and the CPU runs them, which tries the
script and measures nothing.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from errors import DOUBLE, device_of, ready

MOE = tuple(sys.argv[2].split(","))
# The series' linear kernel has no name of its own: automatic selection takes it.
LINEAR = ("auto", *MOE[1:])
TOKENS = (1, 8) if DOUBLE else (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 8192)
ROUNDS, CALLS = (3, 1) if DOUBLE else (21, 20)
COLUMNS = ["layer", "backend", "tokens", "us", "us, 10 %", "us, 90 %"]
Run = Callable[[], Any]


def main() -> int:
    ready()
    import torch

    rows: list[list[Any]] = []
    notes = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for kind, make, names in (("MoE", moe, MOE), ("linear", linear, LINEAR)):
            layers: dict[str, Callable[[int], Run]] = {}
            for name in names:
                try:
                    layers[name] = make(Path(folder) / f"{kind}-{name}", name)
                    layers[name](TOKENS[0])()
                except Exception as error:
                    layers.pop(name, None)
                    text = str(error).strip().splitlines() or [""]
                    why = f"{type(error).__name__}: {text[0]}"
                    notes.append(f"not run: {kind} {name}: {why}"[:200])
            for tokens in TOKENS:
                found = measured({n: start(tokens) for n, start in layers.items()})
                for name, times in found.items():
                    row = [kind, name, tokens, *spread(times)]
                    rows.append(row)
                    print("  ".join(map(str, row)), file=sys.stderr, flush=True)
    if DOUBLE:
        notes.append("on the CPU, the double in the kernel's place: no measurement")
    made = {"columns": COLUMNS, "rows": rows, "notes": notes}
    Path(sys.argv[1]).write_text(json.dumps(made, indent=1), encoding="utf-8")
    return 0 if rows else 1


def moe(folder: Path, backend: str) -> Callable[[int], Run]:
    """A layer of experts; gives a call for a number of tokens."""
    import torch
    from checkpoint import Format, Shape, make_layers
    from loading import inputs, load_layer, run

    shape = Shape(0.02, hidden=256, intermediate=256)
    if not DOUBLE:
        shape = Shape(0.02, experts=128, hidden=2048, intermediate=768, top_k=8)
    with torch.device(device_of()):
        experts = load_layer(
            folder,
            shape,
            make_layers(shape)[0],
            Format.MODELOPT,
            backend,
            max_tokens=max(TOKENS),
        )

    def call(tokens: int) -> Run:
        given = [t.to(device_of()) for t in inputs(shape, tokens, seed=9)]
        return lambda: run(experts, *given)

    return call


def linear(folder: Path, backend: str) -> Callable[[int], Run]:
    """A linear layer, N 4096 and K 2048; gives a call for a number of tokens."""
    import torch
    from checkpoint import Format, Shape, quantise
    from checkpoint_files import write_model
    from loading import engine_config
    from vllm.config import set_current_vllm_config
    from vllm.model_executor.layers.linear import ReplicatedLinear

    n, k = (256, 256) if DOUBLE else (4096, 2048)
    model = write_model(folder, Shape(0.02), [], Format.MODELOPT)
    config = engine_config(model, "auto", max(TOKENS), linear_backend=backend)
    with torch.device(device_of()), set_current_vllm_config(config):
        layer = ReplicatedLinear(
            k,
            n,
            bias=False,
            params_dtype=torch.bfloat16,
            quant_config=config.quant_config,
            prefix="model.layers.0.mlp.down_proj",
        )
        rng = torch.Generator().manual_seed(0)
        weight = torch.randn(n, k, generator=rng, device="cpu") * 0.02
        made = quantise(weight, weight.abs().max())
        layer.weight.data.copy_(made.packed)
        layer.weight_scale.data.copy_(made.scale)
        layer.weight_scale_2.data.fill_(made.scale_2.item())
        layer.input_scale.data.fill_(1 / 448)
        layer.quant_method.process_weights_after_loading(layer)

    def call(tokens: int) -> Run:
        x = torch.randn(tokens, k, generator=rng, device="cpu").bfloat16()
        given = x.to(device_of())
        return lambda: layer(given)

    return call


def measured(runs: dict[str, Run]) -> dict[str, list[float]]:
    """Microseconds a call of each, ROUNDS times, in turns."""
    sides = {name: in_graph(run) if not DOUBLE else run for name, run in runs.items()}
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, run in sides.items():
            found[name].append(on_host(run) if DOUBLE else on_device(run))
    return found


def in_graph(run: Run) -> Run:
    """Replays CALLS calls as one CUDA graph."""
    import torch

    for _ in range(3):
        run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CALLS):
            run()
    return graph.replay


def on_device(replay: Run) -> float:
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    replay()
    start.record()
    replay()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e3 / CALLS


def on_host(run: Run) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e6


def spread(times: list[float]) -> list[float]:
    """Median, 10th and 90th percentile."""
    tenths = statistics.quantiles(times, n=10)
    return [round(t, 2) for t in (statistics.median(times), tenths[0], tenths[-1])]


if __name__ == "__main__":
    sys.exit(main())
