# SPDX-License-Identifier: Apache-2.0
"""After the warm-up, no number of tokens compiles anything, on either FlashInfer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import ROOT
from scripts.cpuenv import FLASHINFER, package_folder
from tests.series.conftest import Run

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
OTHER = HERE / "requirements-flashinfer-other.txt"
INSIDE = (ROOT / "scripts" / "inside", HERE / "inside")


def release(requirements: Path) -> str:
    (line,) = (
        line
        for line in requirements.read_text(encoding="utf-8").splitlines()
        if line.startswith("flashinfer-python==")
    )
    return line.partition("==")[2]


def ask(run: Run, tree: Path, *ahead: Path, before: str = "") -> dict[str, Any]:
    """What every_token.py found, with these packages ahead of the environment's."""
    paths = (tree, *ahead, *INSIDE)
    code = f"{before}\nimport every_token\nevery_token.main()"
    done = run(
        *("-c", code, "188"), cwd=HERE, PYTHONPATH=":".join(str(p) for p in paths)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("requirements", [FLASHINFER, OTHER], ids=release)
def test_nothing_is_compiled_late(
    requirements: Path, patched_tree: Path, run_flashinfer: Run
) -> None:
    ahead = [package_folder(OTHER)] if requirements is OTHER else []
    found = ask(run_flashinfer, patched_tree, *ahead)
    assert found["flashinfer"] == release(requirements)
    late = {name: told["late"] for name, told in found["models"].items()}
    assert late == {name: [] for name in late}
    assert min(told["warm"] for told in found["models"].values()) > 4


def test_a_forgotten_number_is_found(patched_tree: Path, run_flashinfer: Run) -> None:
    planted = """
import every_token, kernel_calls
every_token.MODELS = {"one": every_token.MODELS["Qwen3-30B-A3B"]}
kernel_calls.Experts.warmup = lambda self: [1, 2, 4, 8192]
"""
    found = ask(run_flashinfer, patched_tree, before=planted)
    late = found["models"]["one"]["late"]
    assert {"micro", "static"} <= {kind for _, kind in late}
    assert min(tokens for tokens, _ in late) == 3
