# SPDX-License-Identifier: Apache-2.0
"""What the README says is what is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from scripts import IN_VLLM, RECORDS, ROOT
from scripts.cli import app
from scripts.hardware import cuda
from scripts.release import changelog
from scripts.selection import main
from scripts.selection.cases import OURS
from scripts.selection.report import KINDS, default, short
from scripts.selection.table import SAME
from scripts.series import folder
from scripts.upstream import lock
from tests.warm import warm

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/flashinfer.md",
    "docs/fp8-moe.md",
    "docs/hopper.md",
    "docs/packagers.md",
    "findings/README.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
)


def test_the_table_has_every_patch_in_order() -> None:
    rows = re.findall(r"^\| \[(\d{4})\]\(patches/([^)]+)\) \| \S", README, re.M)
    assert rows == [(name[:4], name) for name in folder.names()]


def test_the_versions_are_the_locks() -> None:
    pin = lock.load()
    assert f"The pin is vLLM {pin.version};" in README
    named = re.findall(r"\d+\.\d+\.\d+\+sm12x\.\d+", README)
    assert set(named) == {pin.release_version}


def test_links_and_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert ((ROOT / name).parent / link).exists(), (name, link)
        targets = re.findall(r"(?:^|`|&& )make ([a-z][a-z0-9-]+)", text, re.M)
        for target in targets:
            assert re.search(rf"^{target}:", makefile, re.M), (name, target)
    for text in (README, GUIDE):
        assert "make apply" in text


def test_the_next_release_is_written_up() -> None:
    """Either it has its section, or a person's words wait for it."""
    text = (ROOT / changelog.NAME).read_text(encoding="utf-8")
    waiting = changelog.sections(text)[changelog.UNRELEASED]
    if lock.load().release_version not in changelog.released(text):
        assert waiting not in ("", changelog.NOTHING)


@pytest.fixture(scope="module")
def check_jsonschema() -> Iterator[Path]:
    """A Python that has imported it, which is all that it takes."""
    with warm(sys.executable, "import check_jsonschema", {}) as program:
        yield program


