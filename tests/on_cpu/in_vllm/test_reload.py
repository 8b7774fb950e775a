# SPDX-License-Identifier: Apache-2.0
"""Another checkpoint into a layer that has run, and calls beyond its capacity.

The reload is vLLM's own, layer by layer, with what CUDA graphs have captured left
where it is; the layers are ModelOpt's and compressed-tensors' own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint import Format, Layer, Shape, make_layers
from checkpoint_files import expert_tensors
from conftest import Doubles
from loading import FORK, check, error, inputs, load_layer, make_layer, prepare, run

BOUND = 0.25
OLD = Shape(0.02, hidden=256, intermediate=256, seed=0)
NEW = replace(OLD, sigma=0.005, seed=1)
EACH_FORMAT = pytest.mark.parametrize("form", Format, ids=lambda form: form.value)
Reload = Callable[[Any, Shape, Layer, Format], None]


def layerwise(experts: Any, shape: Shape, layer: Layer, form: Format) -> None:
    """What vLLM's reload_weights does with each layer of a model."""
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.model_executor.model_loader.reload import (
        finalize_layerwise_reload,
        initialize_layerwise_reload,
    )

    with set_current_vllm_config(VllmConfig()):
        initialize_layerwise_reload(experts)
        tensors = expert_tensors(layer, form, interleaved=shape.interleaved)
        assert set(experts.load_weights(tensors.items()))
        finalize_layerwise_reload(experts, None)


def reloadable(folder: Path, shape: Shape, form: Format) -> Any:
    """A loaded layer that vLLM can reload, with the checkpoint of its seed."""
    from vllm.model_executor.model_loader.reload import record_metadata_for_reloading

    experts = make_layer(folder, shape, form, FORK)
    record_metadata_for_reloading(experts)
    prepare(experts, shape, make_layers(shape)[0], form)
    return experts


def pointers(args: dict[str, torch.Tensor]) -> dict[str, int]:
    """Where the wrapper was told to look, but for what each call brings."""
    call = ("x", "token_selected_experts", "token_final_scales")
    return {name: t.data_ptr() for name, t in args.items() if name not in call}


@EACH_FORMAT
@pytest.mark.parametrize(
    ("activation", "intermediate"),
    [("silu", 256), ("silu", 96), ("swigluoai", 192), ("relu2_no_mul", 192)],
)
def test_reload_is_a_fresh_layer_at_the_old_addresses(
    activation: str, intermediate: int, form: Format, folder: Path, doubles: Doubles
) -> None:
    old, new = (
        replace(shape, activation=activation, intermediate=intermediate)
        for shape in (OLD, NEW)
    )
    given, layers = inputs(old, 64), [make_layers(s)[0] for s in (old, new)]
    fresh = load_layer(folder / "fresh", new, layers[1], form, FORK)
    want = run(fresh, *given).clone()
    experts = reloadable(folder, old, form)
    check(experts, old, layers[0], given, doubles, BOUND)
    wrapper = doubles[-1]
    before, fold = wrapper.calls[-1], wrapper._folded_w1_alpha
    for shape, layer in ((new, layers[1]), (old, layers[0]), (new, layers[1])):
        layerwise(experts, shape, layer, form)
        check(experts, shape, layer, given, doubles, BOUND)
        after = wrapper.calls[-1]
        assert pointers(after.args) == pointers(before.args)
        assert after.workspace is before.workspace
        assert after.alpha.data_ptr() == before.alpha.data_ptr() == fold.data_ptr()
    assert torch.equal(run(experts, *given), want)
    assert len(doubles) == 2, "a reload has made another wrapper"


@EACH_FORMAT
def test_a_captured_call_sees_the_new_checkpoint(
    form: Format, folder: Path, doubles: Doubles
) -> None:
    """What a CUDA graph replays: the first call's tensors, with nothing bound anew."""
    experts, given = reloadable(folder, OLD, form), inputs(OLD, 64)
    run(experts, *given)
    (wrapper,) = doubles
    captured = dict(wrapper.calls[-1].args)
    layer = make_layers(NEW)[0]
    layerwise(experts, NEW, layer, form)
    replayed = wrapper.run(**captured).clone()
    fresh = load_layer(folder / "fresh", NEW, layer, form, FORK)
    assert torch.equal(replayed, run(fresh, *given))


def test_a_second_processing_changes_nothing(folder: Path, doubles: Doubles) -> None:
    layer, given = make_layers(OLD)[0], inputs(OLD, 64)
    experts = load_layer(folder, OLD, layer, Format.MODELOPT, FORK)
    before = run(experts, *given).clone()
    kernel = experts.quant_method.moe_kernel.fused_experts
    tensors = {name: t.clone() for name, t in experts.named_parameters()}
    kernel.process_weights_after_loading(experts)
    assert torch.equal(run(experts, *given), before)
    assert len(doubles) == 1
    for name, tensor in experts.named_parameters():
        assert torch.equal(tensor, tensors[name]), name


@pytest.mark.parametrize(("dp_size", "capacity"), [(1, 64), (2, 128), (3, 192)])
def test_data_parallel_capacity_and_split(
    dp_size: int,
    capacity: int,
    folder: Path,
    doubles: Doubles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tokens of all ranks fit one call; more are split, with the same numbers.

    One process cannot be two ranks: only the class is told of them.
    """
    from vllm.model_executor.layers.fused_moe.experts import (
        flashinfer_cutedsl_sm12x_moe as module,
    )

    cls = module.FlashInferCuteDSLSM12xExperts
    right = cls.__init__
    layer, given = make_layers(OLD)[0], inputs(OLD, 300)
    whole = load_layer(folder / "whole", OLD, layer, Format.MODELOPT, FORK)
    want = run(whole, *given).clone()
    assert [call.num_tokens for call in doubles[-1].calls] == [300]

    def init(self: Any, moe_config: Any, quant_config: Any) -> None:
        config = copy.copy(moe_config)
        parallel = config.moe_parallel_config
        config.moe_parallel_config = replace(parallel, dp_size=dp_size)
        right(self, config, quant_config)

    monkeypatch.setattr(cls, "__init__", init)
    experts = load_layer(
        folder / "split", OLD, layer, Format.MODELOPT, FORK, max_tokens=64
    )
    out = run(experts, *given)
    wrapper = doubles[-1]
    counts = [min(capacity, 300 - at) for at in range(0, 300, capacity)]
    assert wrapper.max_num_tokens == capacity
    assert [call.num_tokens for call in wrapper.calls] == counts
    # All of them in the static kernel; BLAS sums in another order for other sizes.
    assert {call.regime for call in wrapper.calls} == {"static"}
    assert error(out, want.float()) < 2e-3
    assert torch.equal(out[:capacity], run(experts, *(t[:capacity] for t in given)))
    check_split_is_placed(wrapper.calls, out, capacity)


def check_split_is_placed(calls: list[Any], out: torch.Tensor, capacity: int) -> None:
    """Each part was written to its own rows of the output."""
    start = calls[0].output.data_ptr()
    step = capacity * out.stride(0) * out.element_size()
    assert start == out.data_ptr()
    for number, call in enumerate(calls[: -(-len(out) // capacity)]):
        assert call.output.data_ptr() == start + number * step
