# SPDX-License-Identifier: Apache-2.0
"""What the fork's experts take in each process, beside what `make footprint` counts."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import expert_bytes
import vllm
from model import Tiny
from rows import Rows


def counted(
    rows: Rows,
    step: str,
    layers: int,
    said: dict[str, Any],
    found: list[dict[str, Any]],
) -> None:
    """One row: each rank's bytes are its own, and those of the footprint.

    Args:
        rows: Where it goes.
        step: Its name.
        layers: Those of the model.
        said: What ``footprint`` says of one layer of one rank.
        found: What ``sm12x_bytes`` says, by rank.
    """
    wanted = {
        "weights": [said["weights"]] * layers,
        "scratch": [said["scratch"]],
        "shared": 0,
    }
    processes = {rank["process"] for rank in found}
    ranks = [{n: v for n, v in rank.items() if n != "process"} for rank in found]
    rows.add(
        step,
        "what make footprint counts: weights by layer, one workspace for all layers",
        f"counted {_bytes(wanted)}; held {' and '.join(map(_bytes, ranks))}, in "
        f"{len(processes)} processes, {sum(r['shared'] for r in ranks)} tensors shared",
        min(said["weights"], said["scratch"]) > 0
        and ranks == [wanted] * len(found) and len(processes) == len(found),
    )  # fmt: skip


def _bytes(held: dict[str, Any]) -> str:
    weights, scratch = ("+".join(map(str, held[n])) for n in ("weights", "scratch"))
    return f"{weights} and {scratch} bytes"


def footprint(
    models: Sequence[tuple[Tiny, int, Mapping[str, str]]], room: int
) -> list[dict[str, Any]]:
    """The answers of `make footprint`'s process for one layer of one rank.

    Args:
        models: Whole models, the number of ranks of tensor parallelism that share
            one, and the engine's arguments that choose its kernels.
        room: Tokens of the largest call.
    """
    cases = [
        {
            "experts": tiny.experts,
            "top-k": tiny.top_k,
            "hidden": tiny.hidden,
            "intermediate": tiny.intermediate // ranks,
            "activation": "silu",
            "tokens": room,
            "backend": chosen.get("moe_backend", "auto"),
        }
        for tiny, ranks, chosen in models
    ]
    tree = str(Path(vllm.__file__).parents[1])
    request = {"paths": [tree], "capability": "12.0", "cases": cases}
    with tempfile.TemporaryDirectory() as folder:
        given, told = Path(folder) / "request.json", Path(folder) / "answers.json"
        given.write_text(json.dumps(request), encoding="utf-8")
        subprocess.run([sys.executable, expert_bytes.__file__, given, told], check=True)
        answers: list[dict[str, Any]] = json.loads(told.read_bytes())
    return answers
