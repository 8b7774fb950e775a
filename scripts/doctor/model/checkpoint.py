# SPDX-License-Identifier: Apache-2.0
"""The small files of a checkpoint, together, and what they say against each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.base.errors import Finding, Unusable
from scripts.doctor.model.files import Header, Tensor, read_header, read_json
from scripts.doctor.model.inventory import first
from scripts.doctor.remark import Remark, fault, note

INDEX = "model.safetensors.index.json"
_AGAIN = "download these again"
TEXT = ("text_config", "llm_config", "language_config", "thinker_config")
"""Where multimodal models keep the configuration of the language model."""


@dataclass(frozen=True)
class Checkpoint:
    """What a folder says of a model, the weights left out.

    Attributes:
        name: The folder's.
        config: config.json.
        quantization: What vLLM would take as the quantization's description: that of
            config.json, else that of hf_quant_config.json. None: not quantized.
        tensors: Of the headers, by name; None if there are none, or not all.
        remarks: What is wrong, or was left out.
    """

    name: str
    config: Mapping[str, Any]
    quantization: Mapping[str, Any] | None = None
    tensors: Mapping[str, Tensor] | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    remarks: Sequence[Remark] = ()

    @property
    def text(self) -> Mapping[str, Any]:
        """The language model's part of config.json."""
        for key in TEXT:
            inner = self.config.get(key)
            if isinstance(inner, dict) and "hidden_size" in inner:
                return inner
        return self.config


def read(folder: Path) -> Checkpoint:
    """Read a checkpoint's folder.

    Raises:
        Unusable: There is no such folder, or no config.json in it.
        Finding: A file is broken.
    """
    folder = folder.parent if folder.name == "config.json" else folder
    if not (folder / "config.json").is_file():
        raise Unusable(
            "there is no model here",
            where=str(folder),
            expected="a folder with config.json, as a downloaded checkpoint is",
            next="make doctor MODEL=/path/to/the/checkpoint",
        )
    config = read_json(folder / "config.json")
    remarks: list[Remark] = []
    quantization = _quantization(folder, config, remarks)
    generation: Mapping[str, Any] = {}
    if os.path.lexists(folder / "generation_config.json"):
        generation = read_json(folder / "generation_config.json")
    tensors = _tensors(folder, remarks)
    name = folder.resolve().name
    return Checkpoint(name, config, quantization, tensors, generation, tuple(remarks))


def _quantization(
    folder: Path, config: Mapping[str, Any], remarks: list[Remark]
) -> Mapping[str, Any] | None:
    parts = [config, *(config.get(key) for key in TEXT)]
    found = [p.get("quantization_config") for p in parts if isinstance(p, dict)]
    found.append(config.get("compression_config"))
    own = next((each for each in found if each is not None), None)
    path = folder / "hf_quant_config.json"
    other = read_json(path) if os.path.lexists(path) else None
    if own is not None and not isinstance(own, dict):
        raise Finding(
            "config.json's quantization_config is no object",
            where=str(folder / "config.json"),
            found=repr(own)[:80],
            next="take the file from the checkpoint's publisher again",
        )
    # Some have the list of a mixture's layers in the other file alone.
    if other is not None and own is not None and _algo(own) == "MIXED_PRECISION":
        own = own if own.get("quantized_layers") else None
    if other is None or own is not None:
        if other is not None and own is not None and _algo(other) != _algo(own):
            remarks.append(
                note(
                    f"hf_quant_config.json says {_algo(other)}, config.json "
                    f"{_algo(own)}: vLLM goes by config.json",
                    "ask the publisher which is right",
                )
            )
        return own
    return {"quant_method": "modelopt", **other}


def _algo(description: Mapping[str, Any]) -> str:
    inner = description.get("quantization")
    inner = inner if isinstance(inner, dict) else description
    found = inner.get("quant_algo") or description.get("quant_method")
    return str(found or "nothing").upper()[:40]


def _tensors(folder: Path, remarks: list[Remark]) -> Mapping[str, Tensor] | None:
    index = folder / INDEX
    listed = _index(index) if os.path.lexists(index) else None
    there = sorted(path.name for path in folder.glob("*.safetensors"))
    names = sorted(set(listed.values())) if listed is not None else there
    absent = [name for name in names if name not in there]
    if not names or len(absent) == len(names):
        remarks.append(
            note(
                "no safetensors header is here: shapes follow from config.json",
                "nothing; for exact sizes put the first bytes of each safetensors "
                "file beside it",
            )
        )
        return None
    if absent:
        remarks.append(
            fault(
                f"{INDEX} names {len(absent)} of {len(names)} files that are not "
                f"here: {first(absent)}; shapes follow from config.json",
                _AGAIN,
            )
        )
        return None
    headers = {name: read_header(folder / name) for name in names}
    remarks += _short(headers)
    found: dict[str, Tensor] = {}
    where: dict[str, str] = {}
    for file, header in headers.items():
        for name, tensor in header.tensors.items():
            if name in found:
                remarks.append(
                    fault(f"{name} is in {where[name]} and in {file}", _AGAIN)
                )
            found[name], where[name] = tensor, file
    if listed is not None:
        remarks += _against(listed, where)
    return found


def _index(path: Path) -> Mapping[str, str]:
    found = read_json(path).get("weight_map")
    listed = found.values() if isinstance(found, dict) else [None]
    texts = {v for v in listed if isinstance(v, str)}
    if not isinstance(found, dict) or not (
        all(isinstance(v, str) for v in listed)
        and all(v == Path(v).name and v.endswith(".safetensors") for v in texts)
    ):
        raise Finding(
            "the index names no files of this folder",
            where=str(path),
            expected="a weight_map of tensors to names as model-00001.safetensors",
            found=repr(found)[:120],
            next=_AGAIN,
        )
    return found


def _short(headers: Mapping[str, Header]) -> Iterator[Remark]:
    alone = [name for name, h in headers.items() if h.alone]
    if alone:
        yield note(
            f"{len(alone)} of {len(headers)} safetensors files are headers alone",
            "nothing, for what is asked here",
        )
    for name, header in headers.items():
        if header.found != header.expected and not header.alone:
            short = header.found < header.expected
            yield fault(
                f"{name} has {header.found:,} bytes, and its header asks for "
                f"{header.expected:,}: it {'was cut off' if short else 'is too long'}",
                "download it again",
            )


def _against(listed: Mapping[str, str], where: Mapping[str, str]) -> Iterator[Remark]:
    missing = sorted(listed.keys() - where.keys())
    more = sorted(where.keys() - listed.keys())
    moved = sorted(n for n in listed.keys() & where.keys() if listed[n] != where[n])
    for names, what in (
        (missing, "are in the index and in no file"),
        (more, "are in a file and not in the index"),
        (moved, "are in another file than the index says"),
    ):
        if names:
            yield fault(f"{len(names)} tensors {what}: {first(names)}", _AGAIN)
