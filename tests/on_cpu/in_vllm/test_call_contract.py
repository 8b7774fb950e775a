# SPDX-License-Identifier: Apache-2.0
"""Every call that the series makes fits the FlashInfer that is installed here."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from checkpoint import Format, Shape, make_layers
from conftest import Doubles
from loading import FORK, inputs, load_layer, run
from standin import forget_lazy_imports, real_wrapper

SM12X = "flashinfer.fused_moe.cute_dsl.blackwell_sm12x"
# What the series calls of FlashInfer, besides B12xMoEWrapper.
FUNCTIONS = (
    (f"{SM12X}.moe_dispatch", "allocate_sm120_moe_workspace"),
    (f"{SM12X}.moe_dispatch", "select_sm120_moe_backend"),
    (f"{SM12X}.moe_dispatch", "static_needs_256_extent"),
    ("flashinfer.cute_dsl.utils", "convert_sf_to_mma_layout"),
)
SHAPES = [
    Shape(0.02, activation=name, intermediate=size)
    for name, size in (("silu", 128), ("gelu_tanh", 192), ("relu2_no_mul", 192))
]
TOKENS = 600  # more routed rows than are static: both workspaces are needed
Calls = list[tuple[str, Callable[..., Any], dict[str, Any]]]


@pytest.fixture
def calls(doubles: Doubles, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Name, real object and keywords of each call into FlashInfer."""
    seen: Calls = []

    def spy(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(real)  # vllm asks for its signature
        def call(*args: Any, **kwargs: Any) -> Any:
            given = inspect.signature(real).bind_partial(*args).arguments
            seen.append((name, real, given | kwargs))
            return real(*args, **kwargs)

        return call

    for module, name in FUNCTIONS:
        real = getattr(import_module(module), name)
        monkeypatch.setattr(f"{module}.{name}", spy(real, name))
    forget_lazy_imports()
    wrapper, double = real_wrapper(), doubles.wrapper
    for method in ("__init__", "run"):
        monkeypatch.setattr(double, method, spy_method(method, wrapper, double, seen))
    return seen


def spy_method(
    method: str, real: type, double: type, seen: Calls
) -> Callable[..., Any]:
    """The double's method, writing down what the real one would have been given."""
    original = getattr(double, method)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        assert not args, "FlashInfer's wrapper is given positional arguments"
        seen.append((method, getattr(real, method), kwargs))
        return original(self, **kwargs)

    return call


def load_and_run(shape: Shape, folder: Path) -> Any:
    experts = load_layer(folder, shape, make_layers(shape)[0], Format.MODELOPT, FORK)
    run(experts, *inputs(shape, TOKENS))
    return experts


def bind(real: Callable[..., Any], name: str, kwargs: dict[str, Any]) -> None:
    """Raise TypeError where FlashInfer lacks a keyword, or wants one more."""
    own = {"self": None} if name in ("__init__", "run") else {}
    inspect.signature(real).bind(**own | kwargs)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.activation)
def test_every_keyword_binds(shape: Shape, folder: Path, calls: Calls) -> None:
    load_and_run(shape, folder)
    names = {name for name, _, _ in calls}
    assert {"__init__", "run", "allocate_sm120_moe_workspace"} <= names
    for name, real, kwargs in calls:
        bind(real, name, kwargs)


def test_a_renamed_keyword_does_not_bind(folder: Path, calls: Calls) -> None:
    load_and_run(SHAPES[0], folder)
    for name, real, kwargs in calls:
        signature = inspect.signature(real)
        for gone in kwargs:
            left = [
                p.replace(name="renamed") if p.name == gone else p
                for p in signature.parameters.values()
            ]

            def renamed() -> None: ...

            renamed.__signature__ = signature.replace(parameters=left)
            with pytest.raises(TypeError, match=f"'{gone}'|'renamed'"):
                bind(renamed, name, kwargs)


