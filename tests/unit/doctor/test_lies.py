# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that lie: each gets a clear error or a finding, never a traceback."""

from __future__ import annotations

import codecs
import copy
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.base.errors import ForkError
from scripts.doctor.facts import Facts
from scripts.doctor.model import files
from scripts.doctor.model.checkpoint import INDEX
from scripts.doctor.model.main import Given, diagnose
from tests.unit.doctor.checkpoints import (
    NAMES,
    as_file,
    config,
    facts,
    header,
    tensors,
    tiny,
)

Tensors = dict[str, tuple[str, list[int]]]


@pytest.fixture(autouse=True, scope="module")
def bare() -> Iterator[None]:
    """A machine without GPU and vLLM, and not asked anew each time."""
    found = Facts("3.12.0", "python3", "Linux x86_64")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.doctor.facts.look", lambda _: found)
        yield


EXPERT = "model.layers.0.mlp.experts.1.up_proj"


def said(folder: Path, **more: Any) -> str:
    """What the doctor says of a folder, an error too; the code is 1 or 2 then."""
    try:
        text, ok = diagnose(Given(folder, gpu="5090", **more))
    except ForkError as error:
        assert error.exit_code in (1, 2)
        assert error.next
        return str(error)
    assert not ok, "a lie was taken for a fact"
    return text


def changed(folder: Path, change: Callable[[Tensors], Any], **more: Any) -> Path:
    tiny(folder, **more)
    found = tensors(config(**more))
    change(found)
    (folder / "model.safetensors").write_bytes(as_file(header(found)))
    return folder


def every(end: str, put: tuple[str, list[int]] | None = None) -> Any:
    """A change of all tensors of up_proj that end so: another, or none."""

    def change(found: Tensors) -> None:
        for name in [n for n in found if n.endswith(f"up_proj.{end}")]:
            del found[name]
            if put is not None:
                found[name] = put

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (every("weight_scale"), "2 modules are FP4 and have no weight_scale"),
        (every("weight_scale_2"), "have no FP32 scale of the matrix"),
        (every("input_scale"), "--moe-backend marlin"),
        (every("weight_scale", ("F8_E4M3", [128, 4])), "of another shape than theirs"),
        (every("weight_scale", ("BF16", [128, 16])), "with a weight_scale of BF16"),
        (every("weight", ("I64", [128, 128])), "are I64, which no format here has"),
        (every("weight", ("F8_E4M3", [128, 256])), "are FP8 in blocks in the file"),
        (every("weight"), "have scales and no weight"),
        (
            lambda t: t.pop(f"{EXPERT}.weight_scale"),
            "have a weight_scale in some of their experts alone",
        ),
        (
            lambda t: t.update({f"{EXPERT}.weight": ("U8", [64, 128])}),
            "differ in shape or dtype from those of the first expert",
        ),
        (
            lambda t: [t.pop(n) for n in list(t) if ".experts.2." in n],
            "lack some of their experts",
        ),
        (
            lambda t: t.update(
                {"model.layers.0.self_attn.q_proj.weight": ("F8_E4M3", [128, 256])}
            ),
            "are FP8 in the file, where the description makes vLLM expect BF16",
        ),
        (
            lambda t: [t.pop(n) for n in list(t) if "0.mlp" in n and ".down_" in n],
            "the experts of model.layers.0.mlp.experts have no down_proj",
        ),
        (
            lambda t: t.update({f"{EXPERT} odd": ("F8_E4M3", [128, 16])}),
            "the experts of model.layers.0.mlp.experts.up_proj odd have no down_proj",
        ),
    ],
    ids=range(14),
)
def test_tensors_that_lie(
    change: Callable[[Tensors], Any], expected: str, tmp_path: Path
) -> None:
    assert expected in said(changed(tmp_path, change))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "2 to 100,000,000 bytes"),
        (b"\xff" * 8, "2 to 100,000,000 bytes"),
        ((10**6).to_bytes(8, "little") + b"{}", "ends inside its header"),
        (as_file({})[:-1] + b"x", "JSON in UTF-8"),
        ((2).to_bytes(8, "little") + b"[]", "a JSON object"),
        ((4).to_bytes(8, "little") + b"\xff\xfe{}", "JSON in UTF-8"),
        (as_file({"a": 3}), "a dtype of safetensors"),
        (as_file({"a": {"dtype": "F9"}}), "a dtype of safetensors"),
        (as_file({"a": {"dtype": "U8", "shape": [-1]}}), "whole numbers"),
        (as_file({"a": {"dtype": "U8", "shape": [1e3]}}), "whole numbers"),
        (as_file({"a": {"dtype": "U8", "shape": [True]}}), "whole numbers"),
        (
            as_file({"a": {"dtype": "U8", "shape": [2], "data_offsets": [2]}}),
            "two data_offsets",
        ),
        (
            as_file({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 3]}}),
            "2 bytes, by dtype U8",
        ),
        (
            as_file({"a": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]}}),
            "leave a gap",
        ),
        (
            as_file(
                {
                    "a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
                    "b": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]},
                }
            ),
            "overlap",
        ),
    ],
    ids=range(15),
)
def test_headers_that_lie(data: bytes, expected: str, tmp_path: Path) -> None:
    tiny(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(data)
    assert expected in said(tmp_path)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"[" * 200_000, "nested too deep"),
        (b'{"a": ' + b"9" * 6000 + b"}", "a number of too many digits"),
        (b'{"a": \xff}', "byte 0xff at 6, which is no UTF-8"),
        (b'{"a":\n 1,}', "line 2, column"),
        (codecs.BOM_UTF8 + b"{}", "without a byte order mark, as vLLM reads it"),
        (codecs.BOM_UTF16_LE + b"{}", "byte 0xff at 0, which is no UTF-8"),
    ],
    ids=range(6),
)
@pytest.mark.parametrize("name", ["config.json", "hf_quant_config.json", INDEX])
def test_json_that_is_none_says_why(
    name: str, data: bytes, found: str, tmp_path: Path
) -> None:
    (tiny(tmp_path) / name).write_bytes(data)
    text = said(tmp_path)
    assert "JSON in UTF-8" in text and found in text
    assert "Error" not in text


