# SPDX-License-Identifier: Apache-2.0
"""What a sweep starts from: the shapes file, and the compiler beside the lock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.errors import Finding, Unusable
from scripts.cli import app
from scripts.kernels import shapes
from scripts.kernels.versions import environment

PINS = {"flashinfer-python": "0.7.4", "nvidia-cutlass-dsl": "4.8.0"}
PARTS = ("", "-libs-base", "-libs-core", "-libs-cu13")


def made(root: Path, **other: str) -> Path:
    """An environment that has the distributions' metadata, and nothing else."""
    found = {f"nvidia-cutlass-dsl{part}": "4.8.0" for part in PARTS}
    found |= {"flashinfer-python": "0.7.4", "requests": "2.0"}
    found |= {name.replace("_", "-"): version for name, version in other.items()}
    site = root / "lib" / "python3.11" / "site-packages"
    for name, version in found.items():
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(text, encoding="utf-8")
        (folder / "RECORD").write_text(f"{name},sha256=x,1\n", encoding="utf-8")
    return root / "bin" / "python"


def test_the_pinned_compiler_is_taken(tmp_path: Path) -> None:
    found = environment(made(tmp_path), PINS)
    assert found.versions["nvidia-cutlass-dsl-libs-cu13"] == "4.8.0"
    assert "requests" not in found.versions


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"nvidia_cutlass_dsl": "4.7.1"}, "nvidia-cutlass-dsl 4.8.0"),
        ({"nvidia_cutlass_dsl_libs_cu13": "4.8.1"}, "nvidia-cutlass-dsl-libs-cu13"),
        ({"flashinfer_python": "0.7.2.post1"}, "flashinfer-python 0.7.4"),
    ],
    ids=["cutlass-dsl", "one of its libraries", "FlashInfer"],
)
def test_a_mismatched_compiler_is_found(
    other: dict[str, str], found: str, tmp_path: Path
) -> None:
    with pytest.raises(Finding, match="not the pinned one") as e:
        environment(made(tmp_path, **other), PINS)
    (version,) = other.values()
    assert e.value.expected is not None and e.value.expected.startswith(found)
    assert e.value.found == version


def test_any_changed_file_of_the_compiler_changes_the_digest(tmp_path: Path) -> None:
    python = made(tmp_path)
    before = environment(python, PINS).digest
    (record,) = tmp_path.rglob("flashinfer_python*/RECORD")
    record.write_text("flashinfer-python,sha256=y,1\n", encoding="utf-8")
    assert environment(python, PINS).digest != before


def test_ranks_share_the_right_side() -> None:
    (model,) = (m for m in shapes.load().models if m.name == "Qwen3-30B-A3B")
    request = model.request()
    assert [c["tp"] for c in request["moe"] if c["max-tokens"] == 8192][:3] == [1, 2, 4]
    sizes = {(c["n"], c["k"]) for c in request["linear"] if c["tp"] == 4}
    assert sizes == {(1280, 2048), (2048, 1024)}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("experts = 128", "", "no experts"),
        ("top-k = 8", "top-k = 0", "top-k of Qwen3-30B-A3B is 0"),
        ("[[model]]", "[[model", "Expected"),
        ('name = "sm_121a"', 'name = "sm_90a"', "architecture sm_90a"),
        ('name = "Qwen3.6-35B-A3B"', 'name = "gpt-oss"', "two models of one name"),
        ("columns = [[5120, 2048]]", "columns = [5120]", "iterable"),
    ],
    ids=["lacks", "zero", "no TOML", "architecture", "twice", "pair"],
)
def test_a_bad_shapes_file_is_an_error(
    old: str, new: str, found: str, tmp_path: Path
) -> None:
    text = shapes.PATH.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "shapes.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Unusable, match="cannot be used") as e:
        shapes.load(path)
    assert e.value.found is not None and found in e.value.found


def test_the_verb_and_its_target_are_there() -> None:
    assert "kernels" in {command.name for command in app.registered_commands}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for option in ("--json", "--update", "--all", "--flashinfer"):
        assert re.search(rf"^\t@\$\(run\) kernels .*{option}\)", makefile, re.M), option
