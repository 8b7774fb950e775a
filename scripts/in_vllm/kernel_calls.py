# SPDX-License-Identifier: Apache-2.0
"""Layers of the patched vLLM, made and called as a model would, on CPU tensors.

Only sizes matter: weights are zero. The layer, its backend and the arguments of
FlashInfer's functions are vLLM's own choice. Expert parallelism is not there, and a
rank of a tensor-parallel group is a layer of its share of the intermediate size.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import kernel_weights
import platform_double
import torch

Call = Callable[[int], None]
"""Run the layer on that many tokens."""


def start(
    capability: tuple[int, int], multiprocessors: int, also: Iterable[str] = ()
) -> None:
    """Import vLLM on a platform double and make a worker's process-wide state.

    ``also`` names modules that are to be imported before the platform says CUDA.
    """
    platform_double._SMS[capability] = multiprocessors
    torch.set_num_threads(1)
    double = platform_double.install()
    torch.cuda.current_stream = lambda *_: SimpleNamespace(cuda_stream=0)
    torch.cuda.is_current_stream_capturing = lambda: False
    import flashinfer.utils
    import vllm.model_executor.layers.fused_moe.layer  # noqa: F401
    import vllm.utils.flashinfer as lazy

    for name in also:
        importlib.import_module(name)
    from flashinfer.gemm import gemm_base
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.distributed import init_distributed_environment, parallel_state
    from vllm.v1.worker import workspace

    platform_double.become(double, capability)
    kernel_weights.shorten()
    # Asked of a tensor's device, which is the CPU here.
    for module in (flashinfer.utils, gemm_base):
        module.get_compute_capability = lambda _: capability
    if importlib.util.find_spec("b12x"):  # FlashInfer has none before 0.7.2
        gating = importlib.import_module("b12x._lib.gating")
        gating.get_compute_capability = lambda device=None: capability
        kernel_weights.shorten_b12x()
    dispatch = importlib.import_module(
        "flashinfer.fused_moe.cute_dsl.blackwell_sm12x.moe_dispatch"
    )
    if hasattr(dispatch, "_is_sm120_nvfp4"):
        # Since 0.7.4 direct micro goes further on 12.0, of a tensor on CUDA alone.
        dispatch._is_sm120_nvfp4 = lambda _, mode: mode == "nvfp4" and capability == (
            12,
            0,
        )
    if hasattr(gemm_base, "_get_stream_cache_buf"):
        # Since 0.7.4 the GEMM's scratch lies in a memory pool of a CUDA stream.
        gemm_base._get_stream_cache_buf = lambda _, size, *__, **___: torch.empty(
            size, dtype=torch.uint8
        )
    # Registered for CUDA tensors alone.
    lazy.flashinfer_mm_fp4.register_kernel("cpu")(lazy.flashinfer_mm_fp4._init_fn)
    with set_current_vllm_config(VllmConfig()):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        init_distributed_environment(1, 0, address, 0, "gloo")
        parallel_state.initialize_model_parallel(1, 1)
    workspace.init_workspace_manager(torch.device("cpu"))


@contextlib.contextmanager
def _on_cuda() -> Iterator[None]:
    """Tensors and PyTorch say CUDA, as b12x asks them before it launches."""
    available = torch.cuda.is_available
    torch.cuda.is_available = lambda: True
    torch.Tensor.is_cuda = property(lambda _: True)
    try:
        yield
    finally:
        del torch.Tensor.is_cuda
        torch.cuda.is_available = available


@contextlib.contextmanager
def _config(max_tokens: int, **kernel: str) -> Iterator[None]:
    from vllm.config import VllmConfig, set_current_vllm_config

    config = VllmConfig()
    config.scheduler_config.max_num_batched_tokens = max_tokens
    for name, value in kernel.items():
        setattr(config.kernel_config, name, value)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with set_current_vllm_config(config):
            yield
    finally:
        torch.set_default_dtype(before)


def _quantisation(method: str) -> Any:
    from vllm.model_executor.layers.quantization.modelopt import ModelOptNvFp4Config

    return ModelOptNvFp4Config(method, True, None, [], 16)


def _fill(layer: torch.nn.Module) -> None:
    """What a checkpoint would have loaded; of the weights themselves only the size."""
    for parameter in layer.parameters():
        if parameter.dtype != torch.uint8:
            parameter.data.fill_(1)


@dataclass(frozen=True)
class Experts:
    """A layer of experts, called with the first rows of these activations."""

    layer: Any
    native: bool
    x: torch.Tensor
    ids: torch.Tensor
    weights: torch.Tensor

    @torch.no_grad()
    def __call__(self, tokens: int) -> None:
        rows = slice(tokens)
        with _on_cuda() if self.native else contextlib.nullcontext():
            self.layer.forward_modular(self.x[rows], self.weights[rows], self.ids[rows])

    @property
    def key(self) -> Any:
        """What the fork's class asks FlashInfer with."""
        return self.layer.b12x_warmup_provider._workspace_key()

    def warmup(self) -> list[int]:
        """The numbers of tokens that vLLM's own warm-up calls the layer with."""
        from vllm.model_executor.layers.fused_moe.flashinfer_cutedsl_sm12x_warmup import (  # noqa: E501
            sm12x_moe_warmup_tokens,
        )

        return list(sm12x_moe_warmup_tokens(self.key))


