# SPDX-License-Identifier: Apache-2.0
"""As much of vLLM's engine as runs from its Python alone on this GPU.

Three things stand in for what only the compiled extension has: RMSNorm, rotary
embedding and SiLU run in vLLM's own PyTorch, buffers do without unified addressing as
on machines that lack it, and the router's softmax and top-k are PyTorch's. Attention is
vLLM's Triton kernel. The experts are FlashInfer's, chosen by name. The cache's size is
given, since vLLM's profile of memory wants the GPU for itself, and one warm-up is left
out: of the router's low-latency GEMM, which vLLM compiles from capability 9.0 on and
calls on 9.0 and 10.x alone.
"""

from __future__ import annotations

import gc
import os
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hopper_cases
import torch
from checkpoint import Format, Shape, make_layers
from checkpoint_files import write_model
from hopper_cases import EAGER, HOW
from loading import FORK, inputs, load_model, run

COLUMNS = hopper_cases.COLUMNS["engine"]
SHAPE = Shape(0.02, layers=2, hidden=256, intermediate=256)
MAX_TOKENS = 1024
CACHE = 256 << 20
PROMPT = [1, 2, 3, 4]


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
        for how in HOW:
            yield [how, _tokens(path, eager=how == EAGER)]
            gc.collect()


def _record(path: Path) -> None:
    """Reach what the engine's warm-up and its steps reach."""
    from vllm.model_executor.layers.fused_moe.flashinfer_cutedsl_sm12x_warmup import (
        sm12x_moe_warmup_tokens,
    )

    experts, *_ = load_model(path, FORK)
    key = experts.b12x_warmup_provider._workspace_key()
    for tokens in sorted({1, len(PROMPT), MAX_TOKENS, *sm12x_moe_warmup_tokens(key)}):
        run(experts, *inputs(SHAPE, tokens))


def _stand_in() -> None:
    import vllm._custom_ops as ops
    from vllm.model_executor.warmup import kernel_warmup
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
    kernel_warmup._warmup_ll_bf16_router_gemm = lambda _: None
    buffer_utils.is_uva_available = lambda: False


def _tokens(path: Path, eager: bool) -> str:
    from dataclasses import fields

    from vllm import LLM, SamplingParams
    from vllm.config.kernel import IrOpPriorityConfig

    try:
        llm = LLM(
            model=str(path),
            skip_tokenizer_init=True,
            max_model_len=256,
            max_num_batched_tokens=MAX_TOKENS,
            kv_cache_memory_bytes=CACHE,
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
            enforce_eager=eager,
        )
        asked = [{"prompt_token_ids": PROMPT}]
        how = SamplingParams(max_tokens=8, temperature=0.0, detokenize=False)
        made = llm.generate(asked, how)
        return f"tokens {list(made[0].outputs[0].token_ids)}"
    except Exception as e:
        frames = traceback.extract_tb(e.__traceback__)
        at = [frame for frame in frames if "/vllm/" in frame.filename] or frames
        name = at[-1].filename.rpartition("/vllm/")[2]
        traceback.print_exc()
        said = f"{type(e).__name__}: {e}".splitlines()[0][:300]
        return f"stops at vllm/{name}:{at[-1].lineno}, {said}"
