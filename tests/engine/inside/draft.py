# SPDX-License-Identifier: Apache-2.0
"""A multi-token-prediction draft in BF16 or NVFP4: ``draft.py FOLDER OUT``.

The model is a tiny GLM-4 MoE, which keeps its draft in the checkpoint as one layer
more. Left in BF16 beside an NVFP4 target it is what patch 0011 is for. The other way
round it is what patch 0023 is for: what is warmed up is the draft's alone.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from checkpoint import Format, make_layers
from checkpoint_files import quantization_config
from model import HEAD, HEADS, Tiny, experts
from offline import (
    agreeing,
    asked,
    end,
    engine,
    generate,
    lines,
    prompts,
    tokens_of,
)
from rows import Rows
from safetensors.torch import save_file
from vocabulary import SIZE, write_tokenizer

TINY = Tiny(0.01, Format.MODELOPT)
COUNT = 16
SPECULATIVE = {"method": "mtp", "num_speculative_tokens": 1}


def write_glm(folder: Path, tiny: Tiny, *, quantised: bool) -> Path:
    """A GLM-4 MoE with a draft; the experts of one of the two are NVFP4, others BF16.

    Args:
        folder: Where it is written.
        tiny: Sizes, and the spread of the experts' weights.
        quantised: Whether it is the draft.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = replace(tiny, layers=tiny.layers + 1).shape
    layers = make_layers(shape, amplitude=tiny.gain)
    rng = torch.Generator().manual_seed(tiny.seed)

    def noise(rows: int, cols: int, spread: float) -> torch.Tensor:
        return (torch.randn(rows, cols, generator=rng) * spread).bfloat16()

    size, inner, spread = tiny.hidden, HEADS * HEAD, tiny.hidden**-0.5
    one = torch.ones(size, dtype=torch.bfloat16)
    tensors = {
        "model.embed_tokens.weight": noise(SIZE, size, tiny.size),
        "lm_head.weight": noise(SIZE, size, 3 * spread),
        "model.norm.weight": one,
    }
    for number, layer in enumerate(layers):
        at = f"model.layers.{number}."
        draft = number == tiny.layers
        for name in "qkv":
            tensors[f"{at}self_attn.{name}_proj.weight"] = noise(inner, size, spread)
        out = noise(size, inner, tiny.size * inner**-0.5)
        tensors[f"{at}self_attn.o_proj.weight"] = out
        tensors[f"{at}input_layernorm.weight"] = one
        tensors[f"{at}post_attention_layernorm.weight"] = one * tiny.gain
        gate = noise(tiny.experts, size, spread / tiny.gain).float()
        tensors[f"{at}mlp.gate.weight"] = gate
        tensors[f"{at}mlp.gate.e_score_correction_bias"] = torch.zeros(tiny.experts)
        for name in ("gate", "up", "down"):
            small = noise(tiny.intermediate, size, tiny.sigma / 4)
            shared = small.T if name == "down" else small
            tensors[f"{at}mlp.shared_experts.{name}_proj.weight"] = shared
        form = Format.MODELOPT if draft is quantised else None
        tensors |= experts(layer, form, f"{at}mlp.experts.")
        if draft:
            tensors[f"{at}enorm.weight"] = tensors[f"{at}hnorm.weight"] = one
            tensors[f"{at}eh_proj.weight"] = noise(size, 2 * size, tiny.size * spread)
            tensors[f"{at}shared_head.norm.weight"] = one
            tensors[f"{at}embed_tokens.weight"] = tensors["model.embed_tokens.weight"]
            tensors[f"{at}shared_head.head.weight"] = tensors["lm_head.weight"]
    save_file(
        {name: t.clone().contiguous() for name, t in tensors.items()},
        folder / "model.safetensors",
    )
    text = json.dumps(_config(tiny, quantised), indent=1)
    (folder / "config.json").write_text(text, encoding="utf-8")
    write_tokenizer(folder)
    return folder


def _config(tiny: Tiny, quantised: bool) -> dict[str, Any]:
    quantization = quantization_config(Format.MODELOPT)
    ignore = ["lm_head", "*self_attn*", "*mlp.gate", "*shared_experts*", "*eh_proj*"]
    ignore += ["*.head"]  # vLLM's name of the draft's head
    plain = range(tiny.layers) if quantised else [tiny.layers]
    ignore += [f"model.layers.{number}.*" for number in plain]
    return {
        "architectures": ["Glm4MoeForCausalLM"],
        "model_type": "glm4_moe",
        "torch_dtype": "bfloat16",
        "hidden_size": tiny.hidden,
        "intermediate_size": tiny.hidden,
        "moe_intermediate_size": tiny.intermediate,
        "n_routed_experts": tiny.experts,
        "n_shared_experts": 1,
        "num_experts_per_tok": tiny.top_k,
        "num_hidden_layers": tiny.layers,
        "num_nextn_predict_layers": 1,
        "first_k_dense_replace": 0,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HEAD,
        "vocab_size": SIZE,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-9,
        "norm_topk_prob": True,
        "routed_scaling_factor": 1.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "quantization_config": quantization | {"ignore": ignore},
    }


def main(folder: Path, out: Path) -> None:
    rows = Rows()
    for quantised in (False, True):
        drafted(rows, folder, quantised=quantised)
    out.write_text(json.dumps(rows), encoding="utf-8")


def drafted(rows: Rows, folder: Path, *, quantised: bool) -> None:
    """The model with its draft, against the model alone."""
    form = "NVFP4" if quantised else "BF16"
    checkpoint = write_glm(folder / form, TINY, quantised=quantised)
    given = prompts(3, 20)
    llm = engine(checkpoint)
    want = [tokens_of(generate(llm, [p], COUNT)[0]) for p in given]
    end(llm)
    named = {} if quantised else {"moe_backend": "flashinfer_cutedsl_sm12x"}
    with lines() as said:
        llm = engine(
            checkpoint, speculative_config=SPECULATIVE, disable_log_stats=False, **named
        )
    kernels = asked(llm, "sm12x_draft_kernels")
    warm = asked(llm, "sm12x_warm_up")
    got = [tokens_of(generate(llm, [p], COUNT)[0]) for p in given]
    wanted = "FlashInferCuteDSLSM12xExperts" if quantised else "CPUUnquantizedExperts"
    rows.add(f"{form} draft: kernel", wanted, ", ".join(kernels), kernels == [wanted])
    providers = [warm["providers"], warm["draft providers"]]
    rows.add(
        f"{form} draft: warm-up",
        "the draft's kernels" if quantised else "the target's kernels",
        f"{warm['moe']} calls, {providers[0]} providers in the target, {providers[1]} "
        "in the draft",
        warm["moe"] > 0 and providers == ([0, 1] if quantised else [TINY.layers, 0]),
    )  # fmt: skip
    counts = {each.name: getattr(each, "value", 0) for each in llm.get_metrics()}
    proposed = counts.get("vllm:spec_decode_num_draft_tokens", 0)
    taken = counts.get("vllm:spec_decode_num_accepted_tokens", 0)
    same = agreeing(got, want)
    rows.add(
        f"{form} draft: tokens", "those of the target alone",
        f"{same} of {COUNT * len(given)}; {proposed} proposed, {taken} taken",
        got == want and proposed > 0,
    )  # fmt: skip
    if named:
        words = "has no kernel for unquantized MoE layers"
        found = [line for line in said if words in line]
        rows.add(f"{form} draft: log", words, " | ".join(found), len(found) == 1)
    end(llm)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
