# SPDX-License-Identifier: Apache-2.0
"""Bytes of NVFP4 experts, as the vLLM on the path lays them out on the meta device.

Started as ``python expert_bytes.py REQUEST ANSWERS``, two files of JSON:

- REQUEST: ``{"paths": [...], "capability": "12.0", "cases": [...]}``. A case has
  ``experts``, ``top-k``, ``hidden``, ``intermediate`` (of one rank), ``activation``
  (vLLM's name of it), ``tokens`` (the largest call) and ``backend`` (the value of
  --moe-backend).
- ANSWERS: written, an object a case, in order: ``chosen`` and ``said`` as
  ``ask_selection.py`` has them, ``weights`` (packed values and block scales of one
  layer), ``scratch`` (what all layers share; the output of a call left out), and
  ``stopped``, what vLLM raised where it does not come so far.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> int:
    request, answers = map(Path, sys.argv[1:])
    wanted = json.loads(request.read_text(encoding="utf-8"))
    sys.path[:0] = wanted["paths"]
    import platform_double
    from ask_selection import Asker

    asker = Asker(platform_double.install())
    asker.become(wanted["capability"])
    told = [answer(asker, case) for case in wanted["cases"]]
    answers.write_text(json.dumps(told), encoding="utf-8")
    return 0


def answer(asker: Any, case: dict[str, Any]) -> dict[str, Any]:
    """What one layer of one rank takes."""
    from vllm.model_executor.layers.fused_moe.activation import MoEActivation

    config = replace(
        asker.moe_config(case["backend"], "plain"),
        num_experts=case["experts"],
        num_local_experts=case["experts"],
        num_logical_experts=case["experts"],
        experts_per_token=case["top-k"],
        hidden_dim=case["hidden"],
        intermediate_size=case["intermediate"],
        activation=MoEActivation.from_str(case["activation"]),
        max_num_tokens=case["tokens"],
        swiglu_limit=7.0 if case["activation"].startswith("swigluoai") else None,
    )
    asker.said.clear()
    found: dict[str, Any] = {}
    try:
        backend, cls = asker.oracle.select_nvfp4_moe_backend(
            config, asker.keys.kNvfp4Static, asker.keys.kNvfp4Dynamic
        )
        found["chosen"] = f"{backend.value} ({cls.__name__})"
        found["said"] = " ".join(asker.said)
        found["weights"] = weights(asker.oracle, backend, config)
        found["scratch"] = scratch(cls, config)
    # Whatever vLLM refuses a shape with, it is the answer.
    except (ValueError, NotImplementedError, ImportError, AssertionError) as error:
        found["stopped"] = f"{type(error).__name__}: {error}"
    return found


def weights(oracle: Any, backend: Any, config: Any) -> int:
    """Bytes of packed values and block scales, as the backend reads them."""
    import torch

    experts, hidden = config.num_experts, config.hidden_dim
    size = config.intermediate_size_per_partition
    gated = config.activation.is_gated
    rows = 2 * size if gated else size

    def empty(*shape: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    fp8 = torch.float8_e4m3fn
    scales = torch.ones(experts)
    w13, w13_scale, _, _, w2, w2_scale, _, _ = (
        oracle.convert_to_nvfp4_moe_kernel_format(
            nvfp4_backend=backend,
            layer=SimpleNamespace(activation=config.activation, moe_config=config),
            w13=empty(experts, rows, hidden // 2),
            w13_scale=empty(experts, rows, hidden // 16, dtype=fp8),
            w13_scale_2=scales,
            a13_scale=torch.ones(experts, 2 if gated else 1),
            w2=empty(experts, hidden, size // 2),
            w2_scale=empty(experts, hidden, size // 16, dtype=fp8),
            w2_scale_2=scales,
            a2_scale=scales,
            is_act_and_mul=gated,
        )
    )
    return sum(t.nbytes for t in (w13, w13_scale, w2, w2_scale))


def scratch(cls: Any, config: Any) -> int:
    """Bytes that all layers share: vLLM's workspace, and FlashInfer's if it is ours."""
    import torch
    from vllm.model_executor.layers.fused_moe.config import nvfp4_moe_quant_config

    experts = object.__new__(cls)
    experts.quant_config = nvfp4_moe_quant_config(*[torch.ones(config.num_experts)] * 6)
    packed = 1 if experts.expects_unquantized_inputs else 2
    first, second, _ = experts.workspace_shapes(
        config.max_num_tokens,
        config.intermediate_size_per_partition
        * (2 if config.activation.is_gated else 1),
        config.hidden_dim // packed,
        config.experts_per_token,
        config.num_experts,
        config.num_experts,
        None,
        config.activation,
    )
    # The first lies in the memory of the output, which is no smaller.
    shared = prod(second) * torch.bfloat16.itemsize
    shared += max(0, prod(first) - config.max_num_tokens * config.hidden_dim) * 2
    if cls.__name__ != "FlashInferCuteDSLSM12xExperts":
        return shared
    from vllm.model_executor.layers.fused_moe import (
        flashinfer_cutedsl_sm12x_workspace as ours,
    )
    from vllm.model_executor.layers.fused_moe.experts import (
        flashinfer_cutedsl_sm12x_moe as kernel,
    )

    key = ours.SM12xMoEWorkspaceKey(
        num_experts=config.num_experts,
        top_k=config.experts_per_token,
        hidden_size=config.hidden_dim,
        intermediate_size=kernel.pad_sm12x_moe_intermediate_size(
            config.num_experts,
            config.hidden_dim,
            config.intermediate_size_per_partition,
        ),
        max_num_tokens=kernel._max_tokens_per_call(config),
        activation=kernel._ACTIVATIONS[config.activation],
        device=torch.device("meta"),
    )
    made = ours.SM12xMoEWorkspace(key)
    # By storage, as an address is 0 for all that is on the meta device.
    storages = {
        storage._cdata: storage.nbytes()
        for part in (made.static, *made.dynamic.values())
        for value in vars(part).values()
        if isinstance(value, torch.Tensor)
        for storage in (value.untyped_storage(),)
    }
    return shared + sum(storages.values())


if __name__ == "__main__":
    sys.exit(main())
