# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint's modules to the matrices that vLLM makes of them.

vLLM puts some modules together, as q, k and v, and gives ranks rows or columns of them.
Both follow from the last part of a name, the same in all families.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from scripts.doctor.model.formats import Format
from scripts.doctor.model.mixers import Module, together
from scripts.doctor.model.quantization import Rules
from scripts.doctor.remark import Remark, fault


class Kind(Enum):
    """What a matrix is for; the value is what is printed."""

    ATTENTION = "attention"
    LINEAR = "linear attention"
    """Gated delta net or Mamba."""
    DENSE = "dense MLP"
    EXPERTS = "routed experts"
    SHARED = "shared experts"
    ROUTER = "router"
    EMBEDDING = "embedding"
    LM_HEAD = "lm_head"
    DRAFT = "MTP head"
    """Loaded only where --speculative-config asks for it."""
    VISION = "vision tower"
    SMALL = "norms and vectors"


class Split(Enum):
    """What of a matrix a rank has."""

    ROWS = "rows"
    """Its share of the outputs: vLLM's column-parallel layers."""
    COLUMNS = "columns"
    """Its share of the inputs: vLLM's row-parallel layers."""
    HEADS = "key and value heads"
    """Its share of the heads, at least one: ranks beyond their number have copies."""
    WORDS = "words"
    """Its share of the vocabulary, which is padded to a multiple of 64."""
    ALL = "all of it"


_ROWS = (
    *("q_proj", "q_b_proj", "kv_b_proj", "gate_proj", "up_proj", "gate_up_proj"),
    *("qkv_proj", "in_proj", "in_proj_qkvz", "in_proj_ba", "in_proj_qkv", "in_proj_z"),
    *("in_proj_b", "in_proj_a", "conv1d", "A_log", "D", "dt_bias", "sinks"),
    *("qkv", "linear_fc1", "fc1", "per_layer_model_projection"),
)
_COLUMNS = ("o_proj", "down_proj", "out_proj", "linear_fc2", "fc2", "proj")
_WORDS = ("embed_tokens", "embeddings", "lm_head", "head", "embed_tokens_per_layer")
_VISION = (
    *("visual", "vision_tower", "vision_model", "vit_", "multi_modal_projector"),
    *("embed_vision", "mm_projector", "audio_tower", "embed_audio"),
)
_LAYER = re.compile(r"(?:^|\.)layers\.(\d{1,9})\.")
_EXPERT = re.compile(r"\.experts\.(\w+)$")


@dataclass(frozen=True)
class Matrix:
    """What vLLM holds as one parameter; a layer's experts are one matrix.

    Attributes:
        name: Its path, with vLLM's name of modules that it puts together.
        parts: The checkpoint's modules, in their order.
    """

    kind: Kind
    name: str
    parts: tuple[Module, ...]
    form: Format
    split: Split


def pattern(name: str) -> str:
    """A path without the number of the layer, for a person.

    >>> pattern("layers.3.mlp.gate")
    'layers.*.mlp.gate'
    """
    return re.sub(r"\.\d+(?=\.|$)", ".*", name)


def layer_of(name: str) -> int:
    """Number of the layer that a module of this path belongs to; -1 for none.

    >>> layer_of("model.layers.3.mlp.gate"), layer_of("lm_head")
    (3, -1)
    """
    match = _LAYER.search(name)
    return int(match[1]) if match else -1


def kind_of(name: str, layers: int) -> Kind:
    """What the module of this path is for, in a model of so many layers."""
    last = name.rpartition(".")[2]
    if any(mark in name for mark in _VISION):
        return Kind.VISION
    if name.startswith("mtp.") or ".mtp." in name or layer_of(name) >= layers:
        return Kind.DRAFT
    if ".experts" in name:
        return Kind.EXPERTS
    if last in ("gate", "router", "shared_expert_gate") or ".router." in name:
        return Kind.ROUTER
    if "shared_expert" in name:
        return Kind.SHARED
    if last in ("embed_tokens", "embeddings", "embed_tokens_per_layer"):
        return Kind.EMBEDDING
    if last == "lm_head":
        return Kind.LM_HEAD
    if "linear_attn." in name or last in ("in_proj", "out_proj", "conv1d"):
        return Kind.LINEAR
    if "attn." in name or last in ("q_proj", "k_proj", "v_proj", "o_proj"):
        return Kind.ATTENTION
    return Kind.DENSE


def split_of(name: str) -> Split:
    """What of the module of this path a rank has."""
    last = name.rpartition(".")[2]
    if ".indexer." in name or ".router." in name:
        return Split.ALL
    if last in ("k_proj", "v_proj"):
        return Split.HEADS
    if last in _ROWS:
        return Split.ROWS
    if last in _COLUMNS:
        return Split.COLUMNS
    # The norm of Mamba's output is as long as that output.
    if last == "norm" and ".mixer." in name:
        return Split.ROWS
    return Split.WORDS if last in _WORDS else Split.ALL


def gather(
    modules: Iterable[Module], rules: Rules, layers: int
) -> tuple[list[Matrix], list[Remark]]:
    """The matrices of a model, and what vLLM would refuse of them.

    Args:
        modules: Of the checkpoint.
        rules: Its quantization.
        layers: How many the model has, the MTP's not counted.
    """
    together: dict[str, list[Module]] = {}
    for module in modules:
        together.setdefault(_fused(module), []).append(module)
    found, remarks = [], []
    for name, parts in together.items():
        kind = kind_of(name, layers)
        forms = {_form(part, kind, rules) for part in parts}
        if len(forms) > 1:
            listed = ", ".join(sorted(f.value for f in forms))
            remarks.append(
                fault(
                    f"the parts of {name} are of several formats ({listed}): vLLM puts "
                    "them together into one and refuses that",
                    "ask the publisher to quantize all of them, or none",
                )
            )
        routed = kind is Kind.EXPERTS or parts[0].experts > 1
        if routed and not any(down_of(part) for part in parts):
            remarks.append(
                fault(
                    f"the experts of {name[:120]} have no down_proj, and are not "
                    "counted",
                    "download the files again; if they stay so, ask the publisher",
                )
            )
            continue
        if all(part.cols == 1 for part in parts) and kind is not Kind.DRAFT:
            kind = Kind.SMALL
        form = min(forms, key=list(Format).index)
        found.append(Matrix(kind, name, tuple(parts), form, split_of(parts[0].name)))
    return found, remarks


def down_of(part: Module) -> bool:
    """Whether it is the second projection of experts, whose inputs ranks share."""
    return part.name.endswith("down_proj")


def _fused(module: Module) -> str:
    if match := _EXPERT.search(module.name):
        return module.name[: match.start()] + ".experts"
    return together(module.name)


def _form(part: Module, kind: Kind, rules: Rules) -> Format:
    if part.form is not None:
        return part.form
    if part.cols == 1 or kind in (Kind.ROUTER, Kind.EMBEDDING, Kind.VISION):
        return Format.BF16
    return rules.form(asked_as(part.name))


def asked_as(name: str) -> str:
    """The name by which a description is asked: experts all together."""
    match = _EXPERT.search(name)
    return name[: match.start()] + ".experts" if match else name
