# SPDX-License-Identifier: Apache-2.0
"""Drive every number of tokens through FlashInfer's dispatch, after vLLM's warm-up.

``python every_token.py 188`` prints a JSON object: by model, the workspace beside
FlashInfer's own, and what would have been compiled after the warm-up, for a GPU of
that many multiprocessors. Nothing is compiled or launched.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from dataclasses import replace
from typing import Any

os.environ |= {
    "CUTE_DSL_ARCH": "sm_120a",
    "CUTE_DSL_NO_CACHE": "1",
    "FLASHINFER_CUTE_DSL_DISABLE_CACHE": "1",
    "VLLM_HAS_FLASHINFER_CUBIN": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}

import kernel_calls
import kernel_record

TOKENS = 8192
# Calls at which rows are counted.
COUNTED = (160, 256, 512, 1024, 2048, 4096, TOKENS)
# E, K, I of a rank, k and activation: upstream-facts' shapes, and one for a draft.
MODELS: dict[str, tuple[int, int, int, int, str]] = {
    "Qwen3-30B-A3B": (128, 2048, 768, 8, "silu"),
    "Qwen3-30B-A3B TP4": (128, 2048, 192, 8, "silu"),
    "Qwen3.6-35B-A3B": (256, 2048, 512, 8, "silu"),
    "Qwen3.8-Flash-Next": (512, 2560, 640, 10, "silu"),
    "GLM-4.6": (160, 5120, 1536, 8, "silu"),
    "no gate": (128, 2688, 1856, 6, "relu2_no_mul"),
    "draft": (64, 1024, 512, 4, "silu"),
}


def _workspace(key: Any) -> dict[str, Any]:
    """The fork's scratch beside FlashInfer's own for the largest call, on meta."""
    import torch
    from vllm.model_executor.layers.fused_moe.flashinfer_cutedsl_sm12x_workspace import (  # noqa: E501
        SM12xMoEWorkspace,
    )

    key = replace(key, device=torch.device("meta"))
    made = SM12xMoEWorkspace(key)
    dynamic = list(made.dynamic.values())
    other_tile = [
        tokens
        for tokens in range(key.static_tokens() + 1, TOKENS + 1, 7)
        if next(s for n, s in made.dynamic.items() if n >= tokens).tile_m
        != key.allocate(tokens, "dynamic").tile_m
    ]
    return {
        "static": key.static_tokens(),
        "static rows": made.static.max_rows,
        "other tile": other_tile,
        "MMA rows": _mma_rows(key, made),
        "bytes": _bytes(made.static, *dynamic),
        "bytes of one tile": _bytes(made.static, key.allocate(TOKENS, "dynamic")),
    }


def _mma_rows(key: Any, made: Any) -> dict[int, list[int]]:
    """Rows of matrix instructions by number of tokens, where kernels are dynamic.

    With the tile of the fork's scratch, with that which FlashInfer chooses for it,
    and with that of one scratch for the most tokens, as a wrapper of its own has. Each
    expert's rows are rounded up to whole tiles; experts are drawn evenly.
    """
    import torch

    found = {}
    for tokens in COUNTED:
        if tokens <= key.static_tokens():
            continue
        g = torch.Generator().manual_seed(0)
        routed = (
            torch.rand(tokens, key.num_experts, generator=g).topk(key.top_k).indices
        )
        counts = routed.flatten().bincount(minlength=key.num_experts)
        found[tokens] = [
            int((-(-counts // tile) * tile).sum())
            for tile in (
                next(s for n, s in made.dynamic.items() if n >= tokens).tile_m,
                key.allocate(tokens, "dynamic").tile_m,
                key.allocate(TOKENS, "dynamic").tile_m,
            )
        ]
    return found


def _bytes(*scratches: Any) -> int:
    storages = {
        tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes()
        for scratch in scratches
        for tensor in vars(scratch).values()
        if hasattr(tensor, "untyped_storage")
    }
    return sum(storages.values())


def main() -> None:
    kernel_calls.start((12, 0), int(sys.argv[1]))
    recorder = kernel_record.install()
    import flashinfer

    found: dict[str, Any] = {}
    for name, (experts, hidden, size, top_k, activation) in MODELS.items():
        model = {"experts": experts, "hidden": hidden, "intermediate": size}
        model |= {"top-k": top_k, "activation": activation}
        backend = "flashinfer_cutedsl_sm12x"
        chosen, call = kernel_calls.moe(model, size, TOKENS, "NVFP4", backend)
        assert call is not None, chosen
        told = found[name] = {"late": [], **_workspace(call.key)}
        # Whether FlashInfer's probe of the driver says yes or no: if no, calls of few
        # tokens take other kernels, which are all that differs.
        for recorder.probe, last in ((True, TOKENS), (False, 64)):
            recorder.fresh()
            for tokens in call.warmup():
                call(tokens)
            told["warm"] = len(set(recorder.hit))
            # Triton keeps its own cache, so there a launch is no compilation.
            helpers = {h for h in recorder.hit if recorder.jobs[h].triton}
            for tokens in range(1, last + 1):
                before = len(recorder.hit)
                call(tokens)
                late = set(recorder.hit[before:]) - helpers
                told["late"] += [[tokens, recorder.jobs[h].kind] for h in sorted(late)]
        del call
        gc.collect()
    json.dump({"flashinfer": flashinfer.__version__, "models": found}, sys.stdout)


if __name__ == "__main__":
    main()
