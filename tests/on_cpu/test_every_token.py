# SPDX-License-Identifier: Apache-2.0
"""Every number of tokens, on either FlashInfer: what it compiles, and where it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts import IN_VLLM, ROOT
from scripts.upstream.environments import FLASHINFER, package_folder
from tests.on_cpu.conftest import Run

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
OTHER = ROOT / "requirements" / "flashinfer-other.txt"
INSIDE = (IN_VLLM, HERE / "inside")


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


@pytest.fixture(scope="module", params=[FLASHINFER, OTHER], ids=release)
def found(
    request: pytest.FixtureRequest, patched_tree: Path, run_flashinfer: Run
) -> dict[str, Any]:
    """By model, what was found with one release of FlashInfer."""
    ahead = [package_folder(OTHER)] if request.param is OTHER else []
    answer = ask(run_flashinfer, patched_tree, *ahead)
    assert answer["flashinfer"] == release(request.param)
    models: dict[str, Any] = answer["models"]
    return models


def test_nothing_is_compiled_late(found: dict[str, Any]) -> None:
    assert {n: told["late"] for n, told in found.items()} == {n: [] for n in found}
    assert min(told["warm"] for told in found.values()) > 4


def test_each_call_has_the_tile_of_flashinfers_choice(found: dict[str, Any]) -> None:
    assert {n: told["other tile"] for n, told in found.items()} == {
        n: [] for n in found
    }


def test_rows_are_no_more_than_of_flashinfers_choice(
    found: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    rows = [
        (name, tokens, *counts)
        for name, told in found.items()
        for tokens, counts in told["MMA rows"].items()
    ]
    title = "MMA rows of a layer by number of tokens: of one scratch over the fork's"
    lines = [f"{n}, {t}: {one / fork:.2f}" for n, t, fork, _, one in rows]
    record_property("table", "\n".join([title, *lines]))
    assert all(fork <= own for *_, fork, own, _ in rows)
    assert max(one / fork for *_, fork, _, one in rows) > 2


def test_the_tiles_take_hardly_more_than_one(found: dict[str, Any]) -> None:
    for name, told in found.items():
        assert told["bytes of one tile"] <= told["bytes"], name
        assert told["bytes"] <= 1.01 * told["bytes of one tile"], name


def test_the_static_scratch_is_for_every_static_call(found: dict[str, Any]) -> None:
    rows = {name: told["static rows"] // told["static"] for name, told in found.items()}
    # Top-k of each: 0.7.4 launches more rows there than 0.7.2.post1 for many experts.
    assert rows == dict(zip(found, (8, 8, 8, 10, 8, 6, 4), strict=True))


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
