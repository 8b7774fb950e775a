# SPDX-License-Identifier: Apache-2.0
"""The owner's first screen: five lines that are right, and a list that begins there."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from scripts import ROOT
from scripts.cli import install
from scripts.doctor.device import MIN_DRIVER
from scripts.hardware import cuda
from scripts.upstream import lock
from tests.on_cpu import readme_table

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SCREEN = 45
"""Lines of a page that are seen at once."""
FIRST = "\n".join(README.splitlines()[:SCREEN])
STOCK = f"vllm==={lock.load().version}"


def test_the_five_lines_are_on_the_first_screen() -> None:
    (block,) = re.findall(r"```\n(.*?)```", FIRST, re.S)
    clone, put, serve, log, back = block.splitlines()
    assert clone.startswith("git clone ") and clone.endswith(" && cd vllm-sm12x")
    assert put.startswith("make install VENV=env ")
    assert serve == f"env/bin/vllm serve {install.MODEL}"
    assert log == f"# in its log: {install.LINE}"
    # test_install.py runs that one.
    assert back.partition("   # ")[0] == f"env/bin/python -m pip install {STOCK}"
    # What is for maintainers comes behind them, and says so.
    assert "make apply" not in FIRST.partition(block)[0]
    assert "Nothing here ran on an SM12x GPU" in FIRST


def test_what_it_needs_is_what_the_tools_ask_for() -> None:
    said = " ".join(FIRST.split())
    assert f"driver {MIN_DRIVER} or newer" in said
    assert f"PyTorch {lock.load().companions['torch']}" in said
    (oldest,) = re.findall(r"sys\.version_info < \((\d+), (\d+)\)", MAKEFILE)
    assert f"Python {'.'.join(oldest)} to " in said


def listed() -> dict[str, list[tuple[str, str]]]:
    """Groups of `make`, each with its targets and their examples."""
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    name, groups = "", {"": list[tuple[str, str]]()}
    for line in done.stdout.splitlines():
        if found := re.match(r"  make ([a-z0-9-]+) ", line):
            groups[name].append((found[1], ""))
        elif line.startswith("   "):
            target, example = groups[name].pop()
            assert not example, line
            groups[name].append((target, line.strip()))
        elif line:
            name = line
            groups[name] = []
    return groups


def test_the_list_is_in_groups_and_the_owner_s_is_first() -> None:
    groups = listed()
    assert [name for name, _ in groups.pop("")] == ["help"]
    first, *_ = groups
    assert first == "For an owner of an SM12x GPU" and len(groups) > 5
    assert {"install", "doctor", "test-sm12x"} <= {name for name, _ in groups[first]}
    assert "apply" not in {name for name, _ in groups[first]}


@pytest.mark.parametrize(
    ("target", "example"), [pair for group in listed().values() for pair in group]
)
def test_each_target_has_an_example_that_make_takes(target: str, example: str) -> None:
    command = example.removeprefix("sudo ").split()
    assert command[:1] == ["make"]
    assert command == ["make"] if target == "help" else command[1] == target
    given = {word.partition("=")[0] for word in command[2:] if "=" in word}
    rule = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.M)
    shared = re.search(r"^exported = (.*)$", MAKEFILE, re.M)
    assert rule and shared
    used = rule[1].replace("$(exported)", shared[1])
    for name in given:
        assert re.search(rf"\b{name}\b", used), name


def figures(cell: str) -> list[float]:
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", cell)]


def recorded(start: str, side: int) -> list[float]:
    """Figures of the rows that start so: 0 of the fork, 1 of upstream."""
    return [r[1 + side] for r in cuda.recorded()["rows"] if r[0].startswith(start)]


def measured(scale: float) -> list[str]:
    """Figures as the tests of the series write them, by the README times `scale`."""
    _, theirs, ours = readme_table.row("MoE workspace")
    sides = {"upstream": figures(theirs)[0], "fork": figures(ours)[0]}
    held = {side: gib * scale * 2**30 for side, gib in sides.items()}
    told = [
        {"report": "memory", "part": "models", "row": held | {"verified": True}},
        {"report": "memory", "part": "models", "row": {"upstream": None, "fork": 1}},
    ]
    head, theirs, ours = readme_table.row("output error")
    sigmas = [n for n in figures(head) if n < 1]
    for sigma, a, b in zip(sigmas, figures(theirs), figures(ours), strict=True):
        row = {"sigma": sigma, "upstream": [a * scale, 9], "fork": [9, b * scale]}
        told.append({"report": "errors", "part": "loaded", "row": row})
    return [json.dumps(each) for each in told]


def test_the_readme_is_held_to_what_the_tests_of_the_series_measure() -> None:
    assert readme_table.wrong(measured(1.05)) == []
    assert len(readme_table.wrong(measured(1.3))) == 8
    _, theirs, ours = readme_table.row("device work around the kernel")
    counted = [
        recorded("device operations a layer, 1 tokens, int32", n) for n in (1, 0)
    ]
    assert counted == [[1], [0]] and theirs == "a copy of the output" and ours == "none"


def h100() -> list[list[str]]:
    _, _, text = README.partition("| H100, ")
    rows = re.findall(r"^\| (.*) \|$", text.partition("\n\n")[0], re.M)
    return [row.split(" | ") for row in rows if not row.startswith("-")]


def test_the_table_of_the_h100_is_the_record() -> None:
    head = README.partition("| H100, ")[2].partition(" ")[0]
    assert head == cuda.recorded()["machine"]["date"]
    replayed, again, beside, around, selected = h100()
    for side, cell in ((1, replayed[1]), (0, replayed[2]), (0, again[2])):
        step = "after the way back" if cell is again[2] else "replayed after a reload"
        found = recorded(step, side)
        assert figures(cell) == [round(min(found), 2), round(max(found), 2)], cell
    (right, freed, far) = again[1].partition(":")[0].replace(" or", ",").split(", ")
    found = recorded("after the way back", 1)
    assert right == "right" and float(freed) == 1.0
    assert figures(far) == [round(max(found) / 100) * 100]
    near = recorded("graph replayed", 1)
    assert all(x in near or x == 1.0 or x > 3000 for x in found)
    assert [c.split()[0] for c in beside[1:]] == [
        f"{recorded('MoE workspace allocated, 48 layers', side)[0]:.2f}"
        for side in (1, 0)
    ]
    ends = [
        recorded(f"in a CUDA graph, {n} tokens, int32 ids", 1)[0] for n in (1, 8192)
    ]
    assert figures(around[1].partition(" us")[0]) == ends
    for n in (1, 8192):
        (ours,) = recorded(f"in a CUDA graph, {n} tokens, int32 ids", 0)
        assert abs(ours) < 0.05 and around[2] == "nothing"
    assert selected[0].startswith("selected by itself at 9.0")
