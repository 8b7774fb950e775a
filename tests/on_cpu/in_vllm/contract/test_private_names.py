# SPDX-License-Identifier: Apache-2.0
"""What the class relies on in FlashInfer that has no public contract.

A real layer of vLLM drives the real B12xMoEWrapper on CPU tensors up to the launch of
the kernel, whose arguments are written down.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from checkpoint import Format, Shape, make_layers
from conftest import replace_wrapper
from loading import FORK, apply, inputs, load_layer, run
from standin import real_wrapper

from .host import Launch

SHAPE = Shape(0.02, hidden=256, intermediate=256)
TOKENS = [1, 100, 600]  # micro, static and dynamic
FOLD = "_folded_w1_alpha"
Made = list[Any]


def on_cpu(monkeypatch: pytest.MonkeyPatch, wrapper: type) -> Made:
    """Have vLLM make this wrapper on the CPU; the list has those made."""
    wrappers: Made = []

    class Wrapper(wrapper):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs | {"device": "cpu"})
            wrappers.append(self)

    replace_wrapper(monkeypatch, Wrapper)
    return wrappers


@pytest.fixture
def made(worker: None, launches: list[Launch], monkeypatch: pytest.MonkeyPatch) -> Made:
    return on_cpu(monkeypatch, real_wrapper())


def changed(old: str, new: str) -> type:
    """FlashInfer's wrapper from its source with ``old`` replaced everywhere."""
    module = sys.modules[real_wrapper().__module__]
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert old in source
    other = ModuleType(module.__name__)
    other.__dict__.update(__package__=module.__package__, __file__=module.__file__)
    exec(compile(source.replace(old, new), module.__file__, "exec"), other.__dict__)
    return other.B12xMoEWrapper


def load(folder: Path) -> Any:
    layer = make_layers(SHAPE)[0]
    return load_layer(folder, SHAPE, layer, Format.MODELOPT, FORK)


def see_the_fold_refreshed(
    experts: Any, wrappers: Made, launches: list[Launch]
) -> None:
    """Reload other scales, and hold the product that the kernel gets to its place.

    Raises:
        AssertionError: FlashInfer's name is gone, or the product is stale or moved.
    """
    given = inputs(SHAPE, 100)
    run(experts, *given)
    (wrapper,) = wrappers
    folded, state = getattr(wrapper, FOLD, None), experts.flashinfer_cutedsl_sm12x_state
    assert folded is not None, "FlashInfer has renamed its product"
    before, address = folded.clone(), folded.data_ptr()
    assert launches[-1]["alpha"].data_ptr() == address
    experts.w13_weight_scale_2.data.mul_(2)
    experts.w13_input_scale.data.mul_(4)
    experts.quant_method.moe_kernel.fused_experts.process_weights_after_loading(experts)
    # What a captured graph would read, before any other call.
    assert getattr(wrapper, FOLD) is folded and folded.data_ptr() == address
    assert torch.equal(folded, before * 8)
    run(experts, *given)
    assert wrappers == [wrapper], "another wrapper was made"
    assert launches[-1]["alpha"].data_ptr() == address
    assert torch.equal(launches[-1]["alpha"], state.w1_alpha * state.a1_scale)


def test_the_fold_is_refreshed_at_its_address(
    folder: Path, made: Made, launches: list[Launch]
) -> None:
    see_the_fold_refreshed(load(folder), made, launches)


@pytest.fixture
def renamed(
    worker: None, launches: list[Launch], monkeypatch: pytest.MonkeyPatch
) -> Made:
    return on_cpu(monkeypatch, changed(FOLD, "_w1_alpha_product"))


def test_a_renamed_fold_is_found(
    folder: Path, renamed: Made, launches: list[Launch]
) -> None:
    with pytest.raises(AssertionError, match="renamed its product"):
        see_the_fold_refreshed(load(folder), renamed, launches)


def test_a_moved_fold_is_found(
    folder: Path,
    worker: None,
    launches: list[Launch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if FlashInfer made the product anew in each call."""
    always = changed(f"self.{FOLD} is None or", "True or")
    with pytest.raises(AssertionError):
        see_the_fold_refreshed(load(folder), on_cpu(monkeypatch, always), launches)


def test_without_the_name_a_reload_makes_another_wrapper(
    folder: Path, renamed: Made, launches: list[Launch]
) -> None:
    """The numbers are right then, but at another address than a graph has captured."""
    experts, given = load(folder), inputs(SHAPE, 100)
    run(experts, *given)
    before = launches[-1]["alpha"].clone()
    experts.w13_weight_scale_2.data.mul_(2)
    experts.quant_method.moe_kernel.fused_experts.process_weights_after_loading(experts)
    run(experts, *given)
    assert len(renamed) == 2
    assert torch.equal(launches[-1]["alpha"], before * 2)


def out_pointer(launch: Launch) -> int:
    out = launch["out"]
    return out if isinstance(out, int) else out.data_ptr()


def see_the_output_in_place(
    experts: Any, wrappers: Made, launches: list[Launch], tokens: int
) -> None:
    """Hold the kernel's output pointer to the tensor that ``apply`` was given.

    Raises:
        AssertionError: The kernel writes elsewhere.
    """
    x, weights, ids = inputs(SHAPE, tokens)
    for _ in range(2):
        out = torch.empty_like(x)
        apply(experts, out, x, weights, ids.int())
        (wrapper,) = wrappers
        assert wrapper._moe_output.data_ptr() == out.data_ptr()
        assert wrapper._moe_output.shape == out.shape
        assert out_pointer(launches[-1]) == out.data_ptr(), "written elsewhere"


@pytest.mark.parametrize("tokens", TOKENS)
def test_the_kernel_writes_vllms_output(
    tokens: int, folder: Path, made: Made, launches: list[Launch]
) -> None:
    see_the_output_in_place(load(folder), made, launches, tokens)


def test_an_output_of_its_own_is_found(
    folder: Path,
    worker: None,
    launches: list[Launch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if FlashInfer kept the memory that ``shared_output`` had when it was made."""
    line = "self._moe_output = self._shared_output"
    made = on_cpu(monkeypatch, changed(line, f"{line}.detach()"))
    with pytest.raises(AssertionError):
        see_the_output_in_place(load(folder), made, launches, 100)
