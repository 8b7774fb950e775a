# SPDX-License-Identifier: Apache-2.0
"""What a test asks inside vLLM's worker, through ``collective_rpc``.

vLLM mixes the class into its worker (``worker_extension_cls``).
"""

from __future__ import annotations

import os
from typing import Any

_PACKED = ("w13_weight", "w13_weight_scale", "w2_weight", "w2_weight_scale")


class WorkerPart:
    """Methods with no state; ``self`` is vLLM's CPUWorker."""

    def sm12x_kernels(self) -> dict[str, Any]:
        """Classes that run the layers, by the kind of layer."""
        return _kernels(self.get_model())

    def sm12x_draft_kernels(self) -> list[str]:
        """Classes that run the draft's experts; none where this rank has no draft."""
        draft = self.get_draft_model()
        return _kernels(draft)["moe"] if draft is not None else []

    def sm12x_proposed(self) -> list[list[int]]:
        """What the draft proposed last; nothing where this rank has none."""
        last = self.model_runner._draft_token_ids
        return [] if last is None else last.tolist()

    def sm12x_warm_up(self) -> dict[str, int]:
        """vLLM's own b12x_warmup, which GPUWorker calls and CPUWorker does not.

        Returns:
            Calls of the wrappers and of the GEMM before it and after it.
        """
        from vllm.model_executor.warmup.b12x_warmup import b12x_warmup

        before = self.sm12x_calls()
        b12x_warmup(self, [])
        after = self.sm12x_calls()
        return {
            "moe before": len(before["moe"]),
            "linear before": len(before["linear"]),
            "moe": len(after["moe"]) - len(before["moe"]),
            "moe wanted": _wanted(self.get_model()),
            "linear": len(after["linear"]) - len(before["linear"]),
            "providers": _providers(self.get_model()),
            "draft providers": _providers(self.get_draft_model()),
        }

    def sm12x_calls(self) -> dict[str, Any]:
        """What the kernels' doubles were asked for, oldest first."""
        import linear_double
        import moe_double

        return {
            "wrappers": len(moe_double.MADE),
            "moe": [[did.regime, did.tokens] for did in moe_double.DID],
            "linear": [list(each) for each in linear_double.CALLS],
            "converted": sorted({n for did in moe_double.DID for n in did.conversions}),
        }

    def sm12x_process(self) -> int:
        """Its id."""
        return os.getpid()

    def sm12x_node(self) -> str:
        """The node of Ray that it runs on."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def sm12x_bytes(self) -> dict[str, Any]:
        """What the fork's experts take in this process.

        Returns:
            ``process``: its id; ``weights``: bytes of packed values and block scales, a
            layer each; ``scratch``: bytes of each workspace that layers share;
            ``shared``: tensors of it that lie in memory of other processes too.
        """
        from vllm.model_executor.layers.fused_moe import (
            flashinfer_cutedsl_sm12x_workspace as workspaces,
        )

        held = workspaces.current_sm12x_moe_workspace_slot()._workspaces
        layers = (m for m in self.get_model().modules() if hasattr(m, "w13_weight"))
        return {
            "process": os.getpid(),
            "weights": [sum(getattr(m, n).nbytes for n in _PACKED) for m in layers],
            "scratch": [workspace.nbytes for workspace in held.values()],
            "shared": sum(
                tensor.is_shared()
                for workspace in held.values()
                for tensor in workspace._tensors()
            ),
        }

    def sm12x_addresses(self) -> list[list[Any]]:
        """Where each wrapper was told to look in its last call, and parameters lie."""
        import moe_double

        held = [
            [number, name, address]
            for number, wrapper in enumerate(moe_double.MADE)
            for name, address in wrapper.addresses
        ]
        return held + [
            [-1, name, parameter.data_ptr()]
            for name, parameter in self.get_model().named_parameters()
        ]


def _kernels(model: Any) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {"moe": set(), "linear": set(), "attention": set()}
    for module in model.modules():
        method = getattr(module, "quant_method", None)
        experts = getattr(getattr(method, "moe_kernel", None), "fused_experts", None)
        if experts is not None:
            found["moe"].add(type(experts).__name__)
        kernel = getattr(method, "kernel", None) or getattr(
            getattr(module, "scheme", None), "kernel", None
        )
        if kernel is not None:
            found["linear"].add(type(kernel).__name__)
        if hasattr(module, "attn_backend"):
            found["attention"].add(module.attn_backend.get_name())
    return {kind: sorted(names) for kind, names in found.items()}


def _wanted(model: Any) -> int:
    """Calls that the warm-up makes for layers of experts: equal layers share theirs."""
    from vllm.model_executor.layers.fused_moe.flashinfer_cutedsl_sm12x_warmup import (
        sm12x_moe_warmup_tokens,
    )

    providers = [getattr(m, "b12x_warmup_provider", None) for m in model.modules()]
    keys = {p._workspace_key() for p in providers if hasattr(p, "_workspace_key")}
    return sum(len(sm12x_moe_warmup_tokens(key)) for key in keys)


def _providers(model: Any) -> int:
    modules = () if model is None else model.modules()
    return sum(hasattr(module, "b12x_warmup_provider") for module in modules)
