# SPDX-License-Identifier: Apache-2.0
"""Which module a checkpoint's description quantizes, and how, as vLLM 0.33.0 reads it.

ModelOpt: `is_layer_excluded` and `_resolve_quant_algo` of
vllm/model_executor/layers/quantization/modelopt.py. compressed-tensors: targets and
ignore of its config groups, where `re:` begins a regular expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.doctor.model.formats import Format
from scripts.doctor.model.mixers import together
from scripts.doctor.model.patterns import (
    Matches,
    exactly,
    matcher,
    names_of,
    refused,
    targets,
    unknown,
)

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
_OLD = ("group_size", "kv_cache_quant_algo", "exclude_modules")
"""What hf_quant_config.json has to have, or vLLM refuses it."""
_PATTERN = 1000
"""Characters that a pattern of a description may have."""


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
        Unusable: vLLM may take it, and it is not known here.
    """
    if description is None:
        return Rules("none", lambda name: Format.BF16)
    method = str(description.get("quant_method", "")).lower()
    if method.startswith("modelopt"):
        return _modelopt(method, description)
    if method == "compressed-tensors":
        return _compressed(description)
    if method == "mxfp4":
        # vLLM's mxfp4 method is of all experts; linear layers are BF16.
        return Rules(
            method,
            lambda name: Format.MXFP4 if name.endswith(".experts") else Format.BF16,
        )
    if method == "fp8":
        blocks = description.get("weight_block_size") is not None
        every = Format.FP8_BLOCK if blocks else Format.FP8
        listed = _texts(description, "ignored_layers")
        left_out = exactly(listed or _texts(description, "modules_to_not_convert"))
        return Rules(method, lambda name: Format.BF16 if left_out(name) else every)
    known = "quant_method modelopt, compressed-tensors, fp8 or mxfp4"
    # vLLM has a score of others, as AWQ and GPTQ, and plugins add to them.
    raise unknown(known, method) if method else refused(known, "nothing")


def _modelopt(method: str, description: Mapping[str, Any]) -> Rules:
    inner = description.get("quantization", description)
    if not isinstance(inner, dict):
        raise refused("an object under quantization", type(inner).__name__)
    algo = str(inner.get("quant_algo") or "").upper()
    old = "quantization" in description
    missing = [key for key in _OLD if key not in inner]
    if old and algo.endswith("NVFP4") and missing:
        raise refused(f"{', '.join(_OLD)} beside quant_algo", f"no {missing[0]}")
    key = "exclude_modules" if old or "ignore" not in inner else "ignore"
    left_out = matcher(_texts(inner, key))
    size = inner.get("group_size", 16)
    if algo.endswith("NVFP4") and size != 16:
        raise unknown("group_size 16, as NVFP4 has", repr(size)[:40])
    kv = _kv(inner, description)
    if algo == _MIXED:
        layers = inner.get("quantized_layers")
        if not isinstance(layers, dict) or not layers:
            raise refused(f"quantized_layers, as {_MIXED} needs", "none")
        formats = {}
        for name, recipe in layers.items():
            said = recipe.get("quant_algo") if isinstance(recipe, dict) else None
            formats[name] = _ALGOS.get(str(said).upper(), Format.OTHER)
        return Rules(method, _by_layer(formats, left_out), kv)
    if algo not in _ALGOS:
        raise refused(f"quant_algo {', '.join(_ALGOS)} or {_MIXED}", algo or "nothing")
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
        for each in (*names_of(together(name)), *names_of(name)):
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


def _kv(inner: Mapping[str, Any], description: Mapping[str, Any]) -> str | None:
    """As `get_kv_cache_quant_algo_string`; what it does not know is no wish."""
    said = [
        part.get(key)
        for key in ("kv_cache_scheme", "kv_cache_quant_algo")
        for part in (inner, description)
    ]
    found = next((each for each in said if each), None)
    if isinstance(found, dict):
        bits = found.get("num_bits") if found.get("type") == "float" else None
        static = found.get("dynamic") is False
        found = "fp8" if bits == 8 and static else "nvfp4" if bits == 4 else None
    found = str(found).lower()
    return found if found in ("fp8", "nvfp4") else None


def _kv_of_compressed(description: Mapping[str, Any]) -> str | None:
    """As `CompressedTensorsKVCacheMethod` takes it."""
    found = description.get("kv_cache_scheme")
    if found is None:
        return None
    said = found if isinstance(found, dict) else {}
    kind = said.get("type"), said.get("num_bits"), bool(said.get("symmetric"))
    if kind != ("float", 8, True):
        raise refused(
            "a kv_cache_scheme of 8 bits, float and symmetric", repr(found)[:80]
        )
    return "fp8"


def _compressed(description: Mapping[str, Any]) -> Rules:
    groups = description.get("config_groups")
    if not isinstance(groups, dict) or not groups:
        raise refused("config_groups, as compressed-tensors has", "none")
    ignored = targets(_texts(description, "ignore"))
    found: list[tuple[Matches, Sequence[str], Format]] = []
    for group in groups.values():
        if not isinstance(group, dict):
            raise refused("an object for each config group", type(group).__name__)
        named = _texts(group, "targets")
        found.append((targets(named), named, _group(group)))

    def form(name: str) -> Format:
        names, classes = [together(name), name], ["Linear"]
        if name.endswith(".experts"):
            # vLLM asks for the parts of the first expert.
            parts = ("gate_proj", "up_proj", "w1")
            names = [f"{name}.0.{part}" for part in parts]
            classes = ["RoutedExperts", "Linear"]
        if any(ignored(each) for each in names):
            return Format.BF16
        for matches, _, each in found:
            if any(matches(n) for n in names):
                return each
        # An embedding is quantized only where it is named.
        if name.endswith(("lm_head", "embed_tokens", "embeddings")):
            return Format.BF16
        for kind in classes:
            for _, named, each in found:
                if kind in named:
                    return each
        return Format.BF16

    return Rules("compressed-tensors", form, _kv_of_compressed(description))


def _group(group: Mapping[str, Any]) -> Format:
    weights = group.get("weights")
    if not isinstance(weights, dict):
        raise refused("weights of each config group", repr(weights)[:60])
    bits, kind = weights.get("num_bits"), str(weights.get("type", "")).lower()
    size, strategy = weights.get("group_size"), str(weights.get("strategy", ""))
    if (bits, kind) == (4, "float"):
        if size == 32:
            return Format.MXFP4
        if size != 16:
            raise refused("group_size 16, as NVFP4 has", repr(size)[:40])
        weight_only = group.get("input_activations") is None
        return Format.NVFP4_A16 if weight_only else Format.NVFP4
    if (bits, kind) == (8, "float"):
        if strategy == "block":
            return Format.FP8_BLOCK
        return Format.MXFP8 if size == 32 else Format.FP8
    return Format.INT4 if (bits, kind) == (4, "int") else Format.OTHER


def _texts(description: Mapping[str, Any], key: str) -> list[str]:
    found = description.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise refused(f"a list of names under {key}", repr(found)[:80])
    if longest := next((each for each in found if len(each) > _PATTERN), None):
        raise unknown(f"names of at most {_PATTERN} characters", f"{longest[:40]}...")
    return found
