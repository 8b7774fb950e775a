# SPDX-License-Identifier: Apache-2.0
"""Ask the vLLM on the path what it selects, case by case; no case runs a kernel.

Started as ``python ask_selection.py WORLD CASES ANSWERS``, three JSON texts or files:

- WORLD: ``{"hide": [...], "paths": [...], "real": false}``. Top-level packages that
  are not to be found, and folders that come first on the path. ``real`` asks on this
  machine's own device, in place of the double's capabilities. May have ``broken``: CuTe
  DSL can be imported and does not compile; and ``cuda``, PyTorch's release of it.
- CASES: a list of lists, the fields of `scripts.selection.cases.Case` in order.
- ANSWERS: written, a list of ``[answer, why]`` in the order of the cases. ``answer`` is
  the backend and class that vLLM would make, or ``refused: TYPE``; ``why`` what it says
  to the user of it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
from dataclasses import replace
from importlib.machinery import PathFinder
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# FlashInfer without nvcc and ninja; no hub; no log.
os.environ.setdefault("VLLM_HAS_FLASHINFER_CUBIN", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["VLLM_LOGGING_LEVEL"] = "CRITICAL"

# Shapes of Qwen3-30B-A3B: experts, top-k, hidden and intermediate size of its MoE, and
# N and K of a linear layer.
_EXPERTS, _TOP_K, _HIDDEN, _INTERMEDIATE = 128, 8, 2048, 768
_N, _K = 4096, 2048


def hide(names: list[str]) -> None:
    """Let no import, and no question for one, find these top-level packages."""
    found = PathFinder.find_spec

    def find_spec(fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname.partition(".")[0] in names:
            return None
        return found(fullname, path, target)

    PathFinder.find_spec = staticmethod(find_spec)


class Asker:
    """vLLM in this process, with what its selection reads."""

    def __init__(self, double: Any) -> None:
        import torch
        import vllm.model_executor.kernels.linear as linear
        from vllm.config import VllmConfig, set_current_vllm_config
        from vllm.model_executor.layers.fused_moe.oracle import nvfp4
        from vllm.model_executor.layers.quantization.utils import quant_utils

        self.torch, self.linear, self.oracle = torch, linear, nvfp4
        self.keys = quant_utils
        self.double = double
        self.capability: str | None = "unknown"
        self.said: list[str] = []
        try:
            from vllm.utils import sm12x
        except ImportError:  # without the series
            pass
        else:
            sm12x.logger.info_once = lambda text, *args: self.said.append(text % args)
        try:
            # Where b12x asks PyTorch for the device, of which there is none here.
            self.gating = importlib.import_module("b12x._lib.gating")
        except ImportError:
            self.gating = None
        # A config is made on no device: what it checks of one is not asked here.
        self.config = VllmConfig()
        self.current = set_current_vllm_config(self.config)
        self.current.__enter__()

    def ask(self, case: list[Any]) -> tuple[str, str]:
        layer, scheme, capability, backend, feature, switch = case
        self.become(capability)
        os.environ["VLLM_SM12X_AUTO_SELECT"] = switch
        os.environ["VLLM_BATCH_INVARIANT"] = str(int(feature == "batch invariant"))
        self.said.clear()
        try:
            if layer == "MoE" and not scheme.startswith("W4A"):
                answer = self.mixed(scheme, backend)
            else:
                answer = (self.moe if layer == "MoE" else self.of_linear)(
                    scheme == "W4A16", backend, feature
                )
        except (ValueError, NotImplementedError, ImportError) as error:
            return f"refused: {type(error).__name__}", str(error)
        return answer, " ".join(self.said)

    def become(self, capability: str | None) -> None:
        if self.double is None or capability == self.capability:
            return
        import platform_double

        number = tuple(map(int, capability.split("."))) if capability else None
        platform_double.become(self.double, number)
        if self.gating is not None:
            self.gating.get_compute_capability = lambda device=None: number
        self.capability = capability

    def moe(self, use_a16: bool, backend: str, feature: str) -> str:
        activation = None if use_a16 else self.keys.kNvfp4Dynamic
        chosen, cls = self.oracle.select_nvfp4_moe_backend(
            self.moe_config(backend, feature), self.keys.kNvfp4Static, activation
        )
        return f"{chosen.value} ({cls.__name__})"

    def mixed(self, scheme: str, backend: str) -> str:
        """A MoE layer that is not NVFP4, as in a checkpoint of mixed precision."""
        path = "vllm.model_executor.layers.fused_moe.oracle"
        oracles = {
            name: importlib.import_module(f"{path}.{name}")
            for name in ("fp8", "int_wna16", "mxfp4", "mxfp8", "unquantized")
        }
        config, keys = self.moe_config(backend, "plain"), self.keys
        oracles["mxfp4"]._user_moe_activation_override = lambda: None
        found = {
            "BF16": lambda: oracles["unquantized"].select_unquantized_moe_backend(
                config
            ),
            "FP8": lambda: oracles["fp8"].select_fp8_moe_backend(
                config, keys.kFp8Static128BlockSym, keys.kFp8Dynamic128Sym
            ),
            "WNA16": lambda: oracles["int_wna16"].select_wna16_moe_backend(
                config,
                keys.kInt4Static,
                SimpleNamespace(),
                may_have_zp=False,
                may_have_bias=False,
            ),
            "MXFP4": lambda: oracles["mxfp4"].select_mxfp4_moe_backend(
                config, keys.kMxfp8Dynamic
            ),
            "MXFP8": lambda: oracles["mxfp8"].select_mxfp8_moe_backend(config),
        }[scheme]()
        chosen, cls = (found if isinstance(found, tuple) else (found, None))[:2]
        return f"{chosen.value} ({cls.__name__})" if cls else str(chosen.value)

    def moe_config(self, backend: str, feature: str) -> Any:
        from vllm.model_executor.layers.fused_moe import config as moe
        from vllm.model_executor.layers.fused_moe.activation import MoEActivation

        parallel = moe.FusedMoEParallelConfig.make_no_parallel()
        if feature == "EP":
            parallel = replace(
                parallel,
                use_ep=True,
                ep_size=2,
                tp_size=1,
                all2all_backend="allgather_reducescatter",
            )
        elif feature == "DP":
            parallel = replace(parallel, dp_size=2)
        fp16 = feature == "FP16"
        return moe.FusedMoEConfig(
            num_experts=_EXPERTS,
            experts_per_token=_TOP_K,
            hidden_dim=_HIDDEN,
            intermediate_size=_INTERMEDIATE,
            num_local_experts=_EXPERTS // parallel.ep_size,
            num_logical_experts=_EXPERTS,
            activation=MoEActivation.SILU,
            device="cpu",
            routing_method=moe.RoutingMethodType.Renormalize,
            moe_parallel_config=parallel,
            in_dtype=self.torch.float16 if fp16 else self.torch.bfloat16,
            moe_backend=backend,
            is_lora_enabled=feature == "LoRA",
            swiglu_limit=7.0 if feature == "SwiGLU limit" else None,
        )

    def of_linear(self, use_a16: bool, backend: str, feature: str) -> str:
        self.config.kernel_config.linear_backend = backend
        init = self.linear.init_nvfp4_linear_kernel
        fp16 = feature == "FP16"
        known = {
            "weight_shape": (_N, _K // 2),
            "out_dtype": self.torch.float16 if fp16 else self.torch.bfloat16,
        }
        takes = inspect.signature(init).parameters
        kernel = init(use_a16, **{k: v for k, v in known.items() if k in takes})
        name = type(kernel).__name__
        gemm = getattr(kernel, "mm_backend", "")
        return f"{name} ({gemm})" if gemm == "b12x_or_cutlass" else name


def main() -> int:
    world, cases, answers = sys.argv[1:]
    wanted = json.loads(world)
    sys.path[:0] = wanted["paths"]
    hide(wanted["hide"])
    double = None
    if not wanted["real"]:
        import platform_double

        double = platform_double.install()
        sys.modules["torch"].version.cuda = wanted.get("cuda", "13.0")
    if wanted.get("broken"):
        import cutlass.cute

        def compile(*_: Any, **__: Any) -> None:
            raise RuntimeError("planted: no compiler")

        cutlass.cute.compile = compile
    asker = Asker(double)
    told = [asker.ask(case) for case in json.loads(Path(cases).read_text("utf-8"))]
    Path(answers).write_text(json.dumps(told), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
