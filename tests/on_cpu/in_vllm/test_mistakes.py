# SPDX-License-Identifier: Apache-2.0
"""The check of test_numbers must fail on mistakes that are planted on purpose.

Each mistake changes what reaches FlashInfer's wrapper, in a path that is otherwise
the fork's. Without one, the same check passes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint import Format, Shape, make_layers
from conftest import Doubles
from loading import FORK, check, inputs, load_layer

BOUND = 0.25
# 192 is padded to 256. At the small sigma no scale can be left out; but there silu is
# linear, so gate and up can be exchanged: the large one is needed as well.
SHAPE, LARGE = (
    Shape(sigma, experts=4, hidden=256, intermediate=192, top_k=2)
    for sigma in (0.003, 0.05)
)
Args = dict[str, Any]
Mistake = Callable[[Args], None]


def swap_halves(t: torch.Tensor) -> torch.Tensor:
    return t.roll(t.shape[1] // 2, 1).contiguous()


def plain(view: torch.Tensor) -> torch.Tensor:
    """The scales behind an MMA view, as [E, rows, columns] in plain order."""
    rows = view.permute(5, 2, 1, 0, 4, 3)
    return rows.reshape(view.shape[5], view.shape[2] * 128, -1)


def as_view(scales: torch.Tensor, *, swizzle: bool) -> torch.Tensor:
    """The MMA view over these scales, or over their bytes in plain order."""
    experts, rows, columns = scales.shape
    tiles = (experts, rows // 128, 4, 32, columns // 4, 4)
    if swizzle:
        stored = scales.reshape(tiles).permute(0, 1, 4, 3, 2, 5).contiguous()
    else:
        stored = scales.contiguous().view(experts, rows // 128, columns // 4, 32, 4, 4)
    return stored.permute(3, 4, 1, 5, 2, 0)


def order_not_swapped(args: Args) -> None:
    args["w1_weight"] = swap_halves(args["w1_weight"])
    scales_not_swapped(args)


def scales_not_swapped(args: Args) -> None:
    swapped = swap_halves(plain(args["w1_weight_sf"]).view(torch.uint8))
    view = as_view(swapped.view(torch.float8_e4m3fn), swizzle=True)
    args["w1_weight_sf"] = view


def w1_scales_not_swizzled(args: Args) -> None:
    args["w1_weight_sf"] = as_view(plain(args["w1_weight_sf"]), swizzle=False)


def w2_scales_not_swizzled(args: Args) -> None:
    args["w2_weight_sf"] = as_view(plain(args["w2_weight_sf"]), swizzle=False)


def weight_scale_counted_twice(args: Args) -> None:
    args["w1_alpha"] = args["w1_alpha"] ** 2


def input_scale_counted_twice(args: Args) -> None:
    # The wrapper multiplies it in by itself.
    args["w1_alpha"] = args["w1_alpha"] * args["input_global_scale"]


def middle_scale_counted_twice(args: Args) -> None:
    args["w2_alpha"] = args["w2_alpha"] * args["fc2_input_scale"]


def inverse_input_scale(args: Args) -> None:
    args["input_global_scale"] = 1 / args["input_global_scale"]


def inverse_middle_scale(args: Args) -> None:
    """With the output scaled to suit it, as the seed and upstream tried."""
    scale = args["fc2_input_scale"]
    args["w2_alpha"] = args["w2_alpha"] / scale**2
    args["fc2_input_scale"] = 1 / scale


def inverse_weight_scale(args: Args) -> None:
    args["w1_alpha"] = 1 / args["w1_alpha"]


def calibrated_middle_scale_dropped(args: Args) -> None:
    """Consistently so: the product is right, and block scales underflow."""
    args["w2_alpha"] = args["w2_alpha"] / args["fc2_input_scale"]
    args["fc2_input_scale"] = torch.ones_like(args["fc2_input_scale"])


def input_scale_dropped_as_w1_alpha(args: Args) -> None:
    """FlashInfer then quantises the input with w1_alpha in its place."""
    args["w1_alpha"] = args["w1_alpha"] * args.pop("input_global_scale")


def ids_of_wrong_dtype(args: Args) -> None:
    ids = args["token_selected_experts"]
    args["token_selected_experts"] = ids.to(torch.int64)


def ids_shifted(args: Args) -> None:
    ids = args["token_selected_experts"]
    args["token_selected_experts"] = (ids + 1) % SHAPE.experts


def routing_weights_halved(args: Args) -> None:
    args["token_final_scales"] = args["token_final_scales"] / 2


def padding_rows_of_w1(args: Args) -> None:
    w1 = args["w1_weight"].clone()
    w1.unflatten(1, (2, -1))[:, :, SHAPE.intermediate :] = 0x11
    args["w1_weight"] = w1


def padding_columns_of_w2(args: Args) -> None:
    w2 = args["w2_weight"].clone()
    w2[:, :, SHAPE.intermediate // 2 :] = 0x11
    args["w2_weight"] = w2


MISTAKES: tuple[Mistake, ...] = (
    order_not_swapped,
    scales_not_swapped,
    w1_scales_not_swizzled,
    w2_scales_not_swizzled,
    weight_scale_counted_twice,
    input_scale_counted_twice,
    middle_scale_counted_twice,
    inverse_input_scale,
    inverse_middle_scale,
    inverse_weight_scale,
    calibrated_middle_scale_dropped,
    input_scale_dropped_as_w1_alpha,
    ids_of_wrong_dtype,
    ids_shifted,
    routing_weights_halved,
    padding_rows_of_w1,
    padding_columns_of_w2,
)


@pytest.fixture
def layer_check(folder: Path, doubles: Doubles) -> Callable[[Shape], float]:
    """Check one layer of the fork, as test_numbers does."""

    def run_check(shape: Shape) -> float:
        layer = make_layers(shape)[0]
        experts = load_layer(folder, shape, layer, Format.MODELOPT, FORK)
        given = inputs(shape, 33)
        return check(experts, shape, layer, given, doubles, BOUND)

    return run_check


def plant(monkeypatch: pytest.MonkeyPatch, doubles: Doubles, mistake: Mistake) -> None:
    """Change the arguments of every later ``run``."""
    right = doubles.wrapper.run

    def run(self: Any, **args: Any) -> torch.Tensor:
        mistake(args)
        return right(self, **args)

    monkeypatch.setattr(doubles.wrapper, "run", run)


def test_no_mistake_passes(
    layer_check: Callable[[Shape], float],
    doubles: Doubles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch, doubles, lambda args: None)
    assert max(layer_check(SHAPE), layer_check(LARGE)) <= BOUND


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.__name__)
def test_mistake_is_found(
    mistake: Mistake,
    layer_check: Callable[[Shape], float],
    doubles: Doubles,
    monkeypatch: pytest.MonkeyPatch,
    table: Callable[[str], None],
    figures: Callable[..., None],
) -> None:
    plant(monkeypatch, doubles, mistake)
    found = []
    for shape in (SHAPE, LARGE):
        try:
            layer_check(shape)
        except AssertionError as error:
            found.append(str(error).splitlines()[0])
    assert found
    table(f"planted mistake {mistake.__name__:32} {'; '.join(found)}")
    figures("errors", "planted", mistake=mistake.__name__, found=found, bound=BOUND)


def test_missing_output_row_is_found(
    layer_check: Callable[[Shape], float],
    doubles: Doubles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = doubles.wrapper.run

    def run(self: Any, **args: Any) -> torch.Tensor:
        out = right(self, **args)
        out[-1] = 0
        return out

    monkeypatch.setattr(doubles.wrapper, "run", run)
    with pytest.raises(AssertionError, match="an output row is missing"):
        layer_check(SHAPE)


def test_workspace_of_another_configuration_is_found(
    folder: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose workspace it is, is not looked at: every wrapper gets the first one's."""
    first: Args = {}
    right = doubles.wrapper.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        shared = {k: v for k, v in kwargs.items() if k.endswith("_workspace")}
        assert shared, "the wrapper is given no workspace"
        first.update({k: v for k, v in shared.items() if k not in first})
        right(self, *args, **kwargs | first)

    monkeypatch.setattr(doubles.wrapper, "__init__", init)
    other = Shape(0.02, experts=4, hidden=256, intermediate=320, top_k=2)
    for number, shape in enumerate((SHAPE, other)):
        layer = make_layers(shape)[0]
        experts = load_layer(folder / f"{number}", shape, layer, Format.MODELOPT, FORK)
        given = inputs(shape, 33)
        if shape is SHAPE:
            check(experts, shape, layer, given, doubles, BOUND)
        else:
            with pytest.raises(ValueError, match="workspace mismatch"):
                check(experts, shape, layer, given, doubles, BOUND)
