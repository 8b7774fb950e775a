# SPDX-License-Identifier: Apache-2.0
"""How a description's names meet a module's, in each way that vLLM 0.33.0 has."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence

from scripts.base.errors import Finding, Unusable
from scripts.doctor.model.mixers import together

Matches = Callable[[str], bool]


def names_of(name: str) -> Iterable[str]:
    """The ways in which a description may name a module of a multimodal model."""
    yield name
    for one, other in (
        ("model.language_model.", "language_model.model."),
        ("language_model.model.", "model.language_model."),
    ):
        if name.startswith(one):
            yield other + name.removeprefix(one)


def exactly(patterns: Sequence[str]) -> Matches:
    """As vLLM's `is_layer_skipped`: a module by its own name or that of the whole."""
    exact = set(patterns)
    experts = [p for p in patterns if "experts" in p]

    def matches(name: str) -> bool:
        if name.endswith("experts"):
            return any(each in p for each in names_of(name) for p in experts)
        return any(
            each in exact for each in (*names_of(together(name)), *names_of(name))
        )

    return matches


def matcher(patterns: Sequence[str]) -> Matches:
    """As vLLM matches ModelOpt's list: exactly, as a part of the name, by wildcards.

    The name is that of the module that vLLM makes; of its parts only whole names count.
    """
    spread = []
    for each in patterns:
        bare = len(each) > 1 and each.endswith("*") and not each.endswith(".*")
        spread += [each[:-1], f"{each[:-1]}.*"] if bare else [each]
    plain = [p for p in spread if not any(c in p for c in "*?[")]
    wild = [fnmatch.translate(p) for p in spread if any(c in p for c in "*?[")]
    every = re.compile("|".join(wild)) if wild else None
    whole = exactly(spread)

    def matches(name: str) -> bool:
        return whole(name) or any(
            any(p in each for p in plain) or bool(every and every.match(each))
            for each in names_of(together(name))
        )

    return matches


def targets(patterns: Sequence[str]) -> Matches:
    """As compressed-tensors matches: exactly, or by a regular expression after re:."""
    exact = {p for p in patterns if not p.startswith("re:")}
    wild = []
    for pattern in patterns:
        if pattern.startswith("re:"):
            try:
                wild.append(re.compile(pattern.removeprefix("re:")))
            except re.error as e:
                raise refused("a regular expression", f"{pattern[:80]}: {e}") from e
    return lambda name: any(
        each in exact or any(p.match(each) for p in wild) for each in names_of(name)
    )


_WHERE = "config.json: quantization_config, or hf_quant_config.json"


def unknown(expected: str, found: str) -> Unusable:
    """For what vLLM may take, and nothing is known of here."""
    return Unusable(
        "the checkpoint's quantization is not known to this tool",
        where=_WHERE,
        expected=expected,
        found=found,
        next="start vllm serve, which says whether it takes it; the series changes "
        "NVFP4 alone. For an answer here take the model in NVFP4",
    )


def refused(expected: str, found: str) -> Finding:
    """For what vLLM itself refuses."""
    return Finding(
        "vLLM would not take the checkpoint's quantization",
        where=_WHERE,
        expected=expected,
        found=found,
        next="take both files from the checkpoint's publisher again",
    )