SMALL = ("config.json", "generation_config.json", "hf_quant_config.json", INDEX)


@pytest.mark.parametrize("name", [*SMALL, "model.safetensors"])
@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a device", "absent"])
def test_what_is_no_regular_file_is_refused_at_once(
    name: str, kind: str, tmp_path: Path
) -> None:
    path = tiny(tmp_path) / name
    path.unlink(missing_ok=True)
    match kind:
        case "a FIFO":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "a device":
            path.symlink_to("/dev/zero")
        case _:
            path.symlink_to("nothing")

    def late(*_: object) -> None:
        raise TimeoutError

    # To open a FIFO waits until somebody writes into it.
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    try:
        text = said(tmp_path)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    if name == "config.json":
        assert "there is no model here" in text
    else:
        assert (kind if kind != "absent" else "a file that can be read") in text


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(tmp_path)
    monkeypatch.setattr(files, "JSON_LIMIT", 10)
    assert "at most 10 bytes" in said(tmp_path)


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    tiny(tmp_path)
    with (tmp_path / "model.safetensors").open("ab") as file:
        file.write(b"\0" * 1000)
    assert "it was cut off" in said(tmp_path)


def index(folder: Path, weights: Any) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": weights}), encoding="utf-8")


def test_an_index_that_lies(tmp_path: Path) -> None:
    tiny(tmp_path)
    names = dict.fromkeys(tensors(config()), "model.safetensors")
    index(tmp_path, names)
    assert diagnose(Given(tmp_path, gpu="5090"))[1]
    index(tmp_path, names | {"model.x.weight": "model-00002-of-00002.safetensors"})
    assert "names 1 of 2 files that are not here" in said(tmp_path)
    index(tmp_path, names | {"model.x.weight": "model.safetensors"})
    assert "are in the index and in no file: model.x.weight" in said(tmp_path)
    del names["lm_head.weight"]
    index(tmp_path, names)
    assert "are in a file and not in the index: lm_head.weight" in said(tmp_path)
    for bad in ([], {"a": 3}, {"a": "../../x.safetensors"}, {"a": "x.bin"}):
        index(tmp_path, bad)
        assert "names no files of this folder" in said(tmp_path)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"num_experts": 0}, "num_experts"),
        ({"num_experts": "many"}, "num_experts"),
        ({"num_experts_per_tok": 9}, "at most 4"),
        ({"num_hidden_layers": 10**7}, "num_hidden_layers"),
        ({"hidden_size": -5}, "hidden_size"),
        ({"hidden_size": None}, "hidden_size"),
        ({"head_dim": None, "num_attention_heads": 3}, "head_dim"),
        ({"vocab_size": 2**40}, "vocab_size"),
        ({"quantization_config": []}, "is no object"),
        ({"quantization_config": {"quant_method": "magic"}}, "magic"),
        (
            {"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP3"}},
            "FP3",
        ),
        (
            {
                "quantization_config": {
                    "quant_method": "modelopt",
                    "quant_algo": "NVFP4",
                    "group_size": 32,
                }
            },
            "group_size 16",
        ),
        (
            {
                "quantization_config": {
                    "quant_method": "compressed-tensors",
                    "config_groups": {"a": {"targets": ["re:("], "weights": {}}},
                }
            },
            "a regular expression",
        ),
        (
            {"quantization_config": {"quant_method": "compressed-tensors"}},
            "config_groups",
        ),
    ],
    ids=range(14),
)
def test_a_config_that_lies(
    more: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    tiny(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config(**more)), encoding="utf-8")
    assert expected in said(tmp_path)