@pytest.mark.parametrize(
    ("schema", "name", "code"),
    [
        ("github-issue-forms", "bug.yml", 0),
        ("github-issue-forms", "hardware.yml", 0),
        ("github-issue-config", "config.yml", 0),
        ("github-issue-forms", "config.yml", 1),
    ],
)
def test_issue_templates_are_as_github_wants_them(
    schema: str, name: str, code: int, check_jsonschema: Path
) -> None:
    path = str(ROOT / ".github/ISSUE_TEMPLATE" / name)
    tool = [str(check_jsonschema), "-m", "check_jsonschema"]
    done = subprocess.run(
        [*tool, "--builtin-schema", f"vendor.{schema}", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout


def test_an_issue_asks_for_the_doctor() -> None:
    for name in ("bug.yml", "hardware.yml"):
        text = (ROOT / ".github/ISSUE_TEMPLATE" / name).read_text(encoding="utf-8")
        assert "make doctor JSON=1" in text


def rows(text: str, head: str) -> list[list[str]]:
    """Cells of the table below a heading row, code marks left out."""
    lines = text.partition(f"{head}\n")[2].splitlines()[1:]
    table = takewhile(lambda line: line.startswith("|"), lines)
    return [[c.strip(" `") for c in line.strip("|").split("|")] for line in table]


NAMES = {
    "FLASHINFER_CUTLASS": "FlashInfer's CUTLASS",
    "FlashInferCutlass": "FlashInfer's CUTLASS",
    "FLASHINFER_CUTEDSL_SM12X": "flashinfer_cutedsl_sm12x",
    "B12X": "native `b12x",
    "FlashInferB12x, by M": "FlashInfer's b12x, CUTLASS from M = 256",
    "MARLIN": "Marlin",
    "HUMMING": "Humming",
}


def test_the_first_table_is_what_is_recorded() -> None:
    table = main.recorded().table
    head = "| NVFP4 layers on SM120 and SM121 | upstream | here, SM120 | here, SM121 |"
    wanted = []
    for layer, scheme in KINDS:
        found = [default(table, layer, scheme, capability) for capability in OURS]
        here = [short(each.fork) for each in found]
        upstream = {
            fork if each.upstream == SAME else short(each.upstream)
            for each, fork in zip(found, here, strict=True)
        }
        names = [NAMES.get(x, x) for x in (*upstream, *here)]
        wanted.append([f"{layer}, {scheme}", *names])
    assert rows(README, head) == wanted
    assert README.index("## For an owner") < README.index("## The patches")


def test_the_row_of_the_h100_is_the_records_and_the_matrix() -> None:
    (row,) = re.findall(r"^\| selected by itself at 9.0, (.*) \|$", README, re.M)
    about, *sides = row.split(" | ")
    recorded = cuda.recorded()["rows"]
    (kept,) = [r for r in recorded if r[0] == "selected at 9.0, MoE W4A4"]
    assert sides == [NAMES[short(each)] for each in kept[1:3]]
    found = default(main.recorded().table, "MoE", "W4A4", "9.0")
    assert about == f"MoE W4A4 (the matrix: {NAMES[short(found.fork)]})"
    said = " ".join(README.split())
    assert "compiled files were empty modules" in said
    assert "all around it was real" not in said


def test_every_target_is_a_verb_or_is_named_as_none() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", makefile, re.M))
    verbs = {c.name for c in app.registered_commands}
    _, _, text = README.partition("No verbs are")
    named = set(re.findall(r"`(?:make )?([a-z0-9-]+)`", text.partition("which are")[0]))
    assert named == targets - verbs


def test_the_long_ones_say_so_in_their_first_line() -> None:
    """In the words of the README, to the letter."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(
        r"^takes-([a-z-]+) = (.*)\n\1: says/\1 .*## ", makefile, re.MULTILINE
    )
    assert len(rules) == makefile.count("\ntakes-") == makefile.count(": says/")
    taking = [[f"make {name}", said] for name, said in rules]
    assert rows(README, "| command | takes |") == taking
    assert {"test", "kernels", "evidence", "install", "mutants"} <= {
        r[0] for r in rules
    }
    for name, said in taking:
        done = subprocess.run(
            # A clone's first run sets up .venv, but says how long all of it takes.
            ["make", "--dry-run", "--always-make", name.partition(" ")[2]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[0] == f'echo "{name} takes {said}" >&2'


def test_the_modules_that_decide_are_there() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text))
    assert len(named) > 30
    for name in named:
        assert (ROOT / "scripts" / name).exists() or (ROOT / name).exists(), name


def test_each_room_is_in_the_design_and_in_the_contract() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = told["tool"]["importlinter"]["contracts"][0]["layers"]
    held = {name for layer in layers for name in layer.split(" | ")}
    rooms = {p.parent.name for p in (ROOT / "scripts").glob("*/__init__.py")}
    assert rooms
    for room in rooms:
        assert f"`scripts/{room}/`" in text, room
        assert f"scripts.{room}" in held, room


def test_what_runs_in_vllm_imports_none_of_the_tools() -> None:
    modules = sorted(IN_VLLM.glob("*.py"))
    assert len(modules) > 20
    for path in modules:
        text = path.read_text(encoding="utf-8")
        found = re.search(r"^\s*(?:from|import) (?:scripts|ci|tests)\b", text, re.M)
        assert found is None, (path.name, found)


def test_each_record_is_in_the_design() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    kept = {p.name + "/" * p.is_dir() for p in RECORDS.iterdir()}
    assert "kernels.json" in kept and "hopper/" in kept
    for name in kept:
        assert f"`{name}`" in text, name


def test_the_unit_tests_have_the_rooms_of_the_tools() -> None:
    rooms = {p.parent.name for p in (ROOT / "scripts").glob("*/__init__.py")} | {"ci"}
    there = {p.parent.name for p in (ROOT / "tests/unit").glob("*/__init__.py")}
    # On a GPU; the texts are no room of scripts/.
    assert rooms - there == {"hardware"} and there - rooms == {"documents"}


RUN_TESTS = {
    "ci/steps.py": "the bot's proof: the tests of the documents and on a CPU",
    "scripts/port/prove.py": "the port's proof: the same, in a clone",
    "scripts/port/companions.py": "names the tests to run where a companion differs",
    "scripts/hopper/prepare.py": "packs what runs on the GPU",
    "scripts/in_vllm/hopper_stage.py": "imports it there",
    "scripts/hopper/fp8.py": "packs what runs on the GPU",
    "scripts/hardware/place.py": "runs it",
    "scripts/hardware/cuda.py": "runs it",
}


def test_tools_take_nothing_from_tests_but_what_they_run() -> None:
    """Whatever is kept lies in records/, and a tool's own data beside the tool."""
    ours = "|".join(p.name for p in (ROOT / "tests").iterdir() if p.is_dir())
    form = re.compile(rf"""(?:tests/(?:{ours})\b|ROOT / ["']tests["'])""")
    seen = set()
    for top in ("scripts", "ci"):
        for path in sorted((ROOT / top).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    node.value = ast.Constant(None)  # a docstring
            if form.search(ast.unparse(tree).replace("'", '"')):
                seen.add(str(path.relative_to(ROOT)))
    assert seen == {*RUN_TESTS}
