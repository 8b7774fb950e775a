# SPDX-License-Identifier: Apache-2.0
"""The source lane: upstream's own build runs on the real patched archive."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

from scripts.series import folder
from scripts.upstream import fetch
from scripts.upstream import lock as lock_file
from scripts.upstream.sdist import members
from scripts.wheel import patched_sdist, source
from scripts.wheel.buildenv import architectures
from tests.unit.small import git
from tests.unit.wheel.stand_ins import GOOD, become, fake_torch, site_of, tools


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real patched archive."""
    lock = lock_file.load()
    out = tmp_path_factory.mktemp("dist")
    return patched_sdist.build(lock, folder.load(), fetch.obtain(lock.sdist), out)


@pytest.fixture(scope="module")
def build_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Upstream's build requirements, but for torch, which is a stand-in."""
    venv = tmp_path_factory.mktemp("build") / "v"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    needs = ["cmake>=3.26.1", "ninja", "packaging>=24.2", "setuptools>=77.0.3,<81.0.0"]
    needs += ["setuptools-scm>=8.0", "setuptools-rust>=1.9.0", "wheel", "jinja2"]
    subprocess.run([venv / "bin/pip", "install", "-q", *needs], check=True)
    return venv


@pytest.mark.upstream
@pytest.mark.slow
def test_architectures_cover_both_chips(
    patched: Path, build_venv: Path, tmp_path: Path
) -> None:
    """From CUDA 13 on, upstream's CMake keeps 12.0a of 12.0a;12.1a."""
    wanted = {"CMakeLists.txt", "cmake/utils.cmake"}
    files = {m.path: m.data for m in members(patched) if m.path in wanted}
    text = files["CMakeLists.txt"].decode("utf-8")
    start = text.index("if(DEFINED CMAKE_CUDA_COMPILER_VERSION AND")
    block = text[start : text.index("endif()", start)] + "endif()\n"
    (tmp_path / "utils.cmake").write_bytes(files["cmake/utils.cmake"])
    (tmp_path / "ask.cmake").write_text(
        "include(${CMAKE_CURRENT_LIST_DIR}/utils.cmake)\n" + block + "message("
        'STATUS "supported ${CUDA_SUPPORTED_ARCHS}")\n'
        'cuda_archs_loose_intersection(GENERAL "${CUDA_SUPPORTED_ARCHS}" "${GIVEN}")\n'
        'message(STATUS "general=${GENERAL}")\n'
        'cuda_archs_loose_intersection(FP4 "${FP4_SOURCE}" "${GENERAL}")\n'
        'message(STATUS "fp4=${FP4}")\n',
        encoding="utf-8",
    )

    def ask(nvcc: str, given: str, fp4: str) -> list[str]:
        said = subprocess.run(
            [
                build_venv / "bin/cmake",
                f"-DCMAKE_CUDA_COMPILER_VERSION={nvcc}",
                f"-DGIVEN={given}",
                f"-DFP4_SOURCE={fp4}",
                "-P",
                tmp_path / "ask.cmake",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return [line.split("=")[1] for line in said.splitlines() if "=" in line]

    assert '(FP4_SM120_ARCHS "12.0f"' in text
    assert '(FP4_SM120_ARCHS "12.0a;12.1a"' in text
    assert ask("13.0", architectures(Version("13.0")), "12.0f") == ["12.0", "12.0f"]
    old = architectures(Version("12.9"))
    assert ask("12.9", old, "12.0a;12.1a") == ["12.0a;12.1a"] * 2
    assert ask("13.0", old, "12.0f") == ["12.0a", "12.0a"], "BOTH is right again"


@pytest.mark.upstream
@pytest.mark.slow
def test_upstream_builds_the_empty_device(
    patched: Path, build_venv: Path, tmp_path: Path
) -> None:
    fake_torch(site_of(build_venv), "2.14.0", None)
    git(tmp_path, "init", "-q")  # a work tree around it must not matter
    lock = lock_file.load()
    made = source.plan(
        lock,
        patched,
        tmp_path / "dist",
        tmp_path / "build/source",
        python=str(build_venv / "bin/python"),
        target_device="empty",
    )
    (tmp_path / "dist/.wheel.part-source").mkdir(parents=True)
    (tmp_path / "dist/.wheel.part-source/killed.whl").touch()
    done = become(made, tmp_path / "lock")
    assert done.returncode == 0
    (wheel,) = (tmp_path / "dist").iterdir()
    assert done.stdout.endswith(f"-> '{wheel}'\n") and done.stdout.count("\n") == 1
    assert wheel.name.startswith(f"vllm-{lock.local_version}-")
    source_files = {m.path: m.data for m in members(patched)}
    with zipfile.ZipFile(wheel) as z:
        names = set(z.namelist())
        info = f"vllm-{lock.local_version}.dist-info"
        assert f"Version: {lock.local_version}\n" in z.read(f"{info}/METADATA").decode()
        assert f"{info}/licenses/NOTICE.sm12x" in names
        for path, data in source_files.items():
            if path.startswith("vllm/") and path != "vllm/_version.py":
                assert z.read(path) == data, path
        assert lock.local_version in z.read("vllm/_version.py").decode()


@pytest.mark.upstream
@pytest.mark.slow
def test_version_needs_no_git_and_no_override(
    patched: Path, build_venv: Path, tmp_path: Path
) -> None:
    fake_torch(site_of(build_venv), "2.14.0", None)
    tree = source.prepare(patched, tmp_path)
    done = subprocess.run(
        [build_venv / "bin/python", "setup.py", "--version"],
        cwd=tree,
        env={"PATH": "/nowhere", "VLLM_TARGET_DEVICE": "empty"},
        capture_output=True,
        text=True,
        check=True,
    )
    local = lock_file.load().local_version
    assert done.stdout.split()[-1] == f"{local}.empty"


@pytest.mark.upstream
@pytest.mark.slow
def test_upstream_build_reaches_the_compiler(
    patched: Path, build_venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CMake gets the flags, and starts nvcc, which ends it here."""
    fake_torch(site_of(build_venv), "2.14.0", "13.0")
    cuda = tmp_path / "cuda/bin"
    (cuda.parent / "nvvm/libdevice").mkdir(parents=True)  # CMake looks for it
    fakes = {k: GOOD[k] for k in ("nvcc", "rustc", "cargo")}
    tools(cuda, {**fakes, "sccache": "sccache 0.8"})
    (cuda / "nvcc").write_text(
        f"#!/bin/sh\necho \"$@\" >> '{tmp_path}/nvcc.log'\necho '{GOOD['nvcc']}'\n"
        'case "$1" in --version | -V) ;; *) exit 1 ;; esac\n',
        encoding="utf-8",
    )
    # A launcher runs what it is given; CMake passes the compiler to it.
    (cuda / "sccache").write_text('#!/bin/sh\nexec "$@"\n', encoding="utf-8")
    monkeypatch.setenv("CUDA_HOME", str(cuda.parent))
    monkeypatch.setenv("PATH", f"{cuda}:{os.environ['PATH']}")
    monkeypatch.setenv("MAX_JOBS", "6")

    planned = source.plan(
        lock_file.load(),
        patched,
        tmp_path / "dist",
        tmp_path / "work",
        python=str(build_venv / "bin/python"),
    )
    assert "export TORCH_CUDA_ARCH_LIST=12.0\n" in str(planned)
    before = (tmp_path / "nvcc.log").read_text(encoding="utf-8").splitlines()
    assert set(before) == {"--version"}, "a dry run compiles nothing"
    assert become(planned, tmp_path / "lock").returncode == 1, "pip's own"
    assert not (tmp_path / "dist").exists()
    calls = (tmp_path / "nvcc.log").read_text(encoding="utf-8").splitlines()
    assert any("CMakeCUDACompilerId.cu" in call for call in calls)
    cache = next((planned.tree / "build").rglob("CMakeCache.txt"))
    text = cache.read_text(encoding="utf-8")
    got = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    values = {name.partition(":")[0]: value for name, value in got.items()}
    for name, value in {
        "CMAKE_CUDA_COMPILER": f"{cuda}/nvcc",
        "CMAKE_CUDA_COMPILER_LAUNCHER": "sccache",
        "CMAKE_JOB_POOLS": "compile=3",
        "NVCC_THREADS": "2",
        "VLLM_TARGET_DEVICE": "cuda",
    }.items():
        assert values[name] == value
