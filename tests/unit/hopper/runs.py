# SPDX-License-Identifier: Apache-2.0
"""A made-up run of ``make hopper`` that keeps every bound and has every case."""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from scripts.hopper.facts import KINDS, REPLACED
from scripts.hopper.known import SKIPPED
from scripts.hopper.selftest import PLANTED
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm import hopper_models
from scripts.in_vllm.hopper_calls import (
    CASES,
    cuts,
    divided,
    launches,
    takes_gated,
    tile_of,
)
from scripts.in_vllm.hopper_models import MAX_TOKENS
from scripts.in_vllm.hopper_rows import folded, names
from scripts.series.identity import Identity

SERIES = Identity("a" * 40, "1" * 40)
OTHER = Identity("b" * 40, "2" * 40)
RELEASE = "9.9.9"
MACHINE = {
    "device": "NVIDIA H200",
    "capability": "9.0",
    "memory": "143771 MiB",
    "driver": "580.159",
    "CUDA of torch": "13.0",
    "torch": "2.11.0",
    "python": "3.12.3",
    "flashinfer-python": RELEASE,
    "nvidia-cutlass-dsl": "4.8.0",
    "date": "2026-11-30",
}
FILES = tuple(cases.TESTS)
BUNDLE = {
    **vars(SERIES),
    "ptxas": "13.5.37",
    "parts": {},
    "models": [model.name for model in hopper_models.models()],
    "tests": {c: dict.fromkeys(FILES, 24) for c in ("12.0", "12.1")},
    "replaced": dict.fromkeys(REPLACED, 20),
    "kinds": {"sm_120a": dict.fromkeys(KINDS, 3), "sm_121a": {}},
}
SAME, ONE = "100 of 100 the same bits", "1 of 1 the same bits"


def _regimes() -> Iterator[list[Any]]:
    """Each case with each activation, and each kind of scales."""
    for activation, scales in itertools.product(cases.ACTIVATIONS, cases.SCALES):
        for case in CASES:
            regime, tile = case.kernel(activation in cases.GATED)
            exact = regime in ("static", "direct_micro")
            rest = [0.0, 0.0, SAME, 0.0] if exact else [0.003, 0.003, "7 of 100 the "
                    "same bits", 0.004]  # fmt: skip
            yield [
                regime,
                tile or 64,
                activation,
                scales,
                case.tokens,
                0.16,
                0.16,
                *rest,
            ]


def _models() -> Iterator[list[Any]]:
    for model in hopper_models.models():
        is_gated, static = model.activation != "relu2_no_mul", 1024 // model.top_k
        ends = cuts(model.experts, model.top_k, is_gated, static) | {static}
        near = {n + d for n in ends for d in (-1, 0, 1) if 0 < n + d <= MAX_TOKENS}
        for ranks in model.ranks:
            size = model.intermediate // ranks
            head = [model.name, ranks, model.experts, model.top_k, model.hidden, size]
            for tokens in sorted(ends if model.few else near):
                tile = tile_of(tokens * model.top_k, model.experts, is_gated)
                gated = takes_gated(tile, is_gated, size, model.top_k)
                dynamic = "dynamic_gated" if gated else "dynamic"
                name = "static" if tokens <= static else dynamic
                name = "micro" if tokens <= 8 else name
                far, apart = (0.0004, 0.0) if name == "static" else (0.009, 0.009)
                call = [*head, name, tokens]
                rest = [far, min(0.02, far * tokens**0.5), apart]
                yield [*call, "all", 0.16, 0.16, *rest]
                if tokens not in ends:
                    continue
                yield [*call, "all padded", "0 not zero", "", "", "", ""]
                for rows in ("a third padded", "all to one expert", "a weight of 0"):
                    yield [*call, rows, "", "", *rest]


