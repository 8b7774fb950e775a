# SPDX-License-Identifier: Apache-2.0
"""How docs/gpu-owners.md is held to logs, and what it tells to type is found."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.engine.place import INSIDE, RAY

sys.path.append(str(INSIDE))
from told import commands, failed_rank, quoted, seen

LINE = "world_size=2 rank=1 local_rank=0 ... backend=nccl"
SAID = "(Worker pid=7) world_size=2 rank=1 local_rank=0 method=tcp://a:1 backend=gloo"


@pytest.mark.parametrize(
    ("log", "before", "count"),
    [
        (SAID, "", 1),
        (f"(Actor pid=7, ip=127.0.0.2) {SAID}", "ip=127.0.0.2", 1),
        (f"(Actor pid=7) {SAID}", "ip=127.0.0.2", 0),
        (SAID.replace("rank=1", "rank=0"), "", 0),
        (SAID.replace("gloo", "nccl"), "", 0),
        (f"{SAID} ip=127.0.0.2", "ip=127.0.0.2", 0),
    ],
    ids=["there", "behind", "of another node", "rank", "backend", "before"],
)
def test_a_line_of_the_page_is_seen(log: str, before: str, count: int) -> None:
    assert len(seen(LINE, [log, "another"], before)) == count


def test_names_of_the_page_are_those_of_the_log() -> None:
    assert seen(
        "at 192.0.2.1:29501 ...", ["at a:1 for"], here={"192.0.2.1:29501": "a:1"}
    )
    with pytest.raises(ValueError, match="values to unpack"):
        quoted("what the page does not say")


@pytest.mark.parametrize("code", [-9, None])
def test_a_dead_rank_is_seen_whatever_its_exit_code(code: int | None) -> None:
    """vLLM asks for the code as soon as the rank's pipe is closed."""
    line = f"[a.py:3] Worker proc VllmWorker-1 died unexpectedly (exit code: {code}), s"
    assert seen(quoted("Worker proc VllmWorker-1 died"), [line]) == [line]


def test_what_to_type_is_found_whole() -> None:
    first, second = commands("Two DGX Sparks, without Ray")
    for number, block in enumerate((first, second)):
        *exports, command = block.replace("\\\n", "").splitlines()
        assert all(shlex.split(line)[0] == "export" for line in exports)
        words = shlex.split(command)
        assert words[words.index("--node-rank") + 1] == str(number)
    with pytest.raises(ValueError, match="values to unpack"):
        commands("Three")


def test_machines_export_the_same_with_ray_and_without() -> None:
    """Ray's workers have the variables of the shell of `ray start`."""

    def exported(section: str, program: str) -> list[list[str]]:
        blocks = (b for b in commands(section) if program in b and "export" in b)
        return [
            [line for line in b.splitlines() if line.startswith("export")]
            for b in blocks
        ]

    without = exported("Two DGX Sparks, without Ray", "vllm serve")
    assert exported("Two DGX Sparks, with Ray", "ray start") == without
    assert len(without) == 2


@pytest.mark.parametrize(
    ("log", "printed"),
    [
        (["(EngineCore pid=1) ERROR 1 [a.py:3] Worker proc VllmWorker-1 died "
          "unexpectedly (exit code: -9), shutting down executor."] * 2, 0),
        (["(Worker_TP1 pid=2) ERROR 1 [a.py:3] ValueError: planted",
          "(Worker_TP0 pid=1) ERROR 1 [a.py:3] RuntimeError: cancelled"], 0),
        (["(Worker pid=2) INFO 1 [a.py:3] said",
          "(Worker pid=2) ERROR 1 [a.py:3] vllm.NoError: planted",
          "(Worker pid=2) ERROR 1 [a.py:3] torch.OutOfMemoryError: planted"], 1),
        (["(Worker_TP1 pid=2) ERROR 1 [a.py:3] AssertionError",
          "(Worker_TP0 pid=1) ERROR 1 [a.py:3] RuntimeError: Connection closed"], 0),
        (["(Worker pid=2) ERROR 1 [a.py:3] ValueErrors of the others below",
          "(Worker pid=2) ERROR 1 [a.py:3] pkg.sm12x_2.PlantedError: planted"], 1),
        (["(EngineCore pid=1) ERROR 1 [a.py:3] Exception: fixed text"], None),
    ],
    ids=["died", "refused", "of a module", "bare", "with digits", "none"],
)  # fmt: skip
def test_the_command_finds_the_rank_that_failed_first(
    log: list[str], printed: int | None
) -> None:
    assert failed_rank(log) == ([] if printed is None else [log[printed]])


@pytest.mark.upstream
def test_ray_is_the_one_that_upstream_tests_with(patched_tree: Path) -> None:
    tested = patched_tree / "requirements" / "test"

    def line(file: Path) -> str:
        (found,) = re.findall(r"^ray[=\[]\S+", file.read_text(), re.M)
        return str(found)

    (install,) = (b for b in commands("Two DGX Sparks, with Ray") if "pip install" in b)
    assert shlex.split(install)[-1] == line(tested / "cuda.in")
    assert line(RAY) == line(tested / "cpu.txt")
