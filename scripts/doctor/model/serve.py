# SPDX-License-Identifier: Apache-2.0
"""The line that serves a model, each flag with its reason."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from scripts.doctor.model.assess import Assessment, Wanted
from scripts.doctor.model.known import Known
from scripts.doctor.model.memory import UTILIZATION


@dataclass(frozen=True)
class Flag:
    """One option of `vllm serve`; `key` is the recipes' name of its value."""

    name: str
    value: str
    why: str
    key: str = ""


def flags(it: Known, found: Assessment, asked: Wanted) -> list[Flag]:
    """What has to be said, and nothing that vLLM does by itself.

    Args:
        it: The checkpoint.
        found: What it is, with vLLM's defaults filled in.
        asked: What was asked for, without them.
    """
    wanted, ranks = found.wanted, found.wanted.ranks
    said = []
    if ranks > 1:
        why = f"{ranks} GPUs share every layer"
        said.append(Flag("--tensor-parallel-size", str(ranks), why, "tensor_parallel"))
    own = it.model.context == found.context
    why = "what the model was made for" if own else "as asked; less leaves more of it"
    said.append(Flag("--max-model-len", str(found.context), why, "max_model_len"))
    if found.kv != "auto":
        why = "as asked" if asked.kv != "auto" else "the checkpoint asks for it"
        half = "half" if found.kv == "fp8" else "28 %"
        why += f": a token takes {half} of a BF16 cache"
        said.append(Flag("--kv-cache-dtype", found.kv, why, "kv_cache_dtype"))
    if asked.seqs is not None:
        why = "as asked; sampler and CUDA graphs are sized by it"
        said.append(Flag("--max-num-seqs", str(wanted.seqs), why, "max_num_seqs"))
    if asked.tokens is not None:
        why = "as asked; activations and MoE scratch are sized by it"
        said.append(
            Flag(
                "--max-num-batched-tokens",
                str(wanted.tokens),
                why,
                "max_num_batched_tokens",
            )
        )
    if found.budget.utilization != UTILIZATION:
        why = "the system lives in the same memory"
        value = str(found.budget.utilization)
        name = "gpu_memory_utilization"
        said.append(Flag("--gpu-memory-utilization", value, why, name))
    if it.checkpoint.text.get("torch_dtype", it.checkpoint.text.get("dtype")) in (
        "float16",
        "torch.float16",
    ):
        why = "SM12x's MoE kernel takes BF16 alone, and config.json says FP16"
        said.append(Flag("--dtype", "bfloat16", why, "dtype"))
    return said


def lines(folder: Path, said: list[Flag], found: Assessment) -> list[str]:
    """What to type: one line a machine."""
    name = model_id(folder) or shlex.quote(str(folder.resolve()))
    words = " ".join(f"{flag.name} {flag.value}" for flag in said)
    line = f"vllm serve {name} {words}"
    nodes = found.wanted.ranks if found.wanted.gpu.unified else 1
    if nodes == 1:
        return [line]
    return [
        f"{line} --nnodes {nodes} --node-rank {rank} --master-addr ADDRESS_OF_THE_FIRST"
        + ("" if rank == 0 else " --headless")
        for rank in range(nodes)
    ]


def model_id(folder: Path) -> str:
    """The model's name at its hub, where the folder is a hub's cache; else nothing.

    >>> model_id(Path("/x/models--nvidia--Some-30B-NVFP4/snapshots/0123abcd"))
    'nvidia/Some-30B-NVFP4'
    """
    word = r"[A-Za-z0-9][\w.]*(?:-[\w.]+)*"
    for part in folder.parts:
        if match := re.fullmatch(rf"models--({word})--({word})", part):
            return f"{match[1]}/{match[2]}"
    return ""
