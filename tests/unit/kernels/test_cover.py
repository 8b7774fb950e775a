# SPDX-License-Identifier: Apache-2.0
"""Which kernels stand for all, on made-up layers."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from scripts import IN_VLLM

MODELS = [{"name": f"model {n}", "activation": "relu" if n else "silu"} for n in (0, 1)]
TILES = ("16x128", "64x128")


@pytest.fixture(scope="module")
def inside() -> ModuleType:
    path = Path(IN_VLLM) / "kernel_cover.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def job(key: str, kind: str, **detail: Any) -> Any:
    return SimpleNamespace(key=key, kind=kind, detail=detail, triton=False)


def experts(cover: Any, w4a16: bool = False) -> None:
    """Two models at two numbers of ranks, each with two tiles of two kinds."""
    for model, ranks in itertools.product(MODELS, (1, 2)):
        where = {"layer": "moe", "tp": ranks, "w4a16": w4a16}
        for kind, tile in itertools.product(("micro", "dynamic"), TILES):
            for tokens in (1, 2):
                key = f"{model['name']} TP{ranks} {kind} {tile} M={tokens}"
                cover.note(model, where, job(key, kind, tile=tile), False)


def test_each_architecture_has_each_tile_with_each_activation(
    inside: ModuleType,
) -> None:
    for number in (0, 1):
        experts(cover := inside.Cover(number, 2))
        chosen = cover.chosen()
        for model, kind, tile in itertools.product(MODELS, ("micro", "dynamic"), TILES):
            like = [k for k in chosen if k.startswith(str(model["name"]))]
            assert any(f" {kind} {tile} " in key for key in like), (number, chosen)
        # All of them, of which each model has one activation.
        assert all(key.endswith("M=2") for key in chosen)
        assert len(chosen) < cover.differ() == 16


def test_the_architectures_together_have_each_number_of_ranks(
    inside: ModuleType,
) -> None:
    both: list[str] = []
    for number in (0, 1):
        experts(cover := inside.Cover(number, 2))
        both += cover.chosen()
    for ranks, kind in itertools.product((1, 2), ("micro", "dynamic")):
        assert any(f" TP{ranks} {kind} " in key for key in both), both


def test_one_architecture_alone_stands_for_as_much_as_both(inside: ModuleType) -> None:
    experts(cover := inside.Cover(0, 1))
    chosen = cover.chosen()
    for ranks, kind in itertools.product((1, 2), ("micro", "dynamic")):
        assert any(f" TP{ranks} {kind} " in key for key in chosen), chosen


def test_a_kernel_stands_for_where_it_was_reached_first(inside: ModuleType) -> None:
    """One that two numbers of ranks pad to the same size is named after one of them."""
    cover = inside.Cover(0, 1)
    for ranks, keys in ((1, ("one",)), (2, ("same",)), (4, ("four", "same"))):
        where = {"layer": "moe", "tp": ranks, "w4a16": False}
        for key in keys:
            cover.note(MODELS[0], where, job(key, "dynamic", tile="64x128"), False)
    assert {"four", "same"} <= set(cover.chosen())


def test_w4a16_has_each_tile_and_takes_turns_with_activations(
    inside: ModuleType,
) -> None:
    both: list[str] = []
    for number in (0, 1):
        experts(cover := inside.Cover(number, 2), w4a16=True)
        chosen = cover.chosen()
        for kind, tile in itertools.product(("micro", "dynamic"), TILES):
            assert any(f" {kind} {tile} " in key for key in chosen), chosen
        both += chosen
    for model, kind, tile in itertools.product(MODELS, ("micro", "dynamic"), TILES):
        like = [k for k in both if k.startswith(str(model["name"]))]
        assert any(f" {kind} {tile} " in key for key in like), both


def test_of_gemms_only_the_tuned_ones_take_turns(inside: ModuleType) -> None:
    where = {"layer": "linear", "tp": 1}
    found = []
    for number in (0, 1):
        cover = inside.Cover(number, 2)
        for n in range(8):
            cover.note(MODELS[0], where, job(f"own {n}", "dense", tile=n), False)
            cover.note(MODELS[0], where, job(f"tuned {n}", "dense", tile=-n - 1), True)
        found.append(set(cover.chosen()))
    assert found[0] & found[1] == {f"own {n}" for n in range(8)}
    assert found[0] | found[1] >= {f"tuned {n}" for n in range(8)}
