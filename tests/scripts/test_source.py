# SPDX-License-Identifier: Apache-2.0
"""The source lane: tools are checked, the environment is right, a build runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.version import Version

from scripts import fetch
from scripts import lock as lock_file
from scripts.errors import Finding, Unusable
from scripts.sdist import members
from scripts.series import folder
from scripts.wheel import archive, buildtools, source
from scripts.wheel.buildenv import Machine, architectures, compose, launcher_of
from tests.scripts.small import Small, git

RUST = '[toolchain]\nchannel = "1.95"\n'
REQUIRES = """\
[build-system]
requires = [
    "cmake>=3.26.1",
    "ninja",
    "packaging>=24.2",
    "torch == 2.14.0",
    "no-such-package>=7",
]
[project]
requires-python = ">=3.11,<3.15"
"""
GOOD = {
    "nvcc": "Cuda compilation tools, release 13.0, V13.0.88",
    "cmake": "cmake version 3.31.0",
    "ninja": "1.11.1",
    "g++": "12.2.0",
    "git": "git version 2.39.2",
    "rustc": "rustc 1.95.0 (abc 2026-04-01)",
    "cargo": "cargo 1.95.0 (abc 2026-04-01)",
}


def tools(folder: Path, said: Mapping[str, str]) -> dict[str, str]:
    """Programs that say their version; an environment with nothing else."""
    folder.mkdir(exist_ok=True)
    for name, text in said.items():
        (folder / name).write_text(f"#!/bin/sh\necho '{text}'\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}"}


def fake_torch(site: Path, version: str, cuda: str | None) -> None:
    """What setup.py and CMake ask of torch, without torch.

    Its CMake package does what torch's does first: it enables CUDA with the
    flags of TORCH_CUDA_ARCH_LIST.
    """
    files = {
        "torch/__init__.py": f"from . import utils, version\n"
        f"__version__ = {version!r}\n",
        "torch/version.py": f"cuda = {cuda!r}\nhip = xpu = None\n",
        "torch/utils/__init__.py": "from pathlib import Path\n"
        "cmake_prefix_path = str(Path(__file__).parents[1] / 'share')\n",
        "torch/utils/cpp_extension.py": "import os\n"
        "CUDA_HOME, ROCM_HOME = os.environ.get('CUDA_HOME'), None\n",
        "torch/share/TorchConfig.cmake": "set(CUDA_FOUND TRUE)\n"
        "enable_language(CUDA)\nset(Torch_FOUND TRUE)\n",
        f"torch-{version}.dist-info/METADATA": "Metadata-Version: 2.1\n"
        f"Name: torch\nVersion: {version}\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")


def site_of(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


@pytest.fixture(scope="module")
def bare_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    venv = tmp_path_factory.mktemp("bare") / "v"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True
    )
    return venv


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As much of a source tree as the check reads."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/pyproject.toml").write_text(REQUIRES, encoding="utf-8")
    (tmp_path / "tree/rust-toolchain.toml").write_text(RUST, encoding="utf-8")
    return tmp_path / "tree"


# -- tools ---------------------------------------------------------------------


def lacking(tree: Path, venv: Path, env: dict[str, str], device: str) -> list[str]:
    with pytest.raises(Unusable) as e:
        buildtools.require(tree, str(venv / "bin/python"), env, device)
    return str(e.value.found).splitlines()


def test_everything_missing_is_named_at_once(
    tree: Path, bare_venv: Path, tmp_path: Path
) -> None:
    env = tools(tmp_path / "bin", {})
    env["CUDA_HOME"] = str(tmp_path / "nowhere")
    found = lacking(tree, bare_venv, env, "cuda")
    assert [line.split(":")[0].removeprefix("Python package ") for line in found] == [
        "pip",
        "packaging",
        "torch",
        "no-such-package",
        "cmake",
        "ninja",
        f"{tmp_path}/nowhere/bin/nvcc",
        "g++",
        "git",
        "rustc",
        "cargo",
    ]
    assert "cmake: needs >=3.26.1, found none on PATH" in found


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("nvcc", "release 12.8, V12.8.93", "needs >=12.9, found 12.8"),
        ("cmake", "cmake version 3.25.1", "needs >=3.26.1, found 3.25.1"),
        ("g++", "11.2.0", "needs >=11.3, found 11.2.0"),
        ("rustc", "rustc 1.94.1 (x)", "needs >=1.95, found 1.94.1"),
        ("cargo", "no number", "does not say its version"),
    ],
)
def test_what_is_too_old_is_named(
    tree: Path, bare_venv: Path, tmp_path: Path, name: str, said: str, expected: str
) -> None:
    found = lacking(
        tree, bare_venv, tools(tmp_path / "bin", GOOD | {name: said}), "cuda"
    )
    programs = [line for line in found if not line.startswith("Python package")]
    assert len(programs) == 1
    assert name in programs[0] and expected in programs[0]


def test_program_that_fails_is_named_with_its_words(
    tree: Path, bare_venv: Path, tmp_path: Path
) -> None:
    env = tools(tmp_path / "bin", GOOD)
    script = "#!/bin/sh\necho 'toolchain 1.95 is not installed' >&2\nexit 1\n"
    (tmp_path / "bin/rustc").write_text(script, encoding="utf-8")
    assert any(
        "rustc" in line and "toolchain 1.95 is not installed" in line
        for line in lacking(tree, bare_venv, env, "cuda")
    )


@pytest.mark.parametrize(
    ("version", "cuda", "expected"),
    [
        ("2.13.0", "13.0", "torch: needs ==2.14.0, found 2.13.0"),
        ("2.14.0+cpu", None, "torch: needs a build for CUDA, found 2.14.0+cpu"),
        ("2.14.0+cu129", "12.9", "nvcc: needs CUDA 12.9, as torch, found 13.0"),
        ("2.14.0+cu130", "13.0", None),
    ],
)
def test_torch_is_the_pinned_one_for_cuda(
    tree: Path,
    tmp_path: Path,
    version: str,
    cuda: str | None,
    expected: str | None,
) -> None:
    venv = tmp_path / "v"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True
    )
    fake_torch(site_of(venv), version, cuda)
    found = lacking(tree, venv, tools(tmp_path / "bin", GOOD), "cuda")
    about = [line for line in found if "torch" in line]
    assert [expected in line for line in about] == ([True] if expected else [])  # type: ignore[operator]


def test_empty_device_needs_no_compiler(
    tree: Path, bare_venv: Path, tmp_path: Path
) -> None:
    found = lacking(tree, bare_venv, tools(tmp_path / "bin", {}), "empty")
    assert all(line.startswith("Python package") for line in found)
    assert "Python package torch: needs any version, found none" in found


def test_python_that_cannot_run(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be run"):
        buildtools.require(tree, str(tmp_path / "python"), {}, "cuda")


# -- environment ---------------------------------------------------------------


def test_environment_of_a_spark(small: Small) -> None:
    base = {
        "PATH": "/bin",
        "HOME": "/home/x",
        "https_proxy": "http://proxy",
        "TORCH_CUDA_ARCH_LIST": "8.0 9.0",
        "VLLM_USE_PRECOMPILED": "1",
        "VLLM_CUTLASS_SRC_DIR": "/src/cutlass",
        "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_VLLM": "9",
        "PIP_INDEX_URL": "http://x",
        "PYTHONPATH": "/x",
        "SCCACHE_BUCKET": "secret-name",
    }
    made = compose(
        base,
        small.lock,
        Machine(cores=20, memory=64 << 30),
        launcher="sccache",
        target_device="cuda",
        nvcc=Version("12.9"),
        path="/venv/bin",
    )
    assert made.variables == {
        "PATH": "/venv/bin:/bin",
        "HOME": "/home/x",
        "https_proxy": "http://proxy",
        "VLLM_CUTLASS_SRC_DIR": "/src/cutlass",
        "SCCACHE_BUCKET": "secret-name",
        "CMAKE_C_COMPILER_LAUNCHER": "sccache",
        "CMAKE_CXX_COMPILER_LAUNCHER": "sccache",
        "CMAKE_CUDA_COMPILER_LAUNCHER": "sccache",
        "RUSTC_WRAPPER": "sccache",
        "MAX_JOBS": "14",  # 7 of 9 GiB, times the 2 threads it is divided by
        "NVCC_THREADS": "2",
        "SETUPTOOLS_SCM_PRETEND_VERSION": "1.2.3+sm12x.1",
        "SOURCE_DATE_EPOCH": "1795455327",
        "TORCH_CUDA_ARCH_LIST": "12.0a;12.1a",
        "VLLM_REQUIRE_RUST_FRONTEND": "1",
        "VLLM_TARGET_DEVICE": "cuda",
        "VLLM_VERSION_OVERRIDE": "1.2.3+sm12x.1",
    }
    assert "7 compile jobs of 2 nvcc threads" in made.words[0]
    assert "S3 (SCCACHE_BUCKET)" in made.words[1]
    assert "secret-name" not in "".join(made.words)


@pytest.mark.parametrize(
    ("cores", "gib", "base", "jobs", "threads"),
    [
        (2, 20, {}, "2", "2"),  # bound by cores
        (1, 1, {}, "2", "2"),  # never none
        (64, 512, {}, "64", "2"),
        (64, 512, {"NVCC_THREADS": "1"}, "56", "1"),  # bound by memory
        (64, 512, {"MAX_JOBS": "3"}, "3", "2"),
    ],
)
def test_jobs_fit_into_cores_and_memory(
    small: Small, cores: int, gib: int, base: dict[str, str], jobs: str, threads: str
) -> None:
    made = compose(
        base,
        small.lock,
        Machine(cores, gib << 30),
        launcher=None,
        target_device="cuda",
    ).variables
    assert (made["MAX_JOBS"], made["NVCC_THREADS"]) == (jobs, threads)


def test_launcher_is_the_one_that_setup_takes() -> None:
    both: dict[str, str | None] = {"sccache": "/x/sccache", "ccache": "/x/ccache"}
    assert launcher_of({}, both) == "sccache"
    assert launcher_of({"VLLM_DISABLE_SCCACHE": "1"}, both) == "ccache"
    assert launcher_of({}, both | {"sccache": None}) == "ccache"
    assert launcher_of({}, {}) is None


# -- the tree ------------------------------------------------------------------


def test_tree_is_kept_until_the_archive_changes(small: Small, tmp_path: Path) -> None:
    patches = folder.load(small.patches)
    path = archive.build(small.lock, patches, small.sdist, tmp_path / "dist")
    tree = source.prepare(path, tmp_path / "work")
    assert {m.path for m in members(path)} == {
        p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file()
    }
    (tree / "object.o").touch()
    (tmp_path / "work" / f"{tree.name}.part-killed").mkdir()
    assert source.prepare(path, tmp_path / "work") == tree
    assert (tree / "object.o").exists()
    lock_file.update(small.lock_path, {"vllm.epoch": 1795455328})
    path = archive.build(small.lock, patches, small.sdist, tmp_path / "dist")
    source.prepare(path, tmp_path / "work")
    assert not (tree / "object.o").exists()
    assert not list((tmp_path / "work").glob("*.part-*"))


def test_archive_that_is_cut_off_leaves_nothing(small: Small, tmp_path: Path) -> None:
    path = archive.build(small.lock, folder.load(small.patches), small.sdist, tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Finding, match="damaged"):
        source.prepare(path, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_unknown_device_is_refused(small: Small, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="not built here"):
        source.build(
            small.lock,
            small.sdist,
            tmp_path,
            tmp_path,
            python=sys.executable,
            target_device="rocm",
        )


# -- upstream's own build ------------------------------------------------------


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real patched archive."""
    lock = lock_file.load()
    out = tmp_path_factory.mktemp("dist")
    return archive.build(lock, folder.load(), fetch.obtain(lock.sdist), out)


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
    made = source.build(
        lock,
        patched,
        tmp_path / "dist",
        tmp_path / "build/source",
        python=str(build_venv / "bin/python"),
        target_device="empty",
    )
    assert made.wheel is not None
    assert made.wheel.name.startswith(f"vllm-{lock.local_version}-")
    source_files = {m.path: m.data for m in members(patched)}
    with zipfile.ZipFile(made.wheel) as z:
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

    def build(*, dry_run: bool) -> source.Build:
        return source.build(
            lock_file.load(),
            patched,
            tmp_path / "dist",
            tmp_path / "work",
            python=str(build_venv / "bin/python"),
            dry_run=dry_run,
        )

    planned = build(dry_run=True)
    assert "TORCH_CUDA_ARCH_LIST=12.0\n" in str(planned)
    before = (tmp_path / "nvcc.log").read_text(encoding="utf-8").splitlines()
    assert set(before) == {"--version"}, "a dry run compiles nothing"
    with pytest.raises(Finding, match="upstream's build ended"):
        build(dry_run=False)
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
