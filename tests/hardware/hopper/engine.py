# SPDX-License-Identifier: Apache-2.0
"""As much of vLLM's engine as runs from its Python alone on this GPU.

Three things stand in for what only the compiled extension has: RMSNorm, rotary
embedding and SiLU run in vLLM's own PyTorch, buffers do without unified addressing as
on machines that lack it, and the router's softmax and top-k are PyTorch's. Attention is
vLLM's Triton kernel. The experts are FlashInfer's, chosen by name.
"""

from __future__ import annotations

import gc
import os
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from checkpoint import Format, Shape, make_layers
from checkpoint_files import write_model
from loading import FORK, inputs, load_model, run

COLUMNS = ("how", "what came of it")
SHAPE = Shape(0.02, layers=2, hidden=256, intermediate=256)
MAX_TOKENS = 1024
PROMPT = [1, 2, 3, 4]
HOW: dict[str, dict[str, Any]] = {
    "eager": {"enforce_eager": True},
    "decode in CUDA graphs": {"enforce_eager": False},
}


def rows(stage: Any) -> Iterator[list[Any]]:
    """A row each: the tokens, or the line of vLLM at which it stops."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    # It would be compiled with nvcc at its first call.
    os.environ["VLLM_USE_FLASHINFER_SAMPLER"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        layers = make_layers(SHAPE)
        path = write_model(Path(folder) / "m", SHAPE, layers, Format.MODELOPT)
        if stage.recording:
            _record(path)
            return
        _stand_in()
        for how, given in HOW.items():
            yield [how, _tokens(path, given)]
            gc.collect()


def _record(path: Path) -> None:
    """Reach what the engine's warm-up and its steps reach."""
    from vllm.model_executor.layers.fused_moe.flashinfer_sm12x_warmup import (
        sm12x_moe_warmup_tokens,
    )

    experts, *_ = load_model(path, FORK)
    key = experts.b12x_warmup_provider._workspace_key()
    for tokens in sorted({1, len(PROMPT), MAX_TOKENS, *sm12x_moe_warmup_tokens(key)}):
        run(experts, *inputs(SHAPE, tokens))


def _stand_in() -> None:
    import vllm._custom_ops as ops
    from vllm.v1.worker.gpu import buffer_utils

    def topk_softmax(
        weights: torch.Tensor,
        ids: torch.Tensor,
        token_expert_indices: torch.Tensor,
        gating: torch.Tensor,
        renormalize: bool = False,
        *_: Any,
        **__: Any,
    ) -> None:
        found, at = gating.float().softmax(-1).topk(ids.shape[1])
        weights.copy_(found / found.sum(-1, keepdim=True) if renormalize else found)
        ids.copy_(at)

    ops.topk_softmax = topk_softmax
    buffer_utils.is_uva_available = lambda: False


def _tokens(path: Path, given: dict[str, Any]) -> str:
    from dataclasses import fields

    from vllm import LLM, SamplingParams
    from vllm.config.kernel import IrOpPriorityConfig

    try:
        llm = LLM(
            model=str(path),
            skip_tokenizer_init=True,
            max_model_len=256,
            max_num_batched_tokens=MAX_TOKENS,
            gpu_memory_utilization=0.05,
            moe_backend=FORK,
            attention_backend="TRITON_ATTN",
            async_scheduling=False,
            compilation_config={
                "mode": 0,
                "custom_ops": ["none"],
                "cudagraph_mode": "FULL_DECODE_ONLY",
                "cudagraph_capture_sizes": [1, 2],
            },
            ir_op_priority={f.name: ["native"] for f in fields(IrOpPriorityConfig)},
            **given,
        )
        asked = [{"prompt_token_ids": PROMPT}]
        how = SamplingParams(max_tokens=8, temperature=0.0, detokenize=False)
        made = llm.generate(asked, how)
        return f"tokens {list(made[0].outputs[0].token_ids)}"
    except Exception as e:
        frames = traceback.extract_tb(e.__traceback__)
        at = [frame for frame in frames if "/vllm/" in frame.filename] or frames
        name = at[-1].filename.rpartition("/vllm/")[2]
        said = f"{type(e).__name__}: {e}".splitlines()[0][:300]
        return f"stops at vllm/{name}:{at[-1].lineno}, {said}"
