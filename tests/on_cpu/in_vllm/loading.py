# SPDX-License-Identifier: Apache-2.0
"""vLLM's real way from a checkpoint to an output, as far as a CPU can go it.

``load_model`` is all of it for a Qwen3-MoE: EngineArgs, ModelConfig, get_model with
DefaultModelLoader, the quantisation method, oracle and preparation. ``load_layer``
starts at FusedMoEFactory, for activations that Qwen3-MoE has not, and loads through
the same RoutedExperts.load_weights. Routing is given, since its kernel is compiled.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import torch
from checkpoint import Format, Layer, Shape, reference
from checkpoint_files import expert_tensors, write_model

UPSTREAM, FORK = "flashinfer_b12x", "flashinfer_cutedsl_sm12x"


def start() -> None:
    """The process-wide state that a worker makes: one rank, and the workspaces."""
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.distributed import init_distributed_environment, parallel_state
    from vllm.model_executor.models.qwen3_moe import Qwen3MoeForCausalLM
    from vllm.model_executor.models.registry import ModelRegistry
    from vllm.v1.worker import workspace

    # Given as a class, it is not inspected in a process of its own.
    ModelRegistry.register_model("Qwen3MoeForCausalLM", Qwen3MoeForCausalLM)
    with socket.socket() as probe, set_current_vllm_config(VllmConfig()):
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        init_distributed_environment(1, 0, address, 0, "gloo")
        parallel_state.initialize_model_parallel(1, 1)
    workspace.init_workspace_manager(torch.device("cpu"))


def engine_config(
    folder: Path, backend: str, max_tokens: int = 1024, **more: Any
) -> Any:
    """The VllmConfig that ``vllm serve folder --moe-backend backend`` would have."""
    from vllm.engine.arg_utils import EngineArgs

    return EngineArgs(
        model=str(folder),
        skip_tokenizer_init=True,
        dtype="bfloat16",
        enforce_eager=True,
        max_model_len=1024,
        max_num_batched_tokens=max_tokens,
        moe_backend=backend,
        async_scheduling=False,
        **more,
    ).create_engine_config()


def load_model(folder: Path, backend: str, **more: Any) -> list[Any]:
    """Load the checkpoint, and return the RoutedExperts of each layer."""
    from vllm.config import set_current_vllm_config
    from vllm.model_executor.model_loader import get_model

    config = engine_config(folder, backend, **more)
    with set_current_vllm_config(config):
        model = get_model(vllm_config=config)
    return [layer.mlp.experts.routed_experts for layer in model.model.layers]


def make_layer(
    folder: Path,
    shape: Shape,
    form: Format,
    backend: str,
    max_tokens: int = 1024,
    **more: Any,
) -> Any:
    """Make one FusedMoE layer, its parameters not filled.

    Args:
        folder: Where a model is written that only gives the configuration.
        shape: Sizes and activation.
        form: The checkpoint's format.
        backend: Value of --moe-backend.
        max_tokens: Value of --max-num-batched-tokens.
        **more: Arguments of FusedMoEFactory.

    Returns:
        The layer's RoutedExperts.
    """
    from vllm.config import set_current_vllm_config
    from vllm.model_executor.layers.fused_moe.layer import FusedMoEFactory

    # As Nemotron-H names them, which has no gate.
    names = ("gate_proj" if shape.gated else "up_proj", "down_proj")
    names += ("up_proj" if shape.gated else None,)
    with torch.device("cpu"):
        model = write_model(folder, shape, [], form)
    config = engine_config(model, backend, max_tokens)
    with set_current_vllm_config(config):
        runner = FusedMoEFactory(
            num_experts=shape.experts,
            top_k=shape.top_k,
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            params_dtype=torch.bfloat16,
            quant_config=config.quant_config,
            prefix="model.layers.0.mlp.experts",
            activation=shape.activation,
            ckpt_names=names,
            swiglu_alpha=shape.swiglu.alpha,
            swiglu_beta=shape.swiglu.beta,
            swiglu_limit=shape.swiglu.limit,
            **more,
        )
    return runner.routed_experts


def load_layer(
    folder: Path, shape: Shape, layer: Layer, form: Format, backend: str, **more: Any
) -> Any:
    """Make one FusedMoE layer, fill it as from a checkpoint, and prepare it.

    Args:
        folder: As for ``make_layer``, like all but the next.
        shape: Sizes and activation.
        layer: The experts.
        form: The checkpoint's format.
        backend: Value of --moe-backend.
        **more: Further arguments of ``make_layer``.

    Returns:
        The layer's RoutedExperts, ready to run.
    """
    experts = make_layer(folder, shape, form, backend, **more)
    prepare(experts, shape, layer, form)
    return experts


def prepare(experts: Any, shape: Shape, layer: Layer, form: Format) -> None:
    """Fill the layer as from a checkpoint, and process what was loaded.

    Raises:
        AssertionError: A parameter was left out.
    """
    from vllm.config import VllmConfig, set_current_vllm_config

    expected = {name for name, _ in experts.named_parameters()}
    tensors = expert_tensors(layer, form, interleaved=shape.interleaved)
    loaded = set(experts.load_weights(tensors.items()))
    if loaded != expected:
        raise AssertionError(f"not loaded: {sorted(expected - loaded)}")
    with set_current_vllm_config(VllmConfig()):
        experts.quant_method.process_weights_after_loading(experts)


def inputs(
    shape: Shape, tokens: int, seed: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states, routing weights and expert ids, as the router would give them."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(tokens, shape.hidden, generator=rng).bfloat16()
    logits = torch.randn(tokens, shape.experts, generator=rng)
    weights, ids = logits.softmax(-1).topk(shape.top_k)
    return x, weights / weights.sum(-1, keepdim=True), ids


def run(
    experts: Any, x: torch.Tensor, weights: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    """RoutedExperts.forward_modular: the quantisation method, FusedMoEKernel.apply."""
    wanted = experts.quant_method.topk_indices_dtype or torch.int32
    return experts.forward_modular(x, weights, ids.to(wanted))


def apply(experts: Any, out: Any, x: Any, weights: Any, ids: Any) -> None:
    """What FusedMoEKernel.apply ends in."""
    experts.quant_method.moe_kernel.fused_experts.apply(
        output=out,
        hidden_states=x,
        w1=experts.w13_weight,
        w2=experts.w2_weight,
        topk_weights=weights,
        topk_ids=ids,
        activation=experts.activation,
        global_num_experts=experts.global_num_experts,
        expert_map=None,
        a1q_scale=None,
        a2_scale=None,
        workspace13=None,
        workspace2=None,
        expert_tokens_meta=None,
        apply_router_weight_on_input=False,
    )


def error(out: torch.Tensor, want: torch.Tensor) -> float:
    """Norm of the difference over the norm of the reference."""
    return ((out.float() - want).norm() / want.norm()).item()


Given = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def check(
    experts: Any,
    shape: Shape,
    layer: Layer,
    given: Given,
    doubles: list[Any],
    bound: float,
) -> float:
    """Run the layer, and hold output and call against the checkpoint.

    Args:
        experts: A loaded layer.
        shape: Its sizes.
        layer: What its checkpoint says.
        given: As from ``inputs``.
        doubles: Wrappers that were made; the last one gets the call.
        bound: Largest relative error.

    Returns:
        The relative error.

    Raises:
        AssertionError: The error is too large, a row is missing, FlashInfer would
            allocate for a conversion, or padding of the weights is not zero.
    """
    x, weights, ids = given
    out = run(experts, x, weights, ids)
    want = reference(layer, x, weights, ids, shape.activation, shape.swiglu)
    call = doubles[-1].calls[-1]
    assert out.shape == x.shape and out.dtype == x.dtype
    assert not call.conversions, f"FlashInfer converts {call.conversions} in each call"
    assert call.args["token_selected_experts"].dtype == torch.int32
    assert not call.weight_copies, "FlashInfer keeps a padded copy of the weights"
    assert not call.scale_copies, "FlashInfer keeps a padded copy of the block scales"
    unpadded_is_all(call.args, shape)
    assert torch.isfinite(out).all()
    alive = want.norm(dim=-1) > 0
    assert (out.float().norm(dim=-1)[alive] > 0).all(), "an output row is missing"
    found = error(out, want)
    assert found <= bound, f"error {found:.3f} > {bound} at sigma {shape.sigma}"
    return found


def unpadded_is_all(args: dict[str, torch.Tensor], shape: Shape) -> None:
    """See that rows of w1 and columns of w2 beyond the intermediate size are zero."""
    size = shape.intermediate
    w1, w2 = args["w1_weight"], args["w2_weight"]
    parts = w1.unflatten(1, (2 if shape.gated else 1, -1))
    assert not parts[:, :, size:].any(), "padding rows of w1 are not zero"
    assert not w2[:, :, size // 2 :].any(), "padding columns of w2 are not zero"
