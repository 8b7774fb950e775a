# SPDX-License-Identifier: Apache-2.0
"""What a run has to show to be kept, and what of it is not there.

The cases themselves are in scripts/in_vllm/hopper_cases.py, where the parts take them
from.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.base.chips import CAPABILITIES
from scripts.hopper.known import HELD
from scripts.hopper.selftest import PLANTED
from scripts.hopper.tables import Row, ran, runs, table
from scripts.in_vllm import hopper_calls, hopper_models
from scripts.in_vllm import hopper_cases as cases
from scripts.in_vllm.hopper_calls import CASES
from scripts.in_vllm.hopper_rows import names, unfolded

_SHOWN = 4
_REQUIRED_ALONE = ("seed", "reciprocals")
"""Parts that only the FlashInfer that the series requires has to have."""


def missing(record: Mapping[str, Any], whole: bool) -> list[str]:
    """What is not there, a line each part.

    Args:
        record: Of all parts.
        whole: Its FlashInfer is the one that the series requires. Of another one the
            bundle may have been prepared without the series' tests and with those
            models alone that known.py names.
    """
    there, prepared = ran(record), _models_of(record)
    asked = [name for name in cases.PARTS if whole or name not in _REQUIRED_ALONE]
    found = [f"{name}: it was not run" for name in asked if name not in there]
    names_of = [model.name for model in hopper_models.models()]
    if not whole:
        names_of = list(HELD.get(record["machine"]["flashinfer-python"], ()))
    found += [
        f"models: the bundle has no {name}" for name in names_of if name not in prepared
    ]
    if whole:
        found += [
            f"seed: the bundle has no tests of {file} for {capability}"
            for capability in CAPABILITIES
            for file in cases.TESTS
            if not record["bundle"]["tests"].get(capability, {}).get(file)
        ]
    for name in (*cases.PARTS, *cases.PAIR):
        key, wanted = _CASES[name]
        if name not in there:
            continue
        rows = Counter(one for row in table(record, name) for one in key(row))
        needed = Counter(wanted(record))
        if lost := [*(needed - rows)]:
            found.append(f"{name}: no row of {_told(lost)}")
        elif name in cases.NAMED:
            for run in runs(record):
                found += _other_rows(run, name) if name in run["parts"] else ()
        elif more := [*(rows - needed)]:
            found.append(f"{name}: a row twice, or of no case: {_told(more)}")
    return found


_Case = tuple[Any, ...]


def _told(rows: Sequence[_Case]) -> str:
    told = "; ".join(" ".join(map(str, case)) for case in rows[:_SHOWN])
    return told + (f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else "")


def _models_of(record: Mapping[str, Any]) -> set[str]:
    return {name for run in runs(record) for name in run["bundle"]["models"]}


def _other_rows(run: Mapping[str, Any], name: str) -> Iterator[str]:
    """Where a part has not the rows that its bundle was prepared for."""
    part = run["parts"][name]
    there = Counter(names(cases.COLUMNS[name], part["rows"], cases.NAMED[name]))
    prepared = unfolded(run["bundle"]["rows"].get(name, {}))
    if lost := [*(prepared - there)]:
        yield f"{name}: no row of {_told(lost)}"
    if more := [*(there - prepared)]:
        yield f"{name}: a row twice, or of no case: {_told(more)}"


_Key = Callable[[Row], Iterable[_Case]]


def _by(*names: str) -> _Key:
    return lambda row: [tuple(row[name] for name in names)]


def _instructions(_: Any) -> Iterator[_Case]:
    yield from cases.INSTRUCTIONS
    for name in PLANTED:
        kernel, _, fault = name.partition(": ")
        yield kernel, f"planted: {fault}"


def _regime(row: Row) -> list[_Case]:
    dynamic = str(row["regime"]).startswith("dynamic")
    kernel = row["regime"], row["tile"] if dynamic else None
    return [(row["activation"], row["scales"], row["tokens"], *kernel)]


def _regimes(_: Any) -> Iterator[_Case]:
    for activation in cases.ACTIVATIONS:
        for scales, case in itertools.product(cases.SCALES, CASES):
            kernel = case.kernel(activation in cases.GATED)
            yield activation, scales, case.tokens, *kernel


def _divided(row: Row) -> list[_Case]:
    if row["layer"] == cases.SMALL_LAYER:
        return [(row["layer"], row["kernel"], row["tokens"])]
    regime = str(row["kernel"]).removeprefix("direct_").removesuffix("_gated")
    return [(row["layer"], row["ranks"], regime)]


def _reciprocals(_: Any) -> Iterator[_Case]:
    for case in hopper_calls.divided():
        yield cases.SMALL_LAYER, case.kernel(is_gated=True)[0], case.tokens
    for model in hopper_models.models():
        for ranks in model.ranks if model.name in hopper_models.LAYERS_DIVIDED else ():
            for regime in ("micro", "static", "dynamic"):
                yield model.name, ranks, regime


def _kernels(row: Row) -> list[_Case]:
    # direct_micro is micro's, where it can, and dynamic_gated the dynamic kernel's.
    kernel, whole = str(row["kernel"]), row["rows"] == cases.WHOLE
    regime = kernel.removeprefix("direct_").removesuffix("_gated")
    return [(row["model"], row["ranks"], regime if whole else row["rows"])]


def _models(record: Mapping[str, Any]) -> Iterator[_Case]:
    prepared = _models_of(record)
    for model in hopper_models.models():
        for ranks in model.ranks if model.name in prepared else ():
            for what in ("micro", "static", "dynamic", *cases.OTHER_ROWS):
                yield model.name, ranks, what


def _linear(_: Any) -> Iterator[_Case]:
    for (n, k), m in itertools.product(cases.LINEAR_SHAPES, cases.LINEAR_TOKENS):
        yield m, n, k, cases.OWN_CHOICE


def _seed(record: Mapping[str, Any]) -> Iterator[_Case]:
    for capability, files in record["bundle"]["tests"].items():
        for file in files:
            yield file, capability


def _all(*values: Iterable[Any]) -> Callable[[Any], Iterable[_Case]]:
    return lambda _: itertools.product(*values)


_CASES: dict[str, tuple[_Key, Callable[[Any], Iterable[_Case]]]] = {
    "instructions": (_by("instruction", "what"), _instructions),
    "regimes": (_regime, _regimes),
    "reciprocals": (_divided, _reciprocals),
    "errors": (
        _by("checkpoint", "sigma", "tokens"),
        _all(cases.FORMATS, cases.SIGMAS, cases.ERROR_TOKENS),
    ),
    "models": (_kernels, _models),
    "graphs": (_by("tokens", "what"), _all(cases.GRAPH_TOKENS, cases.GRAPHS)),
    "linear": (_by("M", "N", "K", "how"), _linear),
    "w4a16": (
        _by("model", "tokens", "rows"),
        _all(cases.W4A16_MODELS, cases.W4A16_TOKENS, cases.W4A16_ROWS),
    ),
    "seed": (_by("file", "capability"), _seed),
    "sanitizer": (_by("tool", "kind"), _all(cases.TOOLS, cases.KINDS)),
    "engine": (_by("how"), _all(cases.HOW)),
    "ranks": (_by("layer", "tokens"), lambda _: hopper_models.split()),
    "ranks_race": (_by("kind"), _all(hopper_models.SPLIT_KINDS)),
}
