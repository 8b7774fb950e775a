# SPDX-License-Identifier: Apache-2.0
"""What docs/gpu-owners.md tells to type or to set is taken: by vLLM, FlashInfer, make.

What a person does otherwise, as another CUDA or a cable, is `BY_HAND`.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.cli.usage import variables
from scripts.upstream import lock
from scripts.upstream.environments import FLASHINFER
from tests.engine.__main__ import Part
from tests.on_cpu.conftest import Run

PAGE = (ROOT / "docs/gpu-owners.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
INSIDE = Path(__file__).parent / "inside" / "ways_out.py"
REFUSALS = PAGE.partition("\n## Every refusal\n")[2].partition("\n## ")[0]
ROWS = [row for row in REFUSALS.splitlines() if row.startswith("| `")]
BY_HAND = {
    "nothing",
    "nothing; another backend runs it",
    "CUDA 13",
    "a newer CUDA",
    "name one of those",
}
# Nothing of vLLM's or FlashInfer's Python: NCCL, Gloo, Ray, `ray start`, make engine.
OTHERS = {
    *("GLOO_SOCKET_IFNAME", "NCCL_DEBUG", "NCCL_SOCKET_IFNAME"),
    *("RAY_DEDUP_LOGS", "--address", "--head", "--node-ip-address", "--only"),
}
# What is logged, and begins as a variable does.
LOGGED = {"FLASHINFER_CUTEDSL_SM12X", "FLASHINFER_CUTLASS", "SYSTEM_ERROR"}
WORDS = {
    "Marlin runs it": ("--moe-backend", "marlin"),
    "pipeline stages": ("--pipeline-parallel-size", "2"),
    "fewer ranks": ("--tensor-parallel-size", "2"),
    "another tensor parallel size": ("--tensor-parallel-size", "2"),
}
WRONG = ["--moe-backend", "flashinfer_cutedsl_sm13x"]


def typed(text: str) -> list[list[str]]:
    """Arguments of `vllm serve` with their values, in words or as they are typed."""
    found = [list(way) for words, way in WORDS.items() if words in text]
    names = re.findall(r"moe_backend='?([a-z]\w+)", text)
    names += re.findall(r"the native `(\w+)`", text)
    for listed in re.findall(r"Use ('.+) instead\.", text):
        names += re.findall(r"'(\w+)'", listed)
    found += [["--moe-backend", name] for name in names]
    nvlink = re.findall(r"take (flashinfer_nvlink_\w+)", text)
    found += [["--all2all-backend", name] for name in nvlink]
    return found + [each.split() for each in re.findall(r"`(--[a-z-]+ \w+)`", text)]


def served() -> list[list[str]]:
    """Arguments of every `vllm serve` in the page's blocks."""
    blocks = "".join(re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.M | re.S))
    commands = re.findall(r"vllm serve (.+)", blocks.replace("\\\n", " "))
    return [shlex.split(command) for command in commands]


def options(text: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z0-9-]+", text))


def settings(text: str) -> set[str]:
    return set(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", text)) - LOGGED


def packages(text: str) -> set[tuple[str, str]]:
    """What pip is to install, or is named, each with its version; none if left open."""
    names = r"\b(flashinfer-python|nvidia-cutlass-dsl|vllm\[b12x\])(?:==([\w.]*\w))?"
    found = {(name, version or "") for name, version in re.findall(names, text)}
    told = {("flashinfer-python", "")} if "that the wheel requires" in text else set()
    return found | told


def made(text: str) -> list[list[str]]:
    """Words of every call of make."""
    return [shlex.split(call) for call in re.findall(r"`make\s+([a-z-]+[^`]*)`", text)]


def test_each_way_out_is_by_hand_or_can_be_tried() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        way = re.split(r" \| ", row)[-1].removesuffix(" |")
        found = typed(row), options(row), settings(row), packages(row), made(row)
        assert way in BY_HAND or any(found), row
    ways = {re.split(r" \| ", row)[-1].removesuffix(" |") for row in ROWS}
    assert ways >= BY_HAND


def test_make_takes_what_the_page_tells_it() -> None:
    parts = {part.value for part in Part}
    calls = made(PAGE)
    assert {call[0] for call in calls} == {"doctor", "engine", "hopper", "install"}
    for target, *words in calls:
        taken = {*variables(target, MAKEFILE).values()}
        taken |= {"ARGS"} if target == "engine" else set()
        for name, _, value in (word.partition("=") for word in words):
            assert name in taken, (target, name)
            if name == "ARGS":
                assert {*value.split()} - {"--only"} <= parts, value


@pytest.mark.upstream
def test_pip_is_told_of_what_is_there(patched_tree: Path) -> None:
    pinned = lock.load().companions
    files = (FLASHINFER, FLASHINFER.with_name("flashinfer-other.txt"))
    tested = {line for file in files for line in file.read_text().splitlines()}
    extras = (patched_tree / "PKG-INFO").read_text(encoding="utf-8")
    found = packages(PAGE)
    assert ("vllm[b12x]", "") in found and any(version for _, version in found)
    for name, version in found:
        if name == "vllm[b12x]":
            assert "\nProvides-Extra: b12x\n" in extras
        else:
            assert name in pinned
            assert not version or f"{name}=={version}" in tested, version


@pytest.mark.upstream
@pytest.mark.slow
def test_vllm_takes_every_option_and_setting(
    patched_tree: Path, run_flashinfer: Run, tmp_path: Path
) -> None:
    lines = [*typed(REFUSALS), *served()]
    assert len(lines) > 15
    unknown = "VLLM_SM12X_AUTO_SELECTED"
    asked = {
        "lines": [*lines, WRONG],
        "options": sorted({*(options(PAGE) - OTHERS), "--expert-parallel"}),
        "variables": sorted({*(settings(PAGE) - OTHERS), unknown}),
    }
    done = run_flashinfer(
        *(str(INSIDE), json.dumps(asked)), cwd=tmp_path, PYTHONPATH=str(patched_tree)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    # Those that are wrong are seen, and no other is.
    assert [*told["lines"]] == [" ".join(WRONG)]
    assert told["options"] == ["--expert-parallel"]
    assert told["variables"] == [unknown]
    assert options(PAGE) | settings(PAGE) >= OTHERS