def experts_of(
    model: dict[str, Any], size: int, max_tokens: int, method: str, backend: str
) -> Any:
    """A layer's RoutedExperts, with parameters that are not filled.

    Args:
        model: An entry of the shapes file.
        size: Intermediate size of one rank.
        max_tokens: Value of --max-num-batched-tokens.
        method: ModelOpt's name of the quantisation: NVFP4 or W4A16_NVFP4.
        backend: Value of --moe-backend.

    Raises:
        ValueError: vLLM refuses the layer; the message says why.
    """
    from vllm.model_executor.layers.fused_moe.layer import FusedMoEFactory

    gated = not model["activation"].endswith("no_mul")
    with _config(max_tokens, moe_backend=backend):
        return FusedMoEFactory(
            num_experts=model["experts"],
            top_k=model["top-k"],
            hidden_size=model["hidden"],
            intermediate_size=size,
            params_dtype=torch.bfloat16,
            quant_config=_quantisation(method),
            prefix="model.layers.0.mlp.experts",
            activation=model["activation"],
            ckpt_names=("gate_proj", "down_proj", "up_proj" if gated else None),
        ).routed_experts


def process(experts: Any, max_tokens: int, backend: str) -> None:
    """What vLLM does once the checkpoint is loaded."""
    with _config(max_tokens, moe_backend=backend):
        experts.quant_method.process_weights_after_loading(experts)


def moe(
    model: dict[str, Any], size: int, max_tokens: int, method: str, backend: str
) -> tuple[str, Experts | None]:
    """A layer of experts; arguments and errors as of ``experts_of``.

    Returns:
        The class of experts that vLLM chose, and the call if it is the fork's or
        that of the native b12x backend, which the fork selects for W4A16.
    """
    experts = experts_of(model, size, max_tokens, method, backend)
    chosen = experts.quant_method.experts_cls.__name__
    native = chosen == "B12xExperts"
    if not native and not chosen.startswith("FlashInferCuteDSLSM12x"):
        return chosen, None
    _fill(experts)
    process(experts, max_tokens, backend)
    gc.collect()
    top_k = model["top-k"]
    ids = torch.arange(max_tokens * top_k, dtype=torch.int32) % model["experts"]
    return chosen, Experts(
        experts,
        native,
        torch.empty(max_tokens, model["hidden"], dtype=torch.bfloat16),
        ids.view(max_tokens, top_k),
        torch.ones(max_tokens, top_k),
    )


def linear(rows: int, columns: int, backend: str) -> tuple[str, Call]:
    """A linear layer, W4A4, its activations quantised by whoever was before it.

    Args:
        rows: N, output features of one rank.
        columns: K, input features of one rank.
        backend: Value of --linear-backend.

    Returns:
        The class of the kernel that vLLM chose, and the call.
    """
    from vllm.model_executor.layers.fusion.quant_activation import (
        QuantizedActivation,
    )
    from vllm.model_executor.layers.linear import ReplicatedLinear
    from vllm.model_executor.layers.quantization.utils.quant_utils import (
        kNvfp4Dynamic,
    )

    with _config(8192, linear_backend=backend):
        layer = ReplicatedLinear(
            columns,
            rows,
            bias=False,
            params_dtype=torch.bfloat16,
            quant_config=_quantisation("NVFP4"),
            prefix="model.layers.0.self_attn.o_proj",
        )
        _fill(layer)
        layer.quant_method.process_weights_after_loading(layer)

    @torch.no_grad()
    def call(tokens: int) -> None:
        scale = torch.empty(
            -(-tokens // 128) * 128,
            -(-columns // 64) * 4,
            dtype=torch.float8_e4m3fn,
        )
        given = QuantizedActivation(
            torch.empty(tokens, columns // 2, dtype=torch.uint8),
            scale,
            torch.bfloat16,
            torch.Size([tokens, columns]),
            kNvfp4Dynamic,
        )
        layer.quant_method.apply(layer, given, None)

    return type(layer.quant_method.kernel).__name__, call
