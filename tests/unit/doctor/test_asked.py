# SPDX-License-Identifier: Apache-2.0
"""`make doctor MODEL=`: an installed vLLM's answers are said; what it refuses, too."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.base.errors import Finding, Unusable
from scripts.doctor.facts import Facts, Gpu
from scripts.doctor.model import asked
from scripts.doctor.model.main import Given, diagnose
from scripts.doctor.remark import note
from scripts.selection.ask import Answer
from tests.unit.doctor.checkpoints import tiny, write

SM12X = "FLASHINFER_CUTEDSL_SM12X FlashInferCuteDSLSM12xExperts"
SCRATCH = 12_345_678
ROOT = Path(__file__).parents[3]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An environment with a vLLM that answers what the test gives it."""
    found = Facts("3.12.0", "venv/python", "Linux", vllm={"version": "0.33.0"})
    monkeypatch.setattr("scripts.doctor.facts.look", lambda _: found)

    def answers(told: Any) -> None:
        monkeypatch.setattr(asked, "ask", lambda *_: told)

    return answers


def told(moe: Answer, *, patched: bool = True) -> asked.Told:
    return asked.Told("0.33.0+sm12x.1", patched, {}, moe, SCRATCH)


def data(folder: Path, **more: Any) -> dict[str, Any]:
    return dict(json.loads(diagnose(Given(folder, gpu="5090", form="json", **more))[0]))


def test_answers_take_the_place_of_the_record(installed: Any, tmp_path: Path) -> None:
    installed(told(Answer("MARLIN MarlinExperts", "")))
    found = data(tiny(tmp_path))
    said = "the patched vLLM as asked: 0.33.0+sm12x.1 of venv/python"
    assert found["selection"].startswith(said)
    assert "; stock as recorded in the repository" in found["selection"]
    (row,) = (r for r in found["layers"] if r["kind"] == "routed experts")
    assert row["patched"] == "MARLIN MarlinExperts"
    (item,) = (i for i in found["memory"]["items"] if i["name"] == "MoE scratch")
    assert (item["bytes"], item["exact"]) == (SCRATCH, True)
    assert said in diagnose(Given(tmp_path, gpu="5090"))[0]


def test_a_vllm_that_does_not_answer_is_said(installed: Any, tmp_path: Path) -> None:
    installed(note("the vLLM of venv/python could not be asked: no torch", "look"))
    found = data(tiny(tmp_path))
    assert found["selection"].startswith("as recorded in the repository")
    assert "could not be asked: no torch" in str(found["findings"])


def test_what_the_installed_vllm_refuses_cannot_run(
    installed: Any, tmp_path: Path
) -> None:
    installed(told(Answer("refused: ValueError", "no backend supports it")))
    found = data(tiny(tmp_path))
    stop = "routed experts in NVFP4 W4A4: no backend supports it"
    assert found["stops"] == [stop]
    assert not found["fits"] and not found["ok"] and not found["serve"]
    # Stock's refusal stops nobody who takes the patched wheel.
    refused = Answer("refused: ValueError", "no backend supports it")
    installed(told(refused, patched=False))
    assert data(tmp_path)["stops"] == []


# Calls that vLLM itself would refuse, and recipes of what would not run


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Facts("3.12.0", "python3", "Linux x86_64")
    monkeypatch.setattr("scripts.doctor.facts.look", lambda _: found)


@pytest.mark.parametrize(
    ("given", "where", "next_"),
    [
        ({"context": 2049}, "CONTEXT=", "CONTEXT=2048"),
        ({"context": 1 << 70}, "CONTEXT=", "CONTEXT=2048"),
        ({"seqs": 100, "tokens": 99}, "SEQS=", "SEQS=99"),
        ({"seqs": 5000}, "SEQS=", "SEQS=2048"),
    ],
    ids=str,
)
def test_what_vllm_serve_refuses(
    given: dict[str, int], where: str, next_: str, bare: None, tmp_path: Path
) -> None:
    folder = tiny(tmp_path)
    with pytest.raises(Unusable) as error:
        diagnose(Given(folder, gpu="5090", **given))  # type: ignore[arg-type]
    assert error.value.where == where
    assert next_ in str(error.value.next)


H100 = Gpu("NVIDIA H100", "9.0", "580.95.05", "81559 MiB", "0")
OURS = Gpu("NVIDIA GeForce RTX 5090", "12.0", "580.95.05", "32607 MiB", "1")
WAY = "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=%s in front of vllm serve"


@pytest.mark.parametrize(
    ("there", "count", "numbers"),
    [
        ((OURS, replace(OURS, number="2")), 2, ""),
        ((H100, OURS), 1, "1"),
        ((OURS, replace(H100, number="2")), 1, "1"),
        ((H100, OURS, replace(OURS, number="2")), 2, "1,2"),
        ((replace(OURS, name="NVIDIA RTX 9999", number="0"), OURS), 1, "1"),
    ],
    ids=range(5),
)
def test_of_several_kinds_of_gpu_sm12x_is_meant(
    there: tuple[Gpu, ...],
    count: int,
    numbers: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = Facts("3.12.0", "python3", "Linux", gpus=there)
    monkeypatch.setattr("scripts.doctor.facts.look", lambda _: found)
    answer = json.loads(diagnose(Given(tiny(tmp_path), form="json"))[0])
    assert (answer["gpu"]["name"], answer["asked"]["count"]) == ("RTX 5090", count)
    said = [f for f in answer["findings"] if "is meant" in f["what"]]
    assert [f["fix"] for f in said] == ([WAY % numbers] if numbers else [])


def test_a_recipe_is_of_what_runs(bare: None, tmp_path: Path) -> None:
    folder = write(tmp_path / "deep", "deepseek-r1")
    for tool in ("eugr", "sparkrun"):
        given = Given(folder, gpu="spark", context=4096, recipe=tool)
        with pytest.raises(Finding, match="would not run") as error:
            diagnose(given)
        assert "it does not fit" in str(error.value.found)
        good = Given(tiny(tmp_path / "good"), gpu="spark", recipe=tool)
        text, ok = diagnose(good)
        assert ok and yaml.safe_load(text)["model"] == "good"


def test_a_folder_of_any_name_reaches_the_doctor() -> None:
    name = """a 'b' "c" `d` ; -e"""
    done = subprocess.run(
        ["make", "--dry-run", "doctor", f"MODEL={name}", "GPU=RTX PRO 6000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    words = shlex.split(done.stdout.splitlines()[-1])
    assert words[words.index("--model") + 1] == name
    assert words[words.index("--gpu") + 1] == "RTX PRO 6000"
