# SPDX-License-Identifier: Apache-2.0
"""README's table of errors: vLLM's own loader, both formats, the real kernel.

The checkpoints, sizes and inputs are those of tests/on_cpu/in_vllm/test_numbers.py,
which asks the same of the double.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hopper_cases
from checkpoint import Format, Shape, make_layers, reference
from checkpoint_files import write_model
from hopper_cases import ERROR_TOKENS, SIGMAS
from loading import FORK, UPSTREAM, error, inputs, load_model, run

COLUMNS = hopper_cases.COLUMNS["errors"]


def rows(stage: Any) -> Iterator[list[Any]]:
    """The largest error of two layers, fork and upstream, for each number of tokens."""
    for form in Format:
        for sigma in SIGMAS:
            shape = Shape(sigma, layers=2, hidden=256, intermediate=256)
            with tempfile.TemporaryDirectory() as folder:
                sides = [
                    _side(stage, Path(folder), shape, form, b) for b in (FORK, UPSTREAM)
                ]
            for tokens in ERROR_TOKENS:
                found = [round(side[tokens], 4) for side in sides]
                yield [form.value, sigma, tokens, *found]
            if stage.recording:
                break


def _side(
    stage: Any, folder: Path, shape: Shape, form: Format, backend: str
) -> dict[int, float]:
    layers = make_layers(shape)
    at = folder / backend
    loaded = load_model(write_model(at, shape, layers, form), backend)
    worst = dict.fromkeys(ERROR_TOKENS, 0.0)
    for tokens in ERROR_TOKENS:
        given = inputs(shape, tokens)
        on = [t.to(stage.device) for t in given]
        for experts, layer in zip(loaded, layers, strict=True):
            out = run(experts, *on)
            if not stage.recording:
                found = error(out.cpu(), reference(layer, *given))
                worst[tokens] = max(worst[tokens], found)
    return worst
