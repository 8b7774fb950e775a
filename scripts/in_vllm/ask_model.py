# SPDX-License-Identifier: Apache-2.0
"""Ask the vLLM of an environment about the layers of one model; no kernel is run.

``python ask_model.py QUESTION`` prints a JSON object. QUESTION is one: ``capability``;
``linear``, a list of scheme, N and K; ``moe``, null or the sizes of a rank's experts.
The answer has ``version``, ``patched``, ``linear`` and ``moe``, of each what runs and
what vLLM says of it, and ``scratch``, the bytes of FlashInfer's allocator, or null. The
device is a double of one with that capability.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import Any

import ask_selection
import platform_double


class ModelAsker(ask_selection.Asker):
    """The same with the sizes of a model."""

    def of_shape(self, scheme: str, rows: int, cols: int) -> tuple[str, str]:
        ask_selection._N, ask_selection._K = rows, cols
        return self._asked(lambda: self.of_linear(scheme == "W4A16", "auto", "plain"))

    def of_experts(self, moe: dict[str, Any]) -> tuple[str, str]:
        from vllm.model_executor.layers.fused_moe.activation import MoEActivation

        plain = self.moe_config("auto", "SwiGLU limit" if moe["limit"] else "plain")
        sized = replace(
            plain,
            num_experts=moe["experts"],
            num_local_experts=moe["experts"],
            num_logical_experts=moe["experts"],
            experts_per_token=moe["top_k"],
            hidden_dim=moe["hidden"],
            intermediate_size=moe["intermediate"],
            activation=MoEActivation(moe["activation"]),
            has_bias=moe["bias"],
            max_num_tokens=moe["tokens"],
        )
        self.moe_config = lambda *_: sized
        return self._asked(lambda: self.moe(moe["scheme"] == "W4A16", "auto", "plain"))

    def _asked(self, ask: Any) -> tuple[str, str]:
        self.said.clear()
        try:
            answer = ask()
        except (ValueError, NotImplementedError, ImportError, AssertionError) as error:
            return f"refused: {type(error).__name__}", str(error)
        return answer, " ".join(self.said)


def scratch(moe: dict[str, Any]) -> int | None:
    """Bytes that all layers share, by FlashInfer's allocator on the meta device."""
    import torch

    try:
        from vllm.model_executor.layers.fused_moe import (
            flashinfer_cutedsl_sm12x_dispatch as dispatch,
        )
        from vllm.model_executor.layers.fused_moe import (
            flashinfer_cutedsl_sm12x_workspace as workspace,
        )
    except ImportError:  # without the series
        return None
    gated = not moe["activation"].endswith("no_mul")
    key = workspace.SM12xMoEWorkspaceKey(
        num_experts=moe["experts"],
        top_k=moe["top_k"],
        hidden_size=moe["hidden"],
        intermediate_size=dispatch.pad_sm12x_moe_intermediate_size(
            moe["experts"], moe["hidden"], moe["intermediate"]
        ),
        max_num_tokens=moe["tokens"],
        activation="silu" if gated else "relu2",
        device=torch.device("meta"),
    )
    most = workspace.max_sm12x_moe_tokens(key)
    if not most:
        return None
    made = workspace.SM12xMoEWorkspace(replace(key, max_num_tokens=most))
    found = {}
    for each in (made.static, *made.dynamic.values()):
        for value in vars(each).values():
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                found[storage._cdata] = storage.nbytes()
    return sum(found.values())


def main() -> int:
    wanted = json.loads(sys.argv[1])
    os.environ.setdefault("VLLM_SM12X_AUTO_SELECT", "all")
    asker = ModelAsker(platform_double.install())
    import vllm

    asker.become(wanted["capability"])
    told: dict[str, Any] = {"version": vllm.__version__, "scratch": None, "moe": None}
    told["linear"] = [asker.of_shape(*each) for each in wanted["linear"]]
    if (moe := wanted["moe"]) is not None:
        told["moe"] = asker.of_experts(moe)
        if told["moe"][0].startswith("FLASHINFER_CUTEDSL_SM12X"):
            told["scratch"] = scratch(moe)
    told["patched"] = "vllm.utils.sm12x" in sys.modules
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