# Small changes of headers, configurations and indices


_JUNK = st.sampled_from(
    [None, 0, -1, 1, 2**31, 1.5, "", "U8", "BF16", "x" * 300, [], [1, 2], {}, True]
)


def _spots(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value in a JSON document."""
    inner: Any = ()
    if isinstance(data, dict):
        inner = data.items()
    elif isinstance(data, list):
        inner = enumerate(data)
    found = [at] if at else []
    for key, value in inner:
        found += _spots(value, (*at, key))
    return found


def _spoilt(draw: st.DrawFn, data: Any) -> Any:
    """The same with one to three values changed or taken out."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        spots = _spots(data)
        if not spots:
            break
        *way, last = draw(st.sampled_from(spots))
        at = data
        for key in way:
            at = at[key]
        if draw(st.booleans()):
            at[last] = copy.deepcopy(draw(_JUNK))  # else it may hold itself
        elif isinstance(at, dict):
            del at[last]
    return data


def _answers(folder: Path) -> None:
    """No exception but the two that are for a person."""
    for form in ("text", "json"):
        try:
            diagnose(Given(folder, gpu="spark", form=form))
        except ForkError as error:
            assert error.exit_code in (1, 2)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_change_of_a_header_is_answered(data: st.DataObject) -> None:
    entries = _spoilt(data.draw, header(tensors(config())))
    with TemporaryDirectory() as name:
        folder = tiny(Path(name))
        (folder / "model.safetensors").write_bytes(as_file(entries))
        _answers(folder)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_change_of_bytes_is_answered(data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        folder = tiny(Path(name))
        path = folder / data.draw(st.sampled_from(["config.json", "model.safetensors"]))
        whole = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            whole[at] = data.draw(st.integers(0, 255))
        else:
            del whole[at:]
        path.write_bytes(whole)
        _answers(folder)


@settings(deadline=None, max_examples=120)
@given(st.data(), st.sampled_from(NAMES))
def test_any_change_of_a_public_config_is_answered(
    data: st.DataObject, name: str
) -> None:
    with TemporaryDirectory() as folder:
        for file, content in facts(name)["files"].items():
            spoilt = _spoilt(data.draw, content)
            (Path(folder) / file).write_text(json.dumps(spoilt), encoding="utf-8")
        _answers(Path(folder))