def _reciprocals() -> Iterator[list[Any]]:
    """The small cases and each layer, and what 1 / x does to each kernel's double."""
    far = {"micro": [0.003, 0.004] * 2, "static": [0.0, 0.0, 0.013, 0.03]}
    for case in divided():
        kernel = case.kernel(is_gated=True)[0]
        rest = far.get(kernel, [0.0] * 4)
        yield [cases.SMALL_LAYER, 1, case.intermediate, kernel, case.tokens, *rest]
    tokens = {"micro": 1, "static": 40, "dynamic": MAX_TOKENS}
    for model in hopper_models.models():
        for ranks in model.ranks if model.name in hopper_models.LAYERS_DIVIDED else ():
            for kernel, count in tokens.items():
                head = [model.name, ranks, model.intermediate // ranks]
                yield [*head, kernel, count, *far.get(kernel, far["micro"])]


def _rows() -> dict[str, list[list[Any]]]:
    planted = [name.partition(": ") for name in PLANTED]
    checks = Counter(kernel for kernel, _ in cases.INSTRUCTIONS)
    sizes = {model.name: model.intermediate for model in hopper_models.models()}
    return {
        "instructions": [
            *([*case, count, 0] for case, count in cases.INSTRUCTIONS.items()),
            *(
                [kernel, f"planted: {fault}", checks[kernel], 1]
                for kernel, _, fault in planted
            ),
        ],
        "regimes": [*_regimes()],
        "reciprocals": [*_reciprocals()],
        "errors": [
            [*case, 0.16, 1.8]
            for case in itertools.product(
                cases.FORMATS, cases.SIGMAS, cases.ERROR_TOKENS
            )
        ],
        "models": [*_models()],
        "graphs": [
            [*case, 48, 0.16, 48]
            for case in itertools.product(cases.GRAPH_TOKENS, cases.GRAPHS)
        ],
        "linear": [
            [m, n, k, "128x128", how, m * n, 0, 0, 0.0016, runs]
            for how, runs in ((cases.OWN_CHOICE, SAME), ("tactic 0", ONE))
            for (n, k), m in itertools.product(cases.LINEAR_SHAPES, cases.LINEAR_TOKENS)
        ],
        "w4a16": [
            [name, sizes[name], "B12xExperts", "8", tokens, rows, 0.003, 0.005, SAME]
            for name, tokens, rows in itertools.product(
                cases.W4A16_MODELS, cases.W4A16_TOKENS, cases.W4A16_ROWS
            )
        ],
        "seed": [
            [file, capability, 24 - left, 0, left, ""]
            for file, capability in itertools.product(FILES, ("12.0", "12.1"))
            for left in [SKIPPED.get((file, capability), 0)]
        ],
        "sanitizer": [
            [tool, kind, 0, 0, launches(kind), ""]
            for tool, kind in itertools.product(cases.TOOLS, cases.KINDS)
        ],
        "engine": [[how, "tokens [1]"] for how in cases.HOW],
    }


def result() -> dict[str, Any]:
    """As run.py writes it; the caller's own."""
    found: dict[str, Any] = pickle.loads(_whole())
    return found


@cache
def _whole() -> bytes:
    parts = {
        name: {"of": [], "columns": [*cases.COLUMNS[name]], "rows": rows, "failed": ""}
        for name, rows in _rows().items()
    }
    bundle = deepcopy(BUNDLE) | {"rows": prepared(parts)}
    return pickle.dumps({"machine": MACHINE, "bundle": bundle, "parts": parts})


def prepared(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What the bundle says where it was prepared for these rows."""
    return {
        name: folded(names(cases.COLUMNS[name], parts[name]["rows"], by))
        for name, by in cases.NAMED.items()
    }


def changed(part: str, row: int, column: str, value: Any) -> dict[str, Any]:
    """The same with another value at one place."""
    found = result()
    told = found["parts"][part]
    told["rows"][row][told["columns"].index(column)] = value
    return found


def at(part: str, **values: Any) -> int:
    """Number of the first row of a part with these values."""
    columns = cases.COLUMNS[part]
    for number, row in enumerate(result()["parts"][part]["rows"]):
        named = dict(zip(columns, row, strict=True))
        if all(named[name] == value for name, value in values.items()):
            return number
    raise AssertionError(f"{part}: {values}")
