# SPDX-License-Identifier: Apache-2.0
"""Recipes as the tools of DGX Sparks' owners read them; sparkrun itself, if it can."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.doctor.facts import Facts
from scripts.doctor.model.main import Given, diagnose
from tests.unit.doctor.checkpoints import tiny

SPARKRUN = "sparkrun==0.4.2"
"""It needs Python 3.12 or newer, and the tools here do not."""
_VALIDATE = """
import json, sys
from sparkrun.core.recipe import Recipe
from sparkrun.core.validation import validate_recipe
found = Recipe.load(sys.argv[1])
issues = [str(each) for each in (*found.validate(), *validate_recipe(found))]
nodes = found.min_nodes, found.max_nodes
command = found.render_command(found.build_config_chain(None))
print(json.dumps([issues, found.runtime, nodes, command]))
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Facts("3.12.0", "python3", "Linux x86_64")
    monkeypatch.setattr("scripts.doctor.facts.look", lambda _: found)


def recipe(tmp_path: Path, tool: str, nodes: int, name: str = "model") -> str:
    folder = tiny(tmp_path / name)
    given = Given(folder, gpu="spark", count=nodes, tokens=1024, kv="fp8", recipe=tool)
    text, ok = diagnose(given)
    assert ok
    return text


HUB = "models--nvidia--Some-30B-NVFP4/snapshots/0123"


@pytest.mark.parametrize("nodes", [1, 2])
def test_eugr_fills_the_command(nodes: int, tmp_path: Path) -> None:
    found: dict[str, Any] = yaml.safe_load(recipe(tmp_path, "eugr", nodes, HUB))
    assert {"name", "container", "command"} <= found.keys()
    assert found["recipe_version"] == "1"
    assert found["model"] == "nvidia/Some-30B-NVFP4"
    assert found["cluster_only"] is (nodes == 2)
    # As run-recipe.py does.
    command = found["command"].format(**found["defaults"]).replace("\\\n", "").split()
    assert command[:3] == ["vllm", "serve", "nvidia/Some-30B-NVFP4"]
    said = " ".join(command)
    assert ("--tensor-parallel-size 2" in said) is (nodes == 2)
    for flag in ("--kv-cache-dtype fp8", "--max-num-batched-tokens 1024"):
        assert flag in said
    assert "--gpu-memory-utilization 0.85" in said


def test_a_folder_of_any_name_is_no_yaml_and_no_shell(tmp_path: Path) -> None:
    for tool in ("eugr", "sparkrun"):
        text = recipe(tmp_path, tool, 1, "a {b}; rm -rf: $(x)\n- c")
        found = yaml.safe_load(text)
        assert found["model"] == "a--b---rm--rf----x----c"
        assert found["command"].format(model="x", **found["defaults"]).count(";") == 0


def _runs(python: str) -> bool:
    # A name on PATH may be pyenv's, of a version that is not there.
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def sparkrun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has sparkrun."""
    names = ("python3.12", "python3.13", "python3.14")
    base = next((p for name in names if (p := shutil.which(name)) and _runs(p)), None)
    if base is None:
        pytest.skip(f"{SPARKRUN} needs one of {', '.join(names)}")
    home = tmp_path_factory.mktemp("sparkrun") / "env"
    subprocess.run([base, "-m", "venv", str(home)], check=True)
    pip = [str(home / "bin" / "pip"), "install", "--quiet", SPARKRUN]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{SPARKRUN} cannot be installed: {done.stderr[-300:]}")
    return home / "bin" / "python"


@pytest.mark.slow
@pytest.mark.upstream
@pytest.mark.parametrize("nodes", [1, 2])
def test_sparkrun_finds_nothing_wrong(
    nodes: int, sparkrun: Path, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe(tmp_path, "sparkrun", nodes, HUB), encoding="utf-8")
    done = subprocess.run(
        [str(sparkrun), "-c", _VALIDATE, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    issues, runtime, asked, command = json.loads(done.stdout.splitlines()[-1])
    assert issues == []
    assert runtime == "vllm-distributed"
    assert asked == [nodes, nodes]
    assert "vllm serve nvidia/Some-30B-NVFP4" in command
    assert "--max-num-batched-tokens 1024" in command
