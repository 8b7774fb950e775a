# SPDX-License-Identifier: Apache-2.0
"""`make doctor MODEL=`: public models, tiny ones, what fits and what to type."""

from __future__ import annotations

import json
import socket
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scripts.base.errors import Unusable
from scripts.doctor.facts import Facts
from scripts.doctor.model import data, gpus, kv
from scripts.doctor.model.formats import Format, matrix_bytes
from scripts.doctor.model.layers import Kind
from scripts.doctor.model.main import Given, diagnose
from scripts.doctor.model.memory import gib
from scripts.doctor.model.mixers import Attention, Delta
from tests.unit.doctor.checkpoints import NAMES, facts, known, on, tiny, write


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the doctor used the network")

    monkeypatch.setattr(socket, "socket", refuse)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without GPU and vLLM, and not asked anew in each test."""
    found = Facts("3.12.0", "python3", "Linux x86_64")
    monkeypatch.setattr("scripts.doctor.facts.look", lambda _: found)


@cache
def schema() -> jsonschema.Draft202012Validator:
    said = json.loads(data.SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(said)
    return jsonschema.Draft202012Validator(said)


# Public models


def test_there_are_at_least_twelve_public_models_with_sources() -> None:
    assert len(NAMES) >= 12
    for name in NAMES:
        told_of = facts(name)
        assert told_of["sources"]["geometry"]
        assert told_of["published"]["source"]
        # What only memory knows is marked, and no test below asks for it.
        sources = told_of["sources"].items()
        memory = [what for what, source in sources if source.startswith("memory")]
        assert told_of["unconfirmed"] == memory


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_published_ones(name: str, tmp_path: Path) -> None:
    it = known(write(tmp_path, name))
    count = sum(
        part.rows * part.cols * part.experts
        for matrix in it.matrices
        for part in matrix.parts
        if matrix.kind not in (Kind.DRAFT, Kind.VISION)
    )
    assert count == pytest.approx(facts(name)["published"]["parameters"], rel=0.04)


def on_disk(name: str, folder: Path) -> float:
    it = known(write(folder, name))
    return sum(
        matrix_bytes(matrix.form, part.rows, part.cols) * part.experts
        for matrix in it.matrices
        for part in matrix.parts
    )


@pytest.mark.parametrize("name", ["qwen3.6-27b", "minimax-m2.7"])
def test_files_are_as_large_as_published(name: str, tmp_path: Path) -> None:
    want = facts(name)["disk"]["gb"] * 1e9
    assert on_disk(name, tmp_path) == pytest.approx(want, rel=0.01)


def test_nvfp4_tensors_are_as_many_as_published(tmp_path: Path) -> None:
    name = "qwen3.6-35b-a3b-w4a4"
    it = known(write(tmp_path, name))
    matrices = [m for m in it.matrices if m.form is Format.NVFP4]
    assert {m.kind for m in matrices} == {Kind.EXPERTS}
    # Each has weights, block scales, and two scales more.
    count = 4 * sum(part.experts for m in matrices for part in m.parts)
    assert count == facts(name)["published"]["nvfp4_tensors"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gpu", ["5090", "spark"])
def test_every_public_model_gets_an_answer(name: str, gpu: str, tmp_path: Path) -> None:
    folder = write(tmp_path / name, name)
    text, ok = diagnose(Given(folder, gpu=gpu, form="json"))
    found = json.loads(text)
    schema().validate(found)
    assert found["fits"] == ok
    assert ok or found["would_fit"] or found["stops"]
    kinds = {row["kind"] for row in found["layers"]}
    assert {"attention", "embedding"} <= kinds
    for form in ("text", "markdown"):
        said, _ = diagnose(Given(folder, gpu=gpu, form=form))
        assert "upper bound" in said


def test_a_35b_a3b_on_a_5090(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", "qwen3.6-35b-a3b-w4a4")
    text, ok = diagnose(Given(folder, gpu="5090", context=32768))
    assert ok
    assert "on RTX 5090: fits" in text
    assert "FLASHINFER_CUTEDSL_SM12X" in text
    assert "FLASHINFER_CUTLASS" in text
    assert f"vllm serve {folder.resolve()} --max-model-len 32768" in text
    assert "tokens fit" in text
    # The exact weights; the estimates are called so.
    found = on(known(folder), context=32768)
    assert found.weights == 23_900_392_288
    assert {i.name for i in found.budget.items if i.exact} == {
        *("weights", "tables", "MoE scratch"),
    }


def test_what_does_not_fit_says_what_would(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", "qwen3-30b-a3b")
    text, ok = diagnose(Given(folder, gpu="5080"))
    assert not ok
    assert "does not fit" in text
    assert "make doctor ... COUNT=2 TP=2" in text
    assert "vllm serve" not in text


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("qwen3-30b-a3b", {"gpu": "5080"}),
        ("qwen3-30b-a3b", {"gpu": "5090", "ranks": 3}),
        ("deepseek-r1", {"gpu": "5070ti"}),
        ("deepseek-r1", {"gpu": "pro6000", "count": 8, "kv": "nvfp4"}),
    ],
    ids=str,
)
def test_a_mend_points_where_what_would_fit_stands(
    name: str, more: dict[str, Any], tmp_path: Path
) -> None:
    text, _ = diagnose(Given(write(tmp_path, name), **more))
    before, heading, after = text.partition("What would fit")
    fixes = "see what would fit, above"
    assert "would fit, below" not in text and fixes not in before
    assert heading and fixes in after


def test_no_mend_names_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.doctor.model.main.nearest", lambda *_: [])
    folder = write(tmp_path, "qwen3-30b-a3b")
    for more in ({"gpu": "5080"}, {"gpu": "5090", "ranks": 3}):
        text, ok = diagnose(Given(folder, **more))
        assert not ok and "would fit, " not in text
        assert "nothing that was tried would fit" in text


def test_a_shorter_context_or_an_fp8_cache_is_nearer(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", "qwen3-235b-a22b")
    given = Given(folder, gpu="pro6000", count=2, context=32768, form="json")
    assert json.loads(diagnose(given)[0])["fits"]
    folder = write(tmp_path / "other", "glm-4.5-air")
    text, ok = diagnose(Given(folder, gpu="5090", count=2, context=131072))
    assert not ok
    assert "COUNT=4 TP=4" in text


def test_ranks_that_cannot_share_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", "glm-4.5-air")
    text, ok = diagnose(Given(folder, gpu="5090", count=5))
    assert not ok
    assert "cannot share 96 attention heads, " in text
    assert "cannot run" in text


@pytest.mark.parametrize("shared", [True, False])
def test_what_cannot_run_has_no_figures(shared: bool, tmp_path: Path) -> None:
    """Not of a size that no rank has, and not of a cache that there cannot be."""
    name, more = "glm-4.5-air", dict[str, Any](count=5)
    if not shared:
        name, more = "deepseek-r1", {"count": 8, "kv": "nvfp4"}
    folder = write(tmp_path / "model", name)
    for form in ("text", "markdown"):
        text, ok = diagnose(Given(folder, gpu="pro6000", form=form, **more))
        assert not ok and "not counted, as it cannot run" in text
        assert "tokens a second" not in text and "as vLLM's log" not in text
        assert "vllm serve" not in text and "left for the KV cache" not in text
        assert text.count("cannot share") == (2 if shared else 0)
        assert ("not shared" in text) == shared
    found = json.loads(diagnose(Given(folder, gpu="pro6000", form="json", **more))[0])
    jsonschema.validate(found, json.loads(data.SCHEMA.read_text(encoding="utf-8")))
    assert len(found["stops"]) == 1 and not found["serve"] and not found["flags"]
    assert [found[key] for key in ("memory", "cache", "upper_bound")] == [None] * 3
    rows = {row["kind"]: row["bytes"] for row in found["layers"]}
    assert (rows["attention"] is None) == shared


def test_a_size_that_does_not_divide_is_one_cause(tmp_path: Path) -> None:
    found = on(known(write(tmp_path, "qwen3.6-35b-a3b-w4a4")), ranks=3)
    (stop,) = found.stops
    assert stop.startswith("vLLM cannot share 16 linear attention's key heads, ")
    assert stop.endswith(" more sizes over 3 ranks")


def test_stock_stops_where_the_series_pads(tmp_path: Path) -> None:
    # Gemma 4: 704 over two ranks is 352, and twice that no multiple of 128.
    found = on(known(write(tmp_path, "gemma-4-26b-a4b")), ranks=2)
    (row,) = (row for row in found.rows if row.kind is Kind.EXPERTS)
    assert row.choice.patched.startswith("FLASHINFER_CUTEDSL_SM12X")
    assert "704 rows" in row.choice.stock_stops
    assert row.padding > 0
    padding = sum(each.padding for each in found.rows)
    assert f"{gib(padding)} of it are padding" in found.budget.items[0].how
    assert found.stops == ()


def test_a_shape_that_the_series_refuses_goes_to_stock(tmp_path: Path) -> None:
    folder = tiny(tmp_path, hidden_size=192)
    found = on(known(folder))
    (row,) = (row for row in found.rows if row.kind is Kind.EXPERTS)
    assert row.choice.patched.startswith("FLASHINFER_CUTLASS")
    assert "hidden size 192, which is no multiple of 128" in row.choice.refused[0]


# Tiny models: headers and config.json say the same


@pytest.mark.parametrize("ranks", [1, 2])
def test_headers_and_config_give_the_same_bytes(ranks: int, tmp_path: Path) -> None:
    folder = tiny(tmp_path)
    with_headers = on(known(folder), ranks=ranks)
    (folder / "model.safetensors").unlink()
    without = on(known(folder), ranks=ranks)
    assert with_headers.weights == without.weights
    assert [r.kind for r in with_headers.rows] == [r.kind for r in without.rows]


def test_an_unknown_family_needs_headers(tmp_path: Path) -> None:
    folder = tiny(tmp_path, model_type="brand_new_moe")
    found = on(known(folder))
    assert found.weights > 0
    assert "not known here" in " ".join(r.what for r in found.remarks)
    (folder / "model.safetensors").unlink()
    with pytest.raises(Unusable, match="do not follow from its config"):
        known(folder)


# The KV cache


def test_pages_of_attention_are_as_large_as_a_state() -> None:
    delta = Delta(16, 32, 128, 128, 4, split=True, state=4)
    mixers = [Attention(16, 2, 256) if n % 4 == 3 else delta for n in range(40)]
    found = kv.cache(mixers, 1, "auto", 32768, 2048)
    assert found.block % 16 == 0
    assert found.page >= delta.state_bytes(1)
    assert [g.what for g in found.groups] == ["full", "state", "state", "state"]
    assert found.token == 10 * 2 * 2 * 256 * 2
    # FlashInfer's delta net has a checkpoint inside a prefill beside the two states.
    assert found.of_sequence == -(-32768 // found.block) + 3 * 3


@pytest.mark.parametrize(
    ("kind", "size"), [("auto", 512), ("fp8", 256), ("nvfp4", 144)]
)
def test_a_token_takes(kind: str, size: int) -> None:
    assert kv.token_bytes(Attention(8, 1, 128), 1, kind) == size


def test_key_heads_are_copied_where_ranks_are_more() -> None:
    assert kv.token_bytes(Attention(32, 2, 128), 8, "auto") == 2 * 128 * 2


# GPUs and calls


def test_every_gpu_is_found_by_each_of_its_names() -> None:
    for gpu in gpus.load():
        for name in (gpu.name, gpu.name.lower(), *gpu.also):
            assert gpus.named(name) == gpu
        assert {"memory", "bandwidth", "sms"} <= gpu.source.keys()
        assert set(gpu.unconfirmed) <= gpu.source.keys()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"gpu": "voodoo2"}, "there is no such GPU here"),
        ({"kv": "fp3"}, "there is no such value"),
        ({"form": "html"}, "there is no such value"),
        ({"count": 2, "ranks": 4}, "more GPUs share the model"),
        ({"count": 100000}, "not so many GPUs"),
        ({"recipe": "bash", "gpu": "spark"}, "no recipes of that tool"),
        ({"recipe": "eugr"}, "DGX Sparks"),
        ({"capability": "12.1"}, "of another capability"),
        ({"capability": "9.0"}, "of another capability"),
    ],
    ids=str,
)
def test_a_wrong_call(given: dict[str, Any], expected: str, tmp_path: Path) -> None:
    folder = tiny(tmp_path)
    with pytest.raises(Unusable, match=expected):
        diagnose(Given(folder, **({"gpu": "5090"} | given)))


def test_no_gpu_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="which GPU is meant"):
        diagnose(Given(tiny(tmp_path)))


@pytest.mark.parametrize(
    ("capability", "expected", "said", "gpu"),
    [
        ("12.1", "DGX Spark", "CAPABILITY=12.1 does not name a GPU: 1 of", "spark"),
        ("9.0", "RTX PRO 6000, ", "CAPABILITY=9.0 does not name a GPU: none", "rtx-"),
    ],
)
def test_a_capability_names_no_gpu(
    capability: str, expected: str, said: str, gpu: str, tmp_path: Path
) -> None:
    with pytest.raises(Unusable, match="which GPU is meant") as refusal:
        diagnose(Given(tiny(tmp_path), capability=capability))
    error = refusal.value
    assert str(error.expected).startswith(expected) and said in str(error.found)
    assert f" GPU={gpu}" in str(error.next)
    # What it says to type next does.
    assert diagnose(Given(tmp_path, gpu=str(error.next).rpartition("=")[2]))


def test_no_model_there(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="there is no model here"):
        diagnose(Given(tmp_path / "nothing", gpu="5090"))
