# SPDX-License-Identifier: Apache-2.0
"""The doctor: what it sees of a machine, what it answers, and how it says it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.markers import default_environment

from scripts import IN_VLLM, ROOT
from scripts.base.errors import Unusable
from scripts.doctor import render, selection
from scripts.doctor.facts import Facts, Gpu, look
from scripts.doctor.findings import remarks
from tests.unit.doctor.machines import DSL, LOCK, SERIES, WELL, put

# Selection


def test_without_vllm_and_gpu_it_answers_for_both() -> None:
    found = selection.select(Facts("3.11", "python3", "Linux x86_64"), None)
    assert [s.capability for s in found] == ["12.0", "12.1"]
    for each in found:
        assert "as recorded" in each.source
        moe = each.choices[0]
        assert moe.chosen.startswith("FLASHINFER_CUTEDSL_SM12X") and moe.ours
        assert moe.upstream.startswith("FLASHINFER_CUTLASS")


def test_a_vllm_that_cannot_be_asked_is_said() -> None:
    broken = replace(WELL, executable=sys.executable)  # it has no vLLM
    (found,) = selection.select(broken, "12.0")
    assert found.source.startswith("as recorded in the repository, since this vLLM")
    assert "No module named" in found.source


# Looking


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of the Python that is looked at."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def distribution(site: Path, name: str, version: str, **files: str) -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    for path, text in {"METADATA": "", **files}.items():
        (info / path).parent.mkdir(parents=True, exist_ok=True)
        (info / path).write_text(text, encoding="utf-8")
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )


def test_looking_finds_packages_patches_and_settings(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = {"fork": LOCK.local_version, "patches": [["0001-x.patch", "ab", "x"]]}
    distribution(
        *(site, "vllm", LOCK.version), **{"sm12x/manifest.json": json.dumps(manifest)}
    )
    distribution(site, "nvidia_cutlass_dsl_libs_cu13", "4.8.0")
    (site / "torch.py").write_text("raise OSError('libcudart.so is missing')\n")
    monkeypatch.setenv("VLLM_SM12X_AUTO_SELECT", "moe")
    found = look(sys.executable)
    assert found.vllm["patches"] == {"0001-x.patch": "ab"}
    assert found.vllm["in_place"] == LOCK.local_version
    assert found.packages[f"{DSL}-libs-cu13"] == "4.8.0"
    assert found.torch == {"error": "OSError: libcudart.so is missing"}
    assert found.settings["VLLM_SM12X_AUTO_SELECT"] == "moe"
    assert found.b12x == {"live": None, "path": None, "problem": None}


def test_looking_reads_the_wheel_s_bill(site: Path) -> None:
    properties = [
        {"name": "vllm-sm12x:pin:version", "value": "0.33.0"},
        {"name": "vllm-sm12x:patch:0001-x.patch:sha256", "value": "cd"},
        {"name": "vllm-sm12x:patch:0001-x.patch:test", "value": "a::b"},
    ]
    bill = json.dumps({"metadata": {"component": {"properties": properties}}})
    distribution(
        *(site, "vllm", LOCK.local_version), **{"sboms/vllm-sm12x.cdx.json": bill}
    )
    assert look(sys.executable).vllm["patches"] == {"0001-x.patch": "cd"}


def test_looking_reads_what_is_required(site: Path) -> None:
    """By the metadata that lies there, and by no list of ours."""
    asked = {
        "vllm": ("new-thing>=2", "cuda-tile; sys_platform == 'nowhere'"),
        "flashinfer_python": ("Cuda_Tile>=1.4", "nvidia-cudnn-frontend>=1.32"),
    }
    versions = {"vllm": LOCK.local_version, "flashinfer_python": "0.7.4"}
    for name, rows in asked.items():
        distribution(site, name, versions[name])
        (meta,) = site.glob(f"{name}-*.dist-info/METADATA")
        lines = "".join(f"Requires-Dist: {row}\n" for row in rows)
        meta.write_text(meta.read_text("utf-8") + lines, encoding="utf-8")
    distribution(site, "nvidia.cudnn_frontend", "1.31.0")
    distribution(site, "cuda_tile", "1.4.0")
    found = look(sys.executable)
    assert found.beside == {"nvidia-cudnn-frontend": "1.31.0", "cuda-tile": "1.4.0"}
    assert found.markers == default_environment()
    said = [r.what for r in remarks(found, LOCK, SERIES) if "do not fit" in r.what]
    assert said == [
        "packages do not fit: new-thing is not installed, and vLLM asks for >=2; "
        "nvidia-cudnn-frontend is 1.31.0, and FlashInfer asks for >=1.32"
    ]


def test_looking_at_a_gpu(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = site / "nvidia-smi"
    smi.write_text(
        "#!/bin/sh\necho '0, NVIDIA GB10, 12.1, 580.95.05, 122570 MiB'\n",
        encoding="utf-8",
    )
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{site}:{os.environ['PATH']}")
    found = look(sys.executable)
    assert found.gpus == (Gpu("NVIDIA GB10", "12.1", "580.95.05", "122570 MiB", "0"),)
    assert found.capability == "12.1"


SMI = {
    "older": ("0, NVIDIA GeForce GTX 1080, 6.1, 580.95.05, 8192 MiB", ["6.1"], []),
    "a comma in the name": (
        "0, NVIDIA RTX, Max-Q, 12.0, 580.95.05, 9 GiB",
        ["12.0"],
        [],
    ),
    "a minor that nobody knows": ("0, NVIDIA X, 12.7, 610.1, 9 GiB", ["12.7"], []),
    "newer": ("0, NVIDIA X, 13.0, 610.1, 9 GiB", ["13.0"], []),
    "two": (
        "0, NVIDIA H100, 9.0, 580.95.05, 80 GiB\n"
        "1, NVIDIA RTX PRO 6000, 12.0, 580.95.05, 96 GiB",
        ["9.0", "12.0"],
        [],
    ),
    "lost": (
        "0, NVIDIA RTX PRO 6000, 12.0, 580.95.05, 96 GiB\n"
        "1, NVIDIA RTX PRO 6000, [N/A], 580.95.05, [GPU is lost]\n"
        "Unable to determine the device handle for GPU1: 0000:02:00.0: GPU is lost.",
        ["12.0"],
        ["[GPU is lost]", "device handle"],
    ),
    "NVML": (
        "Failed to initialize NVML: Driver/library version mismatch",
        [],
        ["version mismatch"],
    ),
}


@pytest.mark.parametrize(("said", "capabilities", "trouble"), SMI.values(), ids=SMI)
def test_whatever_the_machine_names_it_answers(
    said: str,
    capabilities: list[str],
    trouble: list[str],
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (site / "said").write_text(f"{said}\n", encoding="utf-8")
    smi = site / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\ncat '{site}/said'; exit {9 if trouble else 0}\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{site}:{os.environ['PATH']}")
    done = doctor()
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == (1 if trouble else 0), done.stderr
    for capability in capabilities:
        assert re.search(rf"^On {capability}\b", done.stdout, re.M), done.stdout
    for words in trouble:
        assert f"{words}" in done.stdout.partition("Findings")[2]
    if capabilities[:1] == ["13.0"]:
        assert "On 13.0, not known: this Python has no vLLM" in done.stdout
        assert "12.0, 12.1 only" in done.stdout


def test_a_broken_installation_is_told_not_raised(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(site, "vllm", LOCK.version, **{"sm12x/manifest.json": "{"})
    (site / "torch.py").write_text(
        textwrap.dedent("""
            __version__ = "2.14.0"
            class version: cuda = "13.0"
            class cuda:
                is_available = staticmethod(lambda: True)
                device_count = staticmethod(lambda: 1)
                def get_device_capability(i): raise RuntimeError("unspecified launch")
        """)
    )
    inside = site / "inside"
    inside.mkdir()
    shutil.copy(IN_VLLM / "look_around.py", inside)
    (inside / "b12x_origin.py").write_text("raise ValueError('x')\n")
    monkeypatch.setattr("scripts.doctor.facts.IN_VLLM", inside)
    found = look(sys.executable)
    kinds = [trouble.partition(":")[0] for trouble in found.trouble]
    assert kinds == ["PyTorch", "vLLM's own files", "b12x"]
    assert found.torch == {"version": "2.14.0", "cuda": "13.0"}
    assert "Traceback" not in doctor().stdout


def test_nothing_is_to_be_put_into_the_system_s_python(tmp_path: Path) -> None:
    """Its folder is /usr, which the fix `make install VENV=` once named."""
    base = str(Path(sys.base_prefix) / "bin/python3")
    found = look(base)
    assert found.prefix == ""
    (without_vllm,) = [
        r for r in remarks(replace(found, vllm={}), LOCK, SERIES) if "no vLLM" in r.what
    ]
    assert without_vllm.fix.startswith("make install VENV=env;")
    venv = tmp_path / "v"
    command = [base, "-m", "venv", "--without-pip", str(venv)]
    subprocess.run(command, check=True)
    assert look(str(venv / "bin/python")).prefix == str(venv)


@pytest.mark.parametrize("python", ["/nonexistent/python", "false"])
def test_a_python_that_cannot_be_run(python: str) -> None:
    with pytest.raises(Unusable, match=r"make doctor PYTHON="):
        look(python)


# The command


def doctor(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts", "doctor", "--python", sys.executable, *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_newcomer_without_a_gpu() -> None:
    done = doctor()
    assert done.returncode == 0, done.stderr
    assert "On 12.1 (DGX Spark), as recorded in the repository" in done.stdout
    assert "MoE W4A4      FLASHINFER_CUTEDSL_SM12X  made for SM12x" in done.stdout


def test_json_is_the_same(site: Path) -> None:
    distribution(site, "vllm", LOCK.version)
    done = doctor("--json", "--capability", "12.1")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert told["facts"]["vllm"]["version"] == LOCK.version
    assert any("without the series" in f["what"] for f in told["findings"])
    assert all(f["fix"] for f in told["findings"])
    (chosen,) = told["selections"]
    assert [c["layer"] for c in chosen["choices"]] == ["MoE", "MoE", "linear", "linear"]


def test_no_such_capability() -> None:
    done = doctor("--capability", "13.0")
    assert done.returncode == 2
    assert "make doctor CAPABILITY=12.1" in done.stderr


def test_text_shows_levels_and_mends() -> None:
    plant = put("settings", VLLM_SM12X_AUTO_SELECT="none")(WELL)
    found = render.Diagnosis(plant, [], remarks(plant, LOCK, SERIES), SERIES)
    assert found.ok
    text = render.text(found)
    assert (
        f"{len(SERIES)} of this checkout's {len(SERIES)}, by its wheel: 0001, " in text
    )
    end = """
      note: VLLM_SM12X_AUTO_SELECT=none turns automatic selection off in part
        fix: unset VLLM_SM12X_AUTO_SELECT"""
    assert text.endswith(textwrap.indent(textwrap.dedent(end).lstrip("\n"), "  "))
