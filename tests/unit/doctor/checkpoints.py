# SPDX-License-Identifier: Apache-2.0
"""Checkpoints for the tests of the doctor: public ones' numbers, and tiny made ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.doctor.model import assess, checkpoint, gpus
from scripts.doctor.model.files import BITS
from scripts.doctor.model.known import Known, know
from scripts.selection import main as selection

MODELS = Path(__file__).with_name("models")
NAMES = sorted(path.stem for path in MODELS.glob("*.json"))
"""Public models, each reduced to its numbers, with the source of each."""


def facts(name: str) -> dict[str, Any]:
    return dict(json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8")))


def write(folder: Path, name: str, **config: Any) -> Path:
    """The small files of a public model, with `config` in place of its own numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in facts(name)["files"].items():
        if file == "config.json":
            data = data | config
        (folder / file).write_text(json.dumps(data), encoding="utf-8")
    return folder


def known(folder: Path) -> Known:
    return know(checkpoint.read(folder))


def on(it: Known, gpu: str = "5090", ranks: int = 1, **more: Any) -> Any:
    """What it is on that many of that GPU."""
    wanted = assess.Wanted(gpus.named(gpu), ranks, ranks, **more)
    return assess.assess(it, wanted, selection.recorded().table)


def config(**more: Any) -> dict[str, Any]:
    """A tiny Qwen3-MoE in NVFP4."""
    return {
        "model_type": "qwen3_moe",
        "hidden_size": 256,
        "intermediate_size": 256,
        "moe_intermediate_size": 128,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "vocab_size": 64,
        "max_position_embeddings": 2048,
        "quantization_config": {
            "quant_method": "modelopt",
            "quant_algo": "NVFP4",
            "group_size": 16,
            "ignore": ["lm_head", "*self_attn*", "*mlp.gate"],
        },
    } | more


def tensors(said: Mapping[str, Any]) -> dict[str, tuple[str, list[int]]]:
    """Names, dtypes and shapes as ModelOpt would write that model."""
    size, inner = said["hidden_size"], said["moe_intermediate_size"]
    heads = said["num_attention_heads"] * said["head_dim"]
    words = said["vocab_size"]
    found = {
        "model.embed_tokens.weight": ("BF16", [words, size]),
        "lm_head.weight": ("BF16", [words, size]),
        "model.norm.weight": ("BF16", [size]),
    }
    for n in range(said["num_hidden_layers"]):
        at = f"model.layers.{n}"
        for name in ("q", "k", "v"):
            found[f"{at}.self_attn.{name}_proj.weight"] = ("BF16", [heads, size])
        found[f"{at}.self_attn.o_proj.weight"] = ("BF16", [size, heads])
        for name in ("q_norm", "k_norm"):
            found[f"{at}.self_attn.{name}.weight"] = ("BF16", [said["head_dim"]])
        for name in ("input_layernorm", "post_attention_layernorm"):
            found[f"{at}.{name}.weight"] = ("BF16", [size])
        found[f"{at}.mlp.gate.weight"] = ("BF16", [said["num_experts"], size])
        for expert in range(said["num_experts"]):
            for name, rows, cols in (
                ("gate_proj", inner, size),
                ("up_proj", inner, size),
                ("down_proj", size, inner),
            ):
                path = f"{at}.mlp.experts.{expert}.{name}"
                found[f"{path}.weight"] = ("U8", [rows, cols // 2])
                found[f"{path}.weight_scale"] = ("F8_E4M3", [rows, cols // 16])
                found[f"{path}.weight_scale_2"] = ("F32", [])
                found[f"{path}.input_scale"] = ("F32", [])
    return found


def header(found: Mapping[str, tuple[str, list[int]]]) -> dict[str, Any]:
    """The JSON of a safetensors header of these tensors, one behind the other."""
    entries, begin = {}, 0
    for name, (dtype, shape) in found.items():
        size = 1
        for each in shape:
            size *= each
        end = begin + size * BITS[dtype] // 8
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
        begin = end
    return entries


def as_file(entries: Mapping[str, Any]) -> bytes:
    """A safetensors file that ends with its header."""
    data = json.dumps(entries).encode()
    return len(data).to_bytes(8, "little") + data


def tiny(folder: Path, **more: Any) -> Path:
    """A tiny checkpoint whose file is its header alone."""
    folder.mkdir(parents=True, exist_ok=True)
    said = config(**more)
    (folder / "config.json").write_text(json.dumps(said), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(as_file(header(tensors(said))))
    return folder
