# SPDX-License-Identifier: Apache-2.0
"""Which module a checkpoint's description quantizes, and how, as vLLM 0.33.0 reads it.

ModelOpt: `is_layer_excluded` and `_resolve_quant_algo` of
vllm/model_executor/layers/quantization/modelopt.py. compressed-tensors: targets and
ignore of its config groups, where `re:` begins a regular expression.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.doctor.model.formats import Format
from scripts.errors import Finding

_ALGOS = {
    "NVFP4": Format.NVFP4,
    "W4A16_NVFP4": Format.NVFP4_A16,
    "FP8": Format.FP8,
    "FP8_PER_CHANNEL_PER_TOKEN": Format.FP8,
    "FP8_PB_WO": Format.FP8_BLOCK,
    "FP8_BLOCK_SCALES": Format.FP8_BLOCK,
    "MXFP8": Format.MXFP8,
}
"""Of ModelOpt."""
_MIXED = "MIXED_PRECISION"
_PATTERN = 1000
"""Characters that a pattern of a description may have."""
_CLASSES = ("Linear", "FusedMoE", "RoutedExperts")

Matches = Callable[[str], bool]


@dataclass(frozen=True)
class Rules:
    """A description, ready to be asked.

    Attributes:
        method: Who wrote it, as `modelopt`.
        form: Format of a module by its name in the checkpoint; experts by the name
            that ends in `.experts`.
        kv: Format that it asks the KV cache to have: `fp8`, `nvfp4`, or nothing.
    """

    method: str
    form: Callable[[str], Format]
    kv: str | None = None


def rules(description: Mapping[str, Any] | None) -> Rules:
    """Read a description.

    Raises:
        Finding: vLLM would not take it, or no layer's format follows from it.
    """
    if description is None:
        return Rules("none", lambda name: Format.BF16)
    method = str(description.get("quant_method", "")).lower()
    if method.startswith("modelopt"):
        return _modelopt(method, description)
    if method == "compressed-tensors":
        return _compressed(description)
    if method == "mxfp4":
        left_out = _matcher(_texts(description, "modules_to_not_convert"))
        # vLLM's mxfp4 method is of experts; linear layers are BF16.
        return Rules(
            method,
            lambda name: (
                Format.MXFP4
                if name.endswith(".experts") and not left_out(name)
                else Format.BF16
            ),
        )
    if method == "fp8":
        blocks = description.get("weight_block_size") is not None
        every = Format.FP8_BLOCK if blocks else Format.FP8
        keys = ("ignored_layers", "modules_to_not_convert")
        left_out = _matcher([p for key in keys for p in _texts(description, key)])
        return Rules(method, lambda name: Format.BF16 if left_out(name) else every)
    raise _bad(
        "quant_method modelopt, compressed-tensors, fp8 or mxfp4", method or "nothing"
    )


def _modelopt(method: str, description: Mapping[str, Any]) -> Rules:
    inner = description.get("quantization", description)
    if not isinstance(inner, dict):
        raise _bad("an object under quantization", type(inner).__name__)
    algo = str(inner.get("quant_algo") or "").upper()
    key = "exclude_modules" if "quantization" in description else "ignore"
    listed = _texts(inner, key) or _texts(inner, "exclude_modules")
    left_out = _matcher(listed)
    size = inner.get("group_size", 16)
    if algo.endswith("NVFP4") and size != 16:
        raise _bad("group_size 16, as NVFP4 has", repr(size)[:40])
    kv = _kv(inner) or _kv(description)
    if algo == _MIXED:
        layers = inner.get("quantized_layers")
        if not isinstance(layers, dict) or not layers:
            raise _bad(f"quantized_layers, as {_MIXED} needs", "none")
        formats = {}
        for name, recipe in layers.items():
            said = recipe.get("quant_algo") if isinstance(recipe, dict) else None
            formats[name] = _ALGOS.get(str(said).upper(), Format.OTHER)
        return Rules(method, _by_layer(formats, left_out), kv)
    if algo not in _ALGOS:
        raise _bad(f"quant_algo {', '.join(_ALGOS)} or {_MIXED}", algo or "nothing")
    every = _ALGOS[algo]
    groups = inner.get("config_groups")
    if every is Format.NVFP4 and isinstance(groups, dict) and groups:
        parts = [g for g in groups.values() if isinstance(g, dict)]
        if parts and all(g.get("input_activations") is None for g in parts):
            every = Format.NVFP4_A16
    return Rules(method, lambda name: Format.BF16 if left_out(name) else every, kv)


def _by_layer(
    formats: Mapping[str, Format], left_out: Matches
) -> Callable[[str], Format]:
    children: dict[str, Format] = {}
    for parent, own in formats.items():
        while "." in parent:
            parent = parent.rpartition(".")[0]
            children.setdefault(parent, own)

    def form(name: str) -> Format:
        if left_out(name):
            return Format.BF16
        for each in _names(name):
            if each in formats:
                return formats[each]
            if name.endswith(".experts"):
                # ModelOpt names the experts, their parts, or what holds them.
                parent = each.removesuffix(".experts")
                for found in (each, parent):
                    if found in children:
                        return children[found]
        return Format.BF16

    return form


def _names(name: str) -> Iterable[str]:
    """The ways in which a description may name a module of a multimodal model."""
    yield name
    for one, other in (
        ("model.language_model.", "language_model.model."),
        ("language_model.model.", "model.language_model."),
    ):
        if name.startswith(one):
            yield other + name.removeprefix(one)


def _kv(description: Mapping[str, Any]) -> str | None:
    found = description.get("kv_cache_scheme") or description.get("kv_cache_quant_algo")
    if isinstance(found, dict):
        found = {8: "fp8", 4: "nvfp4"}.get(found.get("num_bits", 0))
    found = str(found).lower() if found else None
    return found if found in ("fp8", "nvfp4") else None


def _compressed(description: Mapping[str, Any]) -> Rules:
    groups = description.get("config_groups")
    if not isinstance(groups, dict) or not groups:
        raise _bad("config_groups, as compressed-tensors has", "none")
    ignored = _targets(_texts(description, "ignore"))
    found: list[tuple[Matches, bool, Format]] = []
    for group in groups.values():
        if not isinstance(group, dict):
            raise _bad("an object for each config group", type(group).__name__)
        named = _texts(group, "targets")
        every = any(target in _CLASSES for target in named)
        found.append((_targets(named), every, _group(group)))

    def form(name: str) -> Format:
        # Of experts the checkpoint has one module a matrix, of which vLLM makes one.
        inside = (f"{name}.0.{part}" for part in ("gate_proj", "up_proj", "w1"))
        names = [name, *inside] if name.endswith(".experts") else [name]
        if any(ignored(each) for each in names):
            return Format.BF16
        for matches, _, each in found:
            if any(matches(n) for n in names):
                return each
        # An embedding is quantized only where it is named.
        if name.endswith(("lm_head", "embed_tokens", "embeddings")):
            return Format.BF16
        return next((each for _, every, each in found if every), Format.BF16)

    kv = _kv(description)
    return Rules("compressed-tensors", form, kv)


def _group(group: Mapping[str, Any]) -> Format:
    weights = group.get("weights")
    if not isinstance(weights, dict):
        raise _bad("weights of each config group", repr(weights)[:60])
    bits, kind = weights.get("num_bits"), str(weights.get("type", "")).lower()
    size, strategy = weights.get("group_size"), str(weights.get("strategy", ""))
    if (bits, kind) == (4, "float"):
        if size == 32:
            return Format.MXFP4
        if size != 16:
            raise _bad("group_size 16, as NVFP4 has", repr(size)[:40])
        weight_only = group.get("input_activations") is None
        return Format.NVFP4_A16 if weight_only else Format.NVFP4
    if (bits, kind) == (8, "float"):
        if strategy == "block":
            return Format.FP8_BLOCK
        return Format.MXFP8 if size == 32 else Format.FP8
    return Format.INT4 if (bits, kind) == (4, "int") else Format.OTHER


def _matcher(patterns: Sequence[str]) -> Matches:
    """As vLLM matches ModelOpt's list: exactly, as a part of the name, by wildcards."""
    spread = []
    for each in patterns:
        bare = each.endswith("*") and not each.endswith(".*")
        spread += [each[:-1], f"{each[:-1]}.*"] if bare else [each]
    plain = [p for p in spread if p and not any(c in p for c in "*?[")]
    wild = [fnmatch.translate(p) for p in spread if any(c in p for c in "*?[")]
    every = re.compile("|".join(wild)) if wild else None
    experts = [p for p in spread if "experts" in p]

    def matches(name: str) -> bool:
        for each in _names(name):
            if any(p in each for p in plain) or (every and every.match(each)):
                return True
            if each.endswith("experts") and any(each in p for p in experts):
                return True
        return False

    return matches


def _targets(patterns: Sequence[str]) -> Matches:
    """As compressed-tensors matches: exactly, or by a regular expression after re:."""
    exact = {p for p in patterns if not p.startswith("re:")}
    wild = []
    for pattern in patterns:
        if pattern.startswith("re:"):
            try:
                wild.append(re.compile(pattern.removeprefix("re:")))
            except re.error as e:
                raise _bad("a regular expression", f"{pattern[:80]}: {e}") from e
    return lambda name: any(
        each in exact or any(p.match(each) for p in wild) for each in _names(name)
    )


def _texts(description: Mapping[str, Any], key: str) -> list[str]:
    found = description.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise _bad(f"a list of names under {key}", repr(found)[:80])
    if longest := next((each for each in found if len(each) > _PATTERN), None):
        raise _bad(f"names of at most {_PATTERN} characters", f"{longest[:40]}...")
    return found


def _bad(expected: str, found: str) -> Finding:
    return Finding(
        "vLLM would not take the checkpoint's quantization",
        where="config.json: quantization_config, or hf_quant_config.json",
        expected=expected,
        found=found,
        next="take both files from the checkpoint's publisher again",
    )
