# SPDX-License-Identifier: Apache-2.0
"""From the tensors of the headers to modules, each in the format that it really has."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

from scripts.doctor.model.files import Tensor
from scripts.doctor.model.formats import Format
from scripts.doctor.model.layers import Kind, asked_as, kind_of
from scripts.doctor.model.mixers import Module
from scripts.doctor.model.quantization import Rules
from scripts.doctor.remark import Remark, fault

_SUFFIXES = (
    *(
        "weight_global_scale",
        "input_global_scale",
        "weight_scale_inv",
        "weight_scale_2",
    ),
    *("weight_packed", "weight_shape", "weight_scale", "weight_zero_point"),
    *("weight_g_idx", "input_scale", "weight", "bias"),
)
_STACKED = ("_blocks", "_scales", "_bias")
"""Ends of names of gpt-oss's experts, which are one tensor a layer."""
_ONE = re.compile(r"^(.*\.experts)\.(\d+)\.(.+)$")
_OLD = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}
"""Names that Mixtral and MiniMax give the parts of an expert."""
_SHOWN = 3


@dataclass
class _Found:
    """The tensors of one module, and which experts have each of them."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    having: dict[str, set[int]] = field(default_factory=dict)

    @property
    def experts(self) -> set[int]:
        return set().union(*self.having.values())


def modules(
    tensors: Mapping[str, Tensor], rules: Rules, layers: int
) -> tuple[list[Module], list[Remark]]:
    """The modules that a checkpoint really has, and where it contradicts itself.

    Args:
        tensors: Of all headers, by name.
        rules: Its quantization, as vLLM will read it.
        layers: How many the model has, the MTP's not counted.
    """
    found: dict[str, _Found] = defaultdict(_Found)
    odd: list[str] = []
    for name, tensor in tensors.items():
        path, suffix, expert = _parts(name)
        module = found[path]
        if expert is not None:
            module.having.setdefault(suffix, set()).add(expert)
        other = module.tensors.setdefault(suffix, tensor)
        if other != tensor:
            odd.append(name)
    remarks = list(_uneven(odd))
    troubles: dict[str, list[str]] = {}
    made = []
    for path, module in found.items():
        weight = _weight(module)
        if weight is None:
            troubles.setdefault("have scales and no weight", []).append(path)
            continue
        form, trouble = _format(module, weight)
        kind = kind_of(path, layers)
        for what in (*trouble, *_experts(module), *_said(path, form, kind, rules)):
            troubles.setdefault(what, []).append(path)
        made.append(_module(path, module, weight, form))
    remarks += (
        fault(f"{len(names)} modules {what}: {first(names)}", fix(what))
        for what, names in troubles.items()
    )
    remarks += _inputs(found, rules)
    return made, remarks


def _parts(name: str) -> tuple[str, str, int | None]:
    """Path, suffix, and the number of the expert."""
    expert = None
    if match := _ONE.match(name):
        expert = int(match[2]) if len(match[2]) < 8 else -1
        rest = match[3]
        first, dot, more = rest.partition(".")
        name = f"{match[1]}.{_OLD.get(first, first)}{dot}{more}"
    path, _, last = name.rpartition(".")
    if path and last in _SUFFIXES:
        return path, last, expert
    for end in _STACKED:
        if ".experts." in name and name.endswith(end):
            return name.removesuffix(end), end, expert
    return name, "weight", expert


def _weight(module: _Found) -> Tensor | None:
    for suffix in ("weight", "weight_packed", "_blocks"):
        if suffix in module.tensors:
            return module.tensors[suffix]
    return None


def _format(module: _Found, weight: Tensor) -> tuple[Format, list[str]]:
    """The format that dtypes and scales show, and what is missing of it."""
    has = module.tensors
    if "_blocks" in has:
        return Format.MXFP4, [] if "_scales" in has else ["have no scales"]
    scale = has.get("weight_scale_inv") or has.get("weight_scale")
    if weight.dtype in ("BF16", "F16"):
        return Format.BF16, []
    if weight.dtype == "F32":
        return Format.FP32, []
    if weight.dtype in ("U8", "F4"):
        return _fp4(module, weight, scale)
    if weight.dtype.startswith("F8_"):
        if scale is None:
            return Format.FP8, ["are FP8 and have no weight_scale"]
        if scale.dtype in ("U8", "F8_E8M0"):
            return Format.MXFP8, []
        block = len(scale.shape) == 2 and min(scale.shape) > 1
        return (Format.FP8_BLOCK if block else Format.FP8), []
    if weight.dtype == "I32" and scale is not None:
        return Format.INT4, []
    return Format.OTHER, [f"are {weight.dtype}, which no format here has"]


def _fp4(
    module: _Found, weight: Tensor, scale: Tensor | None
) -> tuple[Format, list[str]]:
    packed = 1 if weight.dtype == "F4" else 2
    if scale is None:
        return Format.NVFP4, ["are FP4 and have no weight_scale"]
    if scale.dtype in ("U8", "F8_E8M0"):
        return Format.MXFP4, []
    trouble = []
    if scale.dtype != "F8_E4M3":
        trouble.append(f"are FP4 with a weight_scale of {scale.dtype}")
    want = (*weight.shape[:-1], weight.shape[-1] * packed // 16) if weight.shape else ()
    if scale.shape != want:
        trouble.append("are FP4 with a weight_scale of another shape than theirs")
    if not {"weight_scale_2", "weight_global_scale"} & module.tensors.keys():
        trouble.append("are FP4 and have no FP32 scale of the matrix")
    return Format.NVFP4, trouble


def _experts(module: _Found) -> Iterator[str]:
    every = module.experts
    if every and every != set(range(len(every))):
        yield "lack some of their experts"
    for suffix, those in module.having.items():
        if those != every:
            yield f"have a {suffix} in some of their experts alone"


def _said(path: str, form: Format, kind: Kind, rules: Rules) -> Iterator[str]:
    """Where the file and its description disagree."""
    if kind in (Kind.ROUTER, Kind.EMBEDDING, Kind.VISION, Kind.DRAFT, Kind.SMALL):
        return
    want = rules.form(asked_as(path))
    if want.quantized and not form.quantized and _vector(path):
        return
    alike = {Format.NVFP4_A16: Format.NVFP4, Format.FP32: Format.BF16}
    one, other = alike.get(want, want), alike.get(form, form)
    if one is not other and Format.OTHER not in (one, other):
        yield (
            f"are {form.value} in the file, where the description makes vLLM expect "
            f"{want.value}"
        )


def _vector(path: str) -> bool:
    """Whether this is no matrix of a linear layer, whatever a description says."""
    last = path.rpartition(".")[2]
    return "norm" in last or not last.endswith(("proj", "head", "qkvz", "qkv", "_z"))


def _module(path: str, module: _Found, weight: Tensor, form: Format) -> Module:
    shape, experts = weight.shape or (1,), max(1, len(module.experts))
    if ".experts." in path and len(shape) > 2 and not module.experts:
        experts, shape = max(1, shape[0]), shape[1:]
    if "_blocks" in module.tensors and len(shape) == 3:
        # Blocks of 16 bytes, of 32 numbers.
        shape = (shape[0], shape[1] * shape[2])
    rows, cols = shape[0], prod(shape[1:])
    if len(weight.shape) > 1:
        doubled = form in (Format.NVFP4, Format.MXFP4) and weight.dtype == "U8"
        cols *= 8 if form is Format.INT4 else 2 if doubled else 1
    bias = "bias" in module.tensors or "_bias" in module.tensors
    return Module(path, rows, cols, experts, bias, form)


def _inputs(found: Mapping[str, _Found], rules: Rules) -> Iterator[Remark]:
    """Experts that are to have FP4 activations and have no scale for them."""
    lacking = [
        path
        for path, module in found.items()
        if module.experts
        and rules.form(asked_as(path)) is Format.NVFP4
        and not {"input_scale", "input_global_scale"} & module.tensors.keys()
    ]
    if lacking:
        yield fault(
            f"{len(lacking)} modules have no scale of their input: {first(lacking)}; "
            "vLLM stops at loading, since W4A4 experts on SM12x take the largest",
            "serve it with --moe-backend marlin, which needs none",
        )


def _uneven(names: list[str]) -> Iterator[Remark]:
    if names:
        yield fault(
            f"{len(names)} tensors of experts differ in shape or dtype from those of "
            f"the first expert: {first(names)}",
            "download the files again; if they stay so, ask the publisher",
        )


def fix(what: str) -> str:
    if "description" in what:
        return "take config.json and hf_quant_config.json from the publisher again"
    return "download the files again; if they stay so, ask the publisher"


def first(names: Iterable[str]) -> str:
    listed = list(names)
    more = "" if len(listed) <= _SHOWN else ", ..."
    return ", ".join(name[:120] for name in listed[:_SHOWN]) + more