@pytest.fixture
def called_by_vllm() -> Iterator[set[str]]:
    """Qualified names of FlashInfer's functions that vLLM's files call."""
    import flashinfer
    import vllm

    theirs, ours = (str(Path(m.__file__).parent) for m in (flashinfer, vllm))
    names: set[str] = set()

    def look(frame: FrameType, event: str, _: object) -> None:
        code, caller = frame.f_code, frame.f_back
        if event != "call" or caller is None or code.co_name == "<module>":
            return
        if code.co_filename.startswith(theirs) and caller.f_code.co_filename.startswith(
            ours
        ):
            names.add(code.co_qualname)

    sys.setprofile(look)
    yield names
    sys.setprofile(None)


def test_nothing_else_of_flashinfer_is_called(
    folder: Path, doubles: Doubles, called_by_vllm: set[str]
) -> None:
    # Experts that no other test has, so that there is no workspace for them yet.
    load_and_run(replace(SHAPES[0], experts=5), folder)
    assert called_by_vllm == {name for _, name in FUNCTIONS}


def test_the_real_constructor_takes_them(
    folder: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real workspaces of the real allocator, but on the CPU."""
    built = []
    init = doubles.wrapper.__init__

    def both(self: Any, **kwargs: Any) -> None:
        built.append((real_wrapper()(**kwargs | {"device": "cpu"}), kwargs))
        short = kwargs["shared_output"][:1]
        with pytest.raises(ValueError, match="shared_output"):
            real_wrapper()(**kwargs | {"device": "cpu", "shared_output": short})
        init(self, **kwargs)

    monkeypatch.setattr(doubles.wrapper, "__init__", both)
    load_and_run(SHAPES[0], folder)
    ((wrapper, kwargs),) = built
    assert wrapper.num_experts == SHAPES[0].experts
    # The very tensor, so that FlashInfer writes where the series points it.
    assert wrapper._moe_output is kwargs["shared_output"]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.activation)
def test_values_are_what_flashinfer_documents(
    shape: Shape, folder: Path, calls: Calls
) -> None:
    experts = load_and_run(shape, folder)
    (args,) = [kwargs for name, _, kwargs in calls if name == "run"]
    count, hidden, top_k = shape.experts, shape.hidden, shape.top_k
    size = -(-shape.intermediate // 128) * 128
    wide = args["w2_weight"].shape[2] * 2
    assert wide in (size, -(-size // 256) * 256)  # I, padded to a tile or two
    rows = wide * (2 if shape.gated else 1)
    expected = {
        "x": (torch.bfloat16, (TOKENS, hidden)),
        "w1_weight": (torch.uint8, (count, rows, hidden // 2)),
        "w2_weight": (torch.uint8, (count, hidden, wide // 2)),
        "w1_alpha": (torch.float32, (count,)),
        "w2_alpha": (torch.float32, (count,)),
        "fc2_input_scale": (torch.float32, (count,)),
        "input_global_scale": (torch.float32, (count,)),
        "token_selected_experts": (torch.int32, (TOKENS, top_k)),
        "token_final_scales": (torch.float32, (TOKENS, top_k)),
    }
    views = {
        "w1_weight_sf": (rows, hidden // 16, experts.w13_weight_scale),
        "w2_weight_sf": (hidden, wide // 16, experts.w2_weight_scale),
    }
    assert set(args) == set(expected) | set(views)
    for name, (dtype, dims) in expected.items():
        value = args[name]
        assert (value.dtype, tuple(value.shape)) == (dtype, dims), name
        assert value.is_contiguous(), name
    for name, (m, k, parameter) in views.items():
        view = args[name]
        assert view.dtype == torch.float8_e4m3fn, name
        assert view.shape == (32, 4, m // 128, 4, k // 4, count), name
        # Storage order E, row tile, column tile, 32, 4, 4: a view of the parameter.
        assert view.permute(5, 2, 4, 0, 1, 3).is_contiguous(), name
        assert view.data_ptr() == parameter.data_ptr(), name
